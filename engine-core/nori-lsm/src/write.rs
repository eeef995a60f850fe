//! From a batch to a memtable.
//!
//! **Invariant: batches become visible in the order of their seqnos, each whole, and with a log of
//! the store's own only once they are committed there**, which its sync policy defines. A batch is numbered and staged under one lock, so
//! that the log has the order of the seqnos; the log is committed outside it, so that those who
//! wait share a sync; and whoever comes back from a commit moves all that is committed into
//! the memtable, in order.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::sync::{MutexGuard, Ordering};
use nori_sstable::SeqNo;
use nori_wal::{Lsn, Wal};

use crate::Error;
use crate::batch::WriteBatch;
use crate::conflict::ReadSet;
use crate::engine::Engine;
use crate::guards::KeyRange;
use crate::jobs::{self, Helped, JobState, Reserved};
use crate::options::Compaction;
use crate::picking::Wanted;
use crate::view::{OWN_SEQNO_MIN, View};

/// Numbers batches.
#[derive(Debug)]
pub(crate) struct Staging {
    /// The last number that was given.
    pub(crate) last: SeqNo,
    /// The last commit failed: batches are staged that may yet become durable.
    pub(crate) behind: bool,
    /// The last number of a batch that was written because of what was read.
    pub(crate) last_checked: SeqNo,
    /// What changes past the log just now.
    pub(crate) announced: Vec<Arc<ReadSet>>,
}

/// A batch on its way from the log to the memtable.
#[derive(Debug)]
pub(crate) struct Staged {
    /// Where it ends in the log.
    pub(crate) end: Lsn,
    pub(crate) sealed: Bytes,
}

/// What is asked about a batch when no other can take a place before it any more.
type Check<'a> = &'a dyn Fn(&Staging) -> Result<(), Error>;

