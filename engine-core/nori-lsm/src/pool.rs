//! The threads that do the background work of a store that was opened by path.
//!
//! **Invariant: work that the store has to give is begun by a free thread, whoever made it; when
//! the pool has ended nobody works on the store and its log is closed.** A thread falls asleep
//! only when the store had no job after the last wake, and no longer than until the store's next
//! deadline.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use nori_env::sync::{AtomicBool, Ordering};
use nori_env::{IoError, IoErrorKind, IoOp};

use crate::Error;
use crate::engine::Engine;
use crate::jobs::{self, Job, JobKind, JobState};

/// A few threads that step the jobs of one store.
pub(crate) struct Pool {
    engine: Arc<Engine>,
    /// The directory of the store.
    pub(crate) path: PathBuf,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// # Errors
    /// `Io` when the system gives no thread; none is left running.
    pub(crate) fn start(engine: &Arc<Engine>, path: PathBuf, threads: u32) -> Result<Self, Error> {
        let mut pool = Self {
            engine: Arc::clone(engine),
            path,
            ended: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let (engine, ended) = (Arc::clone(&pool.engine), Arc::clone(&pool.ended));
            let thread = thread::Builder::new().name("nori-jobs".into());
            let started = thread.spawn(move || run(&engine, &ended));
            let failed = |_why| IoError::store(IoErrorKind::Other, IoOp::Open);
            pool.threads.push(started.map_err(failed)?);
        }
        Ok(pool)
    }
}

fn run(engine: &Arc<Engine>, ended: &AtomicBool) {
    // A compaction that is put off: its next step is not due yet, or a flush waits.
    let mut held: Option<Job> = None;
    while !ended.load(Ordering::Acquire) {
        let ticket = engine.work.ticket();
        let take_held = |held: &mut Option<Job>| held.take_if(|job| job.due().is_none());
        let next = match jobs::is_flush_waiting(engine) {
            true => jobs::next_job(engine).or_else(|| take_held(&mut held)),
            false => take_held(&mut held).or_else(|| jobs::next_job(engine)),
        };
        if let Some(mut job) = next {
            // What fails is counted, and handed out again after a pause.
            while !ended.load(Ordering::Acquire)
                && matches!(job.step(STEP_BYTES), Ok(JobState::More))
            {
                let put_off = job.due().is_some()
                    || job.kind() == JobKind::Compaction && jobs::is_flush_waiting(engine);
                if put_off && held.is_none() {
                    held = Some(job);
                    break;
                }
            }
        } else if !ended.load(Ordering::Acquire) {
            let pause = jobs::next_due(engine).map(|due| due.since(engine.clock.now()));
            engine.work.wait(ticket, pause, &mut || false);
        }
    }
}

impl Drop for Pool {
    /// Jobs under way are given up, which loses nothing, and the log is closed.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.engine.work.wake();
        for thread in self.threads.drain(..) {
            // One that panicked said so when it did.
            drop(thread.join());
        }
        if let Some(wal) = &self.engine.wal {
            // Without the mark of a clean end the next open reads the log more carefully.
            drop(wal.close());
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// Bytes of a step, between which a thread looks whether the pool ends.
const STEP_BYTES: u64 = 1 << 20;
