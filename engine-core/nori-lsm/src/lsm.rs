//! The store that callers hold.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{BlockStore, Clock, Entropy};
#[cfg(feature = "std")]
use nori_env::{DirStore, OsEntropy, SystemClock};
use nori_sstable::SeqNo;
use norikv_types::Mono;

use crate::batch::WriteBatch;
use crate::engine::Engine;
use crate::event::Event;
use crate::jobs::{self, Job};
use crate::open;
#[cfg(feature = "std")]
use crate::options::OpenMode;
use crate::options::Options;
#[cfg(feature = "std")]
use crate::pool::Pool;
use crate::pressure::{Pressure, PressureLevel};
use crate::space::Space;
use crate::stats::{LevelStats, Stats, ValueStats};
use crate::write::count;
use crate::{Error, LEVEL_MAX, keyspace};

/// An ordered key-value store. Clones are handles on the same store; any thread may use any.
#[derive(Debug, Clone)]
pub struct Lsm {
    pub(crate) engine: Arc<Engine>,
    /// Ends with the last handle.
    #[cfg(feature = "std")]
    pub(crate) pool: Option<Arc<Pool>>,
}

impl Lsm {
    /// Opens the store in the directory `path`, or makes a new one if that is empty, and starts
    /// [`Options::threads`] threads for its background work. Dropping the last handle ends them and
    /// closes the store.
    ///
    /// # Errors
    /// As [`open_in`](Self::open_in).
    ///
    /// # Panics
    /// As [`open_in`](Self::open_in).
    #[cfg(feature = "std")]
    pub fn open(path: impl AsRef<std::path::Path>, options: Options) -> Result<Self, Error> {
        let (mode, threads) = (options.mode, options.threads);
        let store = match mode {
            OpenMode::ReadWrite => DirStore::open(path)?,
            OpenMode::ReadOnly => DirStore::open_read_only(path)?,
        };
        let path = store.path().to_path_buf();
        let store = Arc::new(store);
        let mut lsm = Self::open_in(store, Arc::new(SystemClock), Arc::new(OsEntropy), options)?;
        if mode == OpenMode::ReadWrite {
            lsm.pool = Some(Arc::new(Pool::start(&lsm.engine, path, threads)?));
        }
        Ok(lsm)
    }

    /// Opens the store in `store`, or makes a new one if that is empty. What was acknowledged
    /// before is there afterwards.
    ///
    /// # Errors
    /// `Io` with `Fenced` when someone else has the store open; `NoStore` when there is nothing to
    /// be opened read-only. `Corrupt`, `Log` or `Table` when
    /// anything that was durable is damaged or missing; nothing that was stored is changed.
    ///
    /// # Panics
    /// When a figure of `options` is outside its documented range.
    pub fn open_in(
        store: Arc<dyn BlockStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: Options,
    ) -> Result<Self, Error> {
        let engine = open::open(store, clock, entropy, options)?;
        Ok(Self {
            engine,
            #[cfg(feature = "std")]
            pool: None,
        })
    }

    /// Writes `batch`, whole or not at all, and returns the seqno of its last write. Readers see
    /// it when this returns; with a log of the store's own it is as durable as [`Options::sync`]
    /// says. Of several threads that write at once many share one sync.
    ///
    /// While the store is behind with its background work this does some of it, or waits for those
    /// who do.
    ///
    /// # Errors
    /// `KeyTooLarge`, `ValueTooLarge`, `BatchTooLarge`, `KeyspaceDropped`: nothing was written. `Log`: the batch may
    /// or may not be written; after `NoSpace` the store goes on once there is room. Any other: background
    /// work that had to come first failed, and nothing was written.
    pub fn write(&self, batch: WriteBatch) -> Result<SeqNo, Error> {
        self.engine.make_room(batch.bytes())?;
        self.engine.write(batch)
    }

    /// As [`write`](Self::write), but never does background work nor waits for it.
    ///
    /// # Errors
    /// Also `Stalled`, where `write` would wait; nothing was written.
    pub fn try_write(&self, batch: WriteBatch) -> Result<SeqNo, Error> {
        self.engine.check_writable()?;
        if self.pressure().level == PressureLevel::Stalled {
            return Err(Error::Stalled);
        }
        self.engine.write(batch)
    }

    /// The most urgent background work that nobody does yet; `None` when there is none, or during
    /// the pause after a failure.
    #[must_use]
    pub fn next_job(&self) -> Option<Job> {
        jobs::next_job(&self.engine)
    }

