//! How much of what was written a power cut would leave.
//!
//! **Invariant: everything at or below [`Engine::durable_seqno`] survives any crash, and it grows
//! although nobody writes any more**: the sync that is due is a job like any other, so whoever runs
//! the store's jobs is the timer, and writers wake them when they make one due.

use nori_env::sync::{AtomicU64, Ordering};
use nori_sstable::SeqNo;
use nori_wal::{Lsn, SyncPolicy, Wal};
use norikv_types::Mono;

use crate::Error;
use crate::engine::Engine;

/// What is known about syncs of the log.
#[derive(Debug)]
pub(crate) struct Durability {
    /// Everything at or below was in the log when that was last synced as far.
    synced: AtomicU64,
    /// The position in the log from which on writers wake those who run jobs.
    wake_at: AtomicU64,
}

impl Durability {
    /// Of a store whose log holds everything up to `last` durably.
    pub(crate) const fn new(last: SeqNo) -> Self {
        Self {
            synced: AtomicU64::new(last.0),
            wake_at: AtomicU64::new(0),
        }
    }
}

impl Engine {
    /// Everything at or below survives any crash.
    pub(crate) fn durable_seqno(&self) -> SeqNo {
        match &self.wal {
            None => self.flushed_seqno(),
            Some(_) if self.options.sync.is_durable() => self.visible(),
            Some(wal) => {
                self.note_durable(wal, self.newest_logged());
                let synced = SeqNo(self.durability.synced.load(Ordering::Acquire));
                synced.max(self.flushed_seqno())
            }
        }
    }

    /// Until when those who run jobs may sleep for all the log cares; `None`: until they are woken.
    pub(crate) fn next_log_work(&self) -> Option<Mono> {
        let wal = self.wal.as_ref()?;
        let timed = matches!(self.options.sync, SyncPolicy::Interval(_));
        loop {
            let deadline = wal.next_sync();
            let first_write = deadline.is_none() && timed;
            let wake_at = match wal.wants_segment_at() {
                Some(at) => at.0,
                None if first_write => 0,
                None => wal.durable_lsn().0 + Wal::UNSYNCED_BYTES_MAX,
            };
            self.durability.wake_at.store(wake_at, Ordering::SeqCst);
            // Only then look again: a writer either finds this or is found.
            if wal.wants_segment() {
                return Some(Mono::ZERO);
            }
            let again = wal.next_sync();
            if again.is_some() || first_write || !timed {
                return again;
            }
        }
    }

    /// Whether the log has something for a job to do.
    pub(crate) fn is_log_work_due(&self) -> bool {
        let Some(wal) = &self.wal else { return false };
        let next = wal.next_sync();
        next.is_some_and(|at| at <= self.clock.now()) || wal.wants_segment()
    }

    /// Syncs the log if that is due, or sets its next segment aside; writers go on meanwhile.
    pub(crate) fn do_log_work(&self) -> Result<(), Error> {
        let Some(wal) = &self.wal else { return Ok(()) };
        wal.prepare()?;
        let newest = self.newest_logged();
        wal.sync_due(self.clock.now())?;
        self.note_durable(wal, newest);
        Ok(())
    }

    /// Makes everything visible durable.
    pub(crate) fn sync_all(&self) -> Result<SeqNo, Error> {
        if let Some(wal) = &self.wal {
            let newest = self.newest_logged();
            wal.sync()?;
            self.note_durable(wal, newest);
            // Who looked meanwhile saw no deadline.
            self.work.wake();
        }
        Ok(self.durable_seqno())
    }

    /// The log holds everything up to `committed`: wakes those who run jobs if they would sleep on
    /// past what it needs next.
    pub(crate) fn arm_timer(&self, committed: Lsn) {
        let wake_at = &self.durability.wake_at;
        if committed.0 >= wake_at.load(Ordering::SeqCst) {
            // Whoever is woken sets it anew before sleeping.
            wake_at.store(u64::MAX, Ordering::SeqCst);
            self.work.wake();
        }
    }

    /// The last logged write that is visible, and where it ends in the log.
    fn newest_logged(&self) -> (SeqNo, Lsn) {
        let _writer = self.writer.lock();
        let view = self.view();
        let newest = view.memtables().find(|memtable| !memtable.is_empty());
        newest.map_or((SeqNo(0), Lsn(0)), |memtable| {
            (memtable.last(), memtable.log_end())
        })
    }

    fn note_durable(&self, wal: &Wal, (seqno, end): (SeqNo, Lsn)) {
        if wal.durable_lsn() >= end {
            self.durability.synced.fetch_max(seqno.0, Ordering::AcqRel);
        }
    }
}