impl Engine {
    /// Writes `batch`; returns the seqno of its last write.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<SeqNo, Error> {
        self.write_checked(batch, None)
    }

    /// As [`write`](Self::write), if `check` has nothing against it. That is asked when no other
    /// batch can take a place before this one any more.
    pub(crate) fn write_checked(
        &self,
        mut batch: WriteBatch,
        check: Option<Check<'_>>,
    ) -> Result<SeqNo, Error> {
        self.check_writable()?;
        if self.has_ttl {
            batch = batch.with_ttl(&self.view().rules, self.now());
        }
        batch.check(self.options.batch_bytes_max)?;
        if batch.is_empty() {
            return Ok(self.visible());
        }
        let bytes = batch.bytes();
        let last = match &self.wal {
            Some(wal) => self.write_logged(wal, batch, check)?,
            None => {
                let mut staging = self.staging.lock();
                batch.check_keyspaces(|| Arc::clone(&self.view().rules))?;
                let (first, last) = staging.numbers(&batch);
                if let Some(check) = check {
                    check(&staging)?;
                    staging.last_checked = last;
                }
                staging.last = last;
                self.add(&batch.seal(first), Lsn(0));
                last
            }
        };
        self.counters.user_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(last)
    }

    fn write_logged(
        &self,
        wal: &Wal,
        batch: WriteBatch,
        check: Option<Check<'_>>,
    ) -> Result<SeqNo, Error> {
        let (end, last) = {
            let mut staging = self.staging.lock();
            if staging.behind {
                // Nothing new before what is staged got through.
                self.add_committed(wal.commit()?);
                staging.behind = false;
            }
            batch.check_keyspaces(|| Arc::clone(&self.view().rules))?;
            if let Some(Err(error)) = check.map(|check| check(&staging)) {
                drop(staging);
                // Whoever tries again is to see what it came too late for.
                self.add_committed(wal.commit()?);
                return Err(error);
            }
            let (first, last) = staging.numbers(&batch);
            let sealed = batch.seal(first);
            let end = wal.stage(&[&sealed])?;
            staging.last = last;
            if check.is_some() {
                staging.last_checked = last;
            }
            self.staged.lock().push_back(Staged { end, sealed });
            (end, last)
        };
        match wal.commit() {
            Ok(committed) => {
                assert!(
                    committed >= end,
                    "a commit covers what was staged before it"
                );
                self.add_committed(committed);
                self.arm_timer(committed);
                Ok(last)
            }
            Err(error) => {
                self.staging.lock().behind = true;
                Err(error.into())
            }
        }
    }

    /// Moves every staged batch that is committed into the memtable.
    pub(crate) fn add_committed(&self, committed: Lsn) {
        let writer = self.writer.lock();
        loop {
            let next = match self.staged.lock().front() {
                Some(next) if next.end <= committed => (next.sealed.clone(), next.end),
                _ => break,
            };
            self.add_as(&writer, &next.0, next.1);
            // Not before: who looks for a conflict looks here first, then in the memtable.
            self.staged.lock().pop_front();
        }
    }

    fn add(&self, sealed: &Bytes, end: Lsn) {
        let writer = self.writer.lock();
        self.add_as(&writer, sealed, end);
    }

    fn add_as(&self, writer: &MutexGuard<'_, ()>, sealed: &Bytes, end: Lsn) {
        let view = self.view();
        let last = view.active.add(sealed, end);
        self.visible.store(last.0, Ordering::Release);
        if view.active.is_full(self.options.memtable_bytes) {
            self.rotate(writer);
        }
    }

    /// Takes a seqno for something that is neither logged nor in a memtable, once everything
    /// before it is visible.
    pub(crate) fn reserve_seqno(&self) -> Result<SeqNo, Error> {
        self.reserve_seqno_with(|_, _| ())
    }

    /// The same, and calls `then` before anything later is written.
    pub(crate) fn reserve_seqno_with(
        &self,
        then: impl FnOnce(&Self, &MutexGuard<'_, ()>),
    ) -> Result<SeqNo, Error> {
        let mut staging = self.staging.lock();
        if let Some(wal) = &self.wal {
            self.add_committed(wal.commit()?);
            staging.behind = false;
        }
        let writer = self.writer.lock();
        assert_eq!(
            self.visible(),
            staging.last,
            "all that was numbered is visible"
        );
        staging.last = SeqNo(staging.last.0 + 1);
        self.visible.store(staging.last.0, Ordering::Release);
        then(self, &writer);
        Ok(staging.last)
    }

    /// Does background work, or waits for others who do it, until there is none.
    pub(crate) fn settle(self: &Arc<Self>) -> Result<(), Error> {
        jobs::settle(self, true);
        let worked = self.work_until(|_| false);
        jobs::settle(self, false);
        match worked {
            // Nothing is left that would bring it about.
            Err(Error::Stalled) => Ok(()),
            done => done,
        }
    }

    /// Brings everything in `range` that was written before the call to the last level, through
    /// compaction filters and without what is deleted.
    pub(crate) fn compact(self: &Arc<Self>, range: KeyRange) -> Result<(), Error> {
        self.flush_all()?;
        if matches!(self.options.compaction, Compaction::Fifo { .. }) {
            // In the last level what is new would go with what is old.
            return self.settle();
        }
        let wanted = Wanted {
            range,
            at: self.visible(),
        };
        jobs::want(self, wanted.clone());
        self.work_until(|view| wanted.left(&view.levels).next().is_none())
    }

    /// Does background work, or waits for others who do it, until `done`.
    ///
    /// Jobs that nobody has are taken; jobs that others hold are stepped for them while they do
    /// not step themselves; only when every job is being stepped right now does this wait.
    ///
    /// # Errors
    /// That of a job that was stepped here. `Failed` when jobs cannot be installed any more.
    pub(crate) fn work_until(self: &Arc<Self>, done: impl Fn(&View) -> bool) -> Result<(), Error> {
        self.check_writable()?;
        let _waiting = Waiting::new(self);
        loop {
            let ticket = self.park.ticket();
            if done(&self.view()) {
                return Ok(());
            }
            if self.is_failed() {
                return Err(Error::Failed);
            }
            match jobs::reserve(self, true) {
                Reserved::Work(slot) => {
                    while slot.step(self, STEP_BYTES)? == JobState::More {}
                    continue;
                }
                // Whoever ended the last job may have done what this waits for.
                Reserved::Nothing if done(&self.view()) => return Ok(()),
                Reserved::Nothing if self.is_failed() => return Err(Error::Failed),
                Reserved::Nothing => return Err(Error::Stalled),
                Reserved::ByOthers => {}
            }
            let help = || jobs::step_any(self, STEP_BYTES);
            match help() {
                Helped::Stepped(stepped) => stepped?,
                // Where there is no other thread there is nothing to wait for: look again.
                Helped::Busy | Helped::Nothing => {
                    let step = &mut || matches!(help(), Helped::Stepped(Ok(())));
                    self.park.wait(ticket, None, step);
                }
            }
        }
    }
}

impl Staging {
    /// The first and the last number of `batch`.
    ///
    /// # Panics
    /// After 2⁵⁵ writes.
    fn numbers(&self, batch: &WriteBatch) -> (SeqNo, SeqNo) {
        let last = SeqNo(self.last.0 + u64::from(batch.len()));
        assert!(last < OWN_SEQNO_MIN, "seqnos are used up");
        (SeqNo(self.last.0 + 1), last)
    }
}

/// Someone waits for jobs.
pub(crate) struct Waiting<'a>(&'a Engine);

impl<'a> Waiting<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        engine.waiting.fetch_add(1, Ordering::SeqCst);
        Self(engine)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// What a stalled writer asks of a job at once.
const STEP_BYTES: u64 = 1 << 20;