    /// When [`next_job`](Self::next_job) may have something to give although nothing else happens
    /// until then: the end of a pause, a deadline. `None` when only other calls bring work.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        jobs::next_due(&self.engine)
    }

    /// Does background work, or waits for those who do, until none is left.
    ///
    /// # Errors
    /// That of a job that was stepped here; the store is as it was before the job. `Failed` when
    /// jobs cannot be installed any more.
    pub fn settle(&self) -> Result<(), Error> {
        self.engine.settle()
    }

    /// Makes the active memtable wait for its flush, if anything is in it: a flush job follows.
    pub fn rotate(&self) {
        let writer = self.engine.writer.lock();
        if !self.engine.view().active.is_empty() && self.engine.check_writable().is_ok() {
            self.engine.rotate(&writer);
        }
    }

    /// Flushes everything written before the call: does the work, or waits for those who do.
    ///
    /// # Errors
    /// Whatever failed; what is not flushed stays in memory and in the log.
    pub fn flush(&self) -> Result<(), Error> {
        self.engine.flush_all()
    }

    /// Brings everything of the default keyspace between `from`, included, and `to`, excluded, that was written before the
    /// call to the last level: what is deleted or expired is gone then, and each key takes one look
    /// to find. With [`Compaction::Fifo`](crate::Compaction::Fifo) nothing changes its level. Does the work, or waits for those who do.
    ///
    /// # Errors
    /// Whatever failed; nothing is lost.
    pub fn compact_range(&self, from: &[u8], to: Option<&[u8]>) -> Result<(), Error> {
        Space::new(self, keyspace::DEFAULT).compact_range(from, to)
    }

    /// Everything at or below is in tables and survives a crash without any log.
    #[must_use]
    pub fn flushed_seqno(&self) -> SeqNo {
        self.engine.flushed_seqno()
    }

    /// Everything at or below survives any crash. Below [`visible_seqno`](Self::visible_seqno) only
    /// without a log of the store's own, or where [`Options::sync`] does not wait for syncs.
    #[must_use]
    pub fn durable_seqno(&self) -> SeqNo {
        self.engine.durable_seqno()
    }

    /// Makes everything visible durable now, whatever [`Options::sync`] says; returns
    /// [`durable_seqno`](Self::durable_seqno). Without a log of its own, flushing does that.
    ///
    /// # Errors
    /// `Log`: what was not durable before may be lost or not, and the log accepts nothing more.
    pub fn sync(&self) -> Result<SeqNo, Error> {
        self.engine.sync_all()
    }

    /// The last write that readers see.
    #[must_use]
    pub fn visible_seqno(&self) -> SeqNo {
        self.engine.visible()
    }

    /// Gives `ranges` a whole new content: afterwards they hold exactly `entries`, which ascend
    /// and lie in the ranges. For readers and after a crash all of it changes at once. Flushes what
    /// was written before. Durable when it returns, although [`flushed_seqno`](Self::flushed_seqno)
    /// may be below the seqno that it returns.
    ///
    /// The caller sees to it that nobody writes in the ranges meanwhile; other keys may be written.
    ///
    /// # Errors
    /// `BadEntry`, an error of `entries`, or whatever failed: nothing was replaced, unless the
    /// kind is `SyncFailed`; then the next open tells.
    ///
    /// # Panics
    /// When the ranges are empty, overlap or do not ascend.
    pub fn replace_ranges(
        &self,
        ranges: &[Range<Bytes>],
        entries: &mut dyn FnMut() -> Result<Option<(Bytes, Bytes)>, Error>,
    ) -> Result<SeqNo, Error> {
        self.engine.replace_ranges(ranges, entries)
    }

    /// How far the store is behind with its background work.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.engine.pressure_of(&self.engine.view())
    }

    /// What happened since the last call, oldest first; see [`Event`].
    #[must_use]
    pub fn drain_events(&self) -> Vec<Event> {
        self.engine.events.drain()
    }

    /// Figures about the store.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let flushed_seqno = self.flushed_seqno();
        let view = self.engine.view();
        let counters = &self.engine.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let levels = (0..=LEVEL_MAX).map(|level| LevelStats {
            runs: count(view.levels.lanes(level).len()),
            tables: count(view.levels.tables(level).count()),
            bytes: view.levels.bytes(level),
            slots: match level {
                0 => 1,
                _ => count(view.levels.slots(level).len()),
            },
            written_bytes: load(&counters.written_bytes[usize::from(level)]),
            read_bytes: load(&counters.read_bytes[usize::from(level)]),
        });
        let (sampled_gets, sampled_runs) = view.levels.heat.sampled();
        Stats {
            levels: levels.collect(),
            memtable_bytes: view.memtables().map(|memtable| memtable.bytes()).sum(),
            cache_bytes: {
                let cache = self.engine.cache.stats();
                cache.bytes + cache.pinned
            },
            memtables_waiting: count(view.waiting.len()),
            visible_seqno: self.engine.visible(),
            flushed_seqno,
            flushes: load(&counters.flushes),
            compactions: load(&counters.compactions),
            moves: load(&counters.moves),
            user_bytes: load(&counters.user_bytes),
            flush_bytes: load(&counters.flush_bytes),
            compaction_bytes: load(&counters.compaction_bytes),
            values: ValueStats {
                written_bytes: load(&counters.value_bytes),
                relocated_bytes: load(&counters.relocated_bytes),
                ..view.levels.values.stats()
            },
            sampled_gets,
            sampled_runs,
            failures: load(&counters.failures),
            stalls: load(&counters.stalls),
            delays: load(&counters.delays),
        }
    }

    /// Marks the log as cleanly closed. Reads go on; writes fail. Without a log nothing happens.
    ///
    /// # Errors
    /// `Log`; nothing acknowledged is lost.
    pub fn close(&self) -> Result<(), Error> {
        match &self.engine.wal {
            Some(wal) => Ok(wal.close()?),
            None => Ok(()),
        }
    }
}
