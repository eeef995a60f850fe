//! Background work, handed out in pieces.
//!
//! **Invariant: what a job works on is reserved by it alone, from when it is handed out until it is
//! installed, fails or is dropped.** Its state lies in a slot that the store knows too: a stalled
//! writer steps the job of a holder who does not, so that holding a job blocks nobody.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::{Mutex, Ordering};
use norikv_types::Mono;

use crate::Error;
use crate::collect::Collect;
use crate::compaction::Compaction;
use crate::engine::Engine;
use crate::event::Event;
use crate::fifo;
use crate::flush::Flush;
use crate::picking::{Picking, Wanted};

/// A piece of background work: a flush, a compaction or the deletion of tables. Step it until
/// it is done. Dropping it gives it up; the store will hand it out again.
#[derive(Debug)]
pub struct Job {
    engine: Arc<Engine>,
    slot: Arc<Slot>,
}

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// There is more to do.
    More,
    /// It is done and installed.
    Done,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Writes a memtable to level 0.
    Flush,
    /// Merges tables into the level below.
    Compaction,
    /// Deletes tables that nobody needs any more.
    Collect,
    /// Syncs the log, as the timer behind [`SyncPolicy::Interval`](crate::SyncPolicy::Interval), or
    /// sets the next segment of it aside.
    Sync,
    /// Reads a piece of a table to see whether it is whole.
    Scrub,
}

/// Jobs under way and what they have reserved.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    running: BTreeMap<u64, Arc<Slot>>,
    next_id: u64,
    flushing: bool,
    collecting: bool,
    syncing: bool,
    scrubbing: bool,
    /// A job failed: what it left behind is deleted before anything is tried again, or one that
    /// fails again and again would fill the disk, and a full disk would stay full.
    collect_first: bool,
    picking: Picking,
    /// Jobs that failed in a row.
    failures: u32,
    /// No job is handed out before.
    retry_at: Mono,
}

/// The state of one job.
#[derive(Debug)]
pub(crate) struct Slot {
    id: u64,
    kind: JobKind,
    state: Mutex<SlotState>,
}

#[derive(Debug)]
enum SlotState {
    Working(Box<Work>),
    Ended(Result<(), Error>),
}

#[derive(Debug)]
enum Work {
    Flush(Box<Flush>),
    Compaction(Compaction),
    Collect(Collect),
    Sync,
    Scrub,
}

/// What came of looking for work.
pub(crate) enum Reserved {
    /// This is the most urgent.
    Work(Arc<Slot>),
    /// Others hold all that can be done now.
    ByOthers,
    /// Nothing is to be done, and nobody does anything.
    Nothing,
}

/// What came of stepping other people's jobs.
pub(crate) enum Helped {
    /// One was stepped.
    Stepped(Result<(), Error>),
    /// All are being stepped right now, or have ended.
    Busy,
    /// There is none.
    Nothing,
}

impl Job {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        self.slot.kind
    }

    /// When its next step is due, where
    /// [`compaction_bytes_per_second`](crate::Options::compaction_bytes_per_second) holds it back; `None`:
    /// it is. A step before then is done all the same, and makes the next one later.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        let is_held_back = self.slot.kind == JobKind::Compaction;
        let due = || self.engine.rate.due(self.engine.clock.now());
        is_held_back.then(due).flatten()
    }

    /// Does a piece of about `budget_bytes` (at least one entry). The last piece syncs the new
    /// tables and installs them.
    ///
    /// # Errors
    /// Whatever failed. The job has ended and changed nothing; the store hands the same work
    /// out again, after a pause. Data stays where it was.
    pub fn step(&mut self, budget_bytes: u64) -> Result<JobState, Error> {
        self.slot.step(&self.engine, budget_bytes)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut state = self.slot.state.lock();
        if let SlotState::Working(work) = &*state {
            work.give_up(&self.engine);
            self.slot.end(&self.engine, work, true);
            *state = SlotState::Ended(Ok(()));
        }
        drop(state);
        self.engine.park.wake();
    }
}

