//! The threads that do the store's background work.
//!
//! **Invariant: after a nudge every job that the store has to give is done.** A thread falls asleep
//! only when the store gave it no job after the last nudge.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use nori_lsm::{JobState, Lsm};
use parking_lot::{Condvar, Mutex};

/// A few threads that step the jobs of one store.
#[derive(Debug)]
pub(super) struct JobThreads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    lsm: Lsm,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    nudges: u64,
    /// Threads that found no job after the last nudge.
    idle: u32,
    failed: Option<String>,
    ended: bool,
}

impl JobThreads {
    pub(super) fn start(lsm: &Lsm, count: u32) -> Result<Self> {
        let shared = Arc::new(Shared {
            lsm: lsm.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut pool = Self {
            shared,
            threads: Vec::new(),
        };
        for _ in 0..count {
            let shared = Arc::clone(&pool.shared);
            let job = thread::Builder::new().name("jobs".to_owned());
            let started = job.spawn(move || shared.run());
            pool.threads.push(started.context("starting a thread")?);
        }
        Ok(pool)
    }

    /// Tells the threads that there may be a job.
    pub(super) fn nudge(&self) {
        self.shared.nudge();
    }

    /// Waits until there is no job left, and none under way.
    pub(super) fn wait_until_idle(&self) -> Result<()> {
        let threads = u32::try_from(self.threads.len()).unwrap_or(u32::MAX);
        self.nudge();
        let mut state = self.shared.state.lock();
        while state.idle < threads && state.failed.is_none() {
            self.shared.changed.wait(&mut state);
        }
        match &state.failed {
            Some(error) => bail!("background work failed: {error}"),
            None => Ok(()),
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut seen = 0;
        loop {
            {
                let mut state = self.state.lock();
                if state.nudges == seen {
                    state.idle += 1;
                    self.changed.notify_all();
                    while state.nudges == seen && !state.ended {
                        self.changed.wait(&mut state);
                    }
                }
                if state.ended {
                    return;
                }
                seen = state.nudges;
            }
            while let Some(mut job) = self.lsm.next_job() {
                let done = loop {
                    match job.step(STEP_BYTES) {
                        Ok(JobState::More) => {}
                        Ok(JobState::Done) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };
                if let Err(error) = done {
                    self.state.lock().failed = Some(error.to_string());
                    self.changed.notify_all();
                    return;
                }
                // A flush may make a compaction necessary, which another thread can begin.
                self.nudge();
            }
        }
    }

    fn nudge(&self) {
        let mut state = self.state.lock();
        state.nudges += 1;
        state.idle = 0;
        self.changed.notify_all();
    }
}

impl Drop for JobThreads {
    fn drop(&mut self) {
        self.shared.state.lock().ended = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked said so when it did.
            let _panicked = thread.join();
        }
    }
}

/// Bytes of one step: the jobs are interrupted by nobody here.
const STEP_BYTES: u64 = 4 << 20;