impl Slot {
    pub(crate) fn step(&self, engine: &Engine, budget: u64) -> Result<JobState, Error> {
        let stepped = self.step_locked(engine, &mut self.state.lock(), budget);
        if engine.waiting.load(Ordering::SeqCst) > 0 {
            engine.park.wake();
        }
        stepped
    }

    fn step_locked(
        &self,
        engine: &Engine,
        state: &mut SlotState,
        budget: u64,
    ) -> Result<JobState, Error> {
        let work = match state {
            SlotState::Working(work) => work,
            SlotState::Ended(result) => return result.clone().map(|()| JobState::Done),
        };
        // At least one entry, or a caller without a budget would never get anywhere.
        let budget = budget.max(1);
        let stepped = match &mut **work {
            Work::Flush(flush) => flush.step(engine, budget),
            Work::Compaction(compaction) => compaction.step(engine, budget),
            Work::Collect(collect) => collect.step(engine),
            Work::Sync => engine.do_log_work().map(|()| true),
            Work::Scrub => engine.scrub_piece().map(|()| true),
        };
        match stepped {
            Ok(false) => Ok(JobState::More),
            Ok(true) => {
                self.end(engine, work, true);
                *state = SlotState::Ended(Ok(()));
                Ok(JobState::Done)
            }
            Err(error) => {
                work.give_up(engine);
                engine.events.push(Event::Failed {
                    kind: self.kind,
                    error: error.clone(),
                });
                self.end(engine, work, false);
                *state = SlotState::Ended(Err(error.clone()));
                Err(error)
            }
        }
    }

    /// Gives back what the job reserved.
    fn end(&self, engine: &Engine, work: &Work, well: bool) {
        let mut jobs = engine.jobs.lock();
        jobs.running.remove(&self.id);
        // What it did may make more necessary, or possible.
        engine.work.wake();
        match work {
            Work::Flush(_) => jobs.flushing = false,
            Work::Compaction(compaction) => jobs.picking.release(compaction),
            Work::Collect(_) => jobs.collecting = false,
            // The log knows by itself what a failed sync means.
            Work::Sync => {
                jobs.syncing = false;
                return;
            }
            // It goes on with what comes next.
            Work::Scrub => {
                jobs.scrubbing = false;
                return;
            }
        }
        if well {
            // That tables can be deleted says nothing about what failed.
            if !matches!(work, Work::Collect(_)) {
                jobs.failures = 0;
                jobs.retry_at = Mono::ZERO;
            }
        } else {
            jobs.collect_first = !matches!(work, Work::Collect(_));
            engine.counters.failures.fetch_add(1, Ordering::Relaxed);
            let pause = engine.options.retry * (1 << jobs.failures.min(6));
            jobs.failures = jobs.failures.saturating_add(1);
            jobs.retry_at = engine.clock.now() + pause;
        }
    }
}

impl Jobs {
    fn slot(&mut self, kind: JobKind, work: Work) -> Arc<Slot> {
        let id = self.next_id;
        self.next_id += 1;
        let slot = Arc::new(Slot {
            id,
            kind,
            state: Mutex::new(SlotState::Working(Box::new(work))),
        });
        self.running.insert(id, Arc::clone(&slot));
        slot
    }

    fn collect(&mut self, engine: &Engine) -> (JobKind, Work) {
        self.collecting = true;
        self.collect_first = false;
        let objects = engine.garbage.take();
        (JobKind::Collect, Work::Collect(Collect::new(objects)))
    }
}

impl Work {
    /// Hands what was written so far to the garbage. After a failed sync of the manifest it may be
    /// live; then the next open decides.
    fn give_up(&self, engine: &Engine) {
        let objects = match self {
            Self::Flush(flush) => flush.outputs(),
            Self::Compaction(compaction) => compaction.outputs(),
            Self::Collect(collect) => collect.rest(),
            Self::Sync | Self::Scrub => return,
        };
        if !engine.is_failed() {
            engine.garbage.add(&objects);
        }
    }
}

/// When there may be a job although nothing else happens until then.
pub(crate) fn next_due(engine: &Engine) -> Option<Mono> {
    let jobs = engine.jobs.lock();
    let retry = (jobs.failures > 0 && !engine.is_failed()).then_some(jobs.retry_at);
    let scrub = engine.next_scrub().filter(|_| !jobs.scrubbing);
    let due = retry.into_iter().chain(engine.next_log_work());
    let rate = engine.rate.due(engine.clock.now());
    let due = due.chain(fifo::next_due(engine));
    due.chain(scrub).chain(rate).min()
}

/// The next job, as a handle for the caller.
pub(crate) fn next_job(engine: &Arc<Engine>) -> Option<Job> {
    let Reserved::Work(slot) = reserve(engine, false) else {
        return None;
    };
    Some(Job {
        engine: Arc::clone(engine),
        slot,
    })
}

/// Reserves the most urgent work that nobody does yet. Without `urgent`, nothing during the pause
/// after a failure.
pub(crate) fn reserve(engine: &Engine, urgent: bool) -> Reserved {
    let mut jobs = engine.jobs.lock();
    if !jobs.syncing && engine.is_log_work_due() {
        jobs.syncing = true;
        return Reserved::Work(jobs.slot(JobKind::Sync, Work::Sync));
    }
    if engine.is_failed() {
        return Reserved::Nothing;
    }
    if !urgent && jobs.failures > 0 && engine.clock.now() < jobs.retry_at {
        return Reserved::Nothing;
    }
    let view = engine.view();
    let can_collect = !jobs.collecting && !engine.garbage.is_empty();
    let (kind, work) = match view.waiting.last() {
        _ if jobs.collect_first && can_collect => jobs.collect(engine),
        Some(oldest) if !jobs.flushing => {
            jobs.flushing = true;
            let flush = Flush::new(Arc::clone(oldest), &view.levels, &engine.options);
            (JobKind::Flush, Work::Flush(Box::new(flush)))
        }
        _ => match may_compact(engine, urgent)
            .then(|| {
                jobs.picking
                    .pick(&view.levels, &engine.options, engine.clock.wall())
            })
            .flatten()
        {
            Some(compaction) => (JobKind::Compaction, Work::Compaction(compaction)),
            None if can_collect => jobs.collect(engine),
            None if !urgent && !jobs.scrubbing && is_due(engine.next_scrub(), engine) => {
                jobs.scrubbing = true;
                (JobKind::Scrub, Work::Scrub)
            }
            None if jobs.running.is_empty() => return Reserved::Nothing,
            None => return Reserved::ByOthers,
        },
    };
    Reserved::Work(jobs.slot(kind, work))
}

/// Whether a memtable waits for its flush, and nobody flushes.
#[cfg(feature = "std")]
pub(crate) fn is_flush_waiting(engine: &Engine) -> bool {
    !engine.view().waiting.is_empty() && !engine.jobs.lock().flushing
}

/// Whoever waits for a compaction does not wait for its rate.
fn may_compact(engine: &Engine, urgent: bool) -> bool {
    urgent || engine.rate.due(engine.clock.now()).is_none()
}

fn is_due(at: Option<Mono>, engine: &Engine) -> bool {
    at.is_some_and(|at| at <= engine.clock.now())
}

/// Merges with space in mind from now on, or no longer.
pub(crate) fn settle(engine: &Engine, settling: bool) {
    engine.jobs.lock().picking.settle(settling);
    engine.work.wake();
}

/// Asks for `wanted` to be compacted.
pub(crate) fn want(engine: &Engine, wanted: Wanted) {
    engine.jobs.lock().picking.want(wanted);
    engine.work.wake();
}

/// Steps the oldest job that its holder is not stepping.
pub(crate) fn step_any(engine: &Engine, budget: u64) -> Helped {
    let slots: Vec<_> = engine.jobs.lock().running.values().cloned().collect();
    let is_empty = slots.is_empty();
    for slot in slots {
        if let Some(mut state) = slot.state.try_lock() {
            let stepped = slot.step_locked(engine, &mut state, budget);
            drop(state);
            engine.park.wake();
            return Helped::Stepped(stepped.map(|_| ()));
        }
    }
    match is_empty {
        true => Helped::Nothing,
        false => Helped::Busy,
    }
}
