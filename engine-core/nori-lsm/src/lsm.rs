//! The store that callers hold.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Bound, Range, RangeBounds};

use bytes::Bytes;
use nori_env::sync::{AtomicBool, AtomicU64, Mutex, Ordering, Park, RwLock};
use nori_env::{BlockStore, Clock, Entropy, ObjectId, ObjectKind, Owner};
#[cfg(feature = "std")]
use nori_env::{DirStore, OsEntropy, SystemClock};
use nori_sstable::{BlockCache, SeqNo};
use nori_wal::{Lsn, Replayed, Wal};
use norikv_types::{Mono, Mutant, breaks};

use crate::batch::{self, WriteBatch};
use crate::engine::Engine;
use crate::iter::Iter;
use crate::jobs::{self, Job, Jobs};
use crate::levels::Levels;
use crate::manifest::{self, Manifest};
use crate::memtable::Memtable;
use crate::options::{Log, Options};
#[cfg(feature = "std")]
use crate::pool::Pool;
use crate::rules::Rules;
use crate::snapshot::Snapshot;
use crate::stats::{Counters, LevelStats, Pressure, PressureLevel, Stats};
use crate::table_file::{Garbage, TableFile};
use crate::view::View;
use crate::write::{Staging, count};
use crate::{Damage, Error, LEVEL_MAX};

/// An ordered key-value store. Clones are handles on the same store; any thread may use any.
#[derive(Debug, Clone)]
pub struct Lsm {
    engine: Arc<Engine>,
    /// Ends with the last handle.
    #[cfg(feature = "std")]
    _pool: Option<Arc<Pool>>,
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
        let threads = options.threads;
        let store = Arc::new(DirStore::open(path)?);
        let mut lsm = Self::open_in(store, Arc::new(SystemClock), Arc::new(OsEntropy), options)?;
        lsm._pool = Some(Arc::new(Pool::start(&lsm.engine, threads)?));
        Ok(lsm)
    }

    /// Opens the store in `store`, or makes a new one if that is empty. What was acknowledged
    /// before is there afterwards.
    ///
    /// # Errors
    /// `Io` with `Fenced` when someone else has the store open. `Corrupt`, `Log` or `Table` when
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
        options.check();
        let owner = options.owner.unwrap_or_else(|| Owner(entropy.draw()));
        store.acquire(owner)?;
        let log = match &options.log {
            Log::Inside => Some(Arc::clone(&store)),
            Log::Own(log) => Some(Arc::clone(log)),
            Log::External => None,
        };
        let has_log = match &log {
            Some(log) => log.list()?.iter().any(|id| id.kind == ObjectKind::Log),
            None => false,
        };
        let mut recovered = manifest::recover(&*store, has_log)?;
        let cache = BlockCache::new(options.cache_bytes);
        let work = Arc::new(Park::new());
        let garbage = Arc::new(Garbage::new(&work));
        let levels = Levels::open(&recovered.live, |table| {
            TableFile::open(&*store, &cache, &garbage, table.number, &table.meta)
        })?;

        // No number is used twice, whether the object that had it was installed or not.
        let stored = stored_tables(&*store)?;
        let live = &mut recovered.live;
        live.next_table = stored
            .iter()
            .fold(live.next_table.max(1), |next, number| next.max(number + 1));
        if breaks(Mutant::TableNumberReused) {
            live.next_table = live.tables.len() as u64 + 1;
        }
        let next_table = live.next_table;
        let (mut last, flushed) = (live.last_seqno, live.flushed_seqno);
        let live_tables: Vec<u64> = live.tables.values().map(|table| table.number).collect();

        let seed = entropy.draw();
        let mut replay = Replay {
            flushed,
            last: SeqNo(0),
            memtable_bytes: options.memtable_bytes,
            seed,
            active: Arc::new(Memtable::new(1, seed.wrapping_add(1))),
            waiting: Vec::new(),
            unflushed: None,
            failed: None,
        };
        let manifest = Manifest::start(
            Arc::clone(&store),
            Arc::clone(&entropy),
            recovered,
            options.manifest_bytes,
        )?;
        let wal = match log {
            Some(log) => {
                let wal_options = nori_wal::Options {
                    segment_bytes: options.log_segment_bytes,
                    first_segment_bytes: options.log_segment_bytes.min(16 << 20),
                    // The log adds a few bytes to each record.
                    batch_bytes_max: options.batch_bytes_max + 64,
                    owner: Some(owner),
                    ..nori_wal::Options::default()
                };
                let replayed = &mut |record: Replayed<'_>| replay.record(&record);
                let (wal, _) = Wal::open(log, Arc::clone(&entropy), wal_options, replayed)?;
                Some(wal)
            }
            None => None,
        };
        if let Some(error) = replay.failed {
            return Err(error);
        }
        last = last.max(replay.last);
        if let Some(wal) = &wal {
            // A store that is opened and closed again and again would keep a few segments more each
            // time. Failing to let go of them is no loss: the next flush tries again.
            let _ = wal.release_before(replay.unflushed.unwrap_or_else(|| wal.durable_lsn()));
        }

        for number in stored {
            if !live_tables.contains(&number) {
                garbage.add(&[number]);
            }
        }
        let view = View {
            active: replay.active,
            waiting: replay.waiting,
            levels: Arc::new(levels),
            rules: Arc::new(Rules::default()),
        };
        let engine = Arc::new(Engine {
            store,
            clock,
            entropy,
            options,
            wal,
            cache,
            garbage,
            seed,
            view: RwLock::new(Arc::new(view)),
            visible: AtomicU64::new(last.0),
            stamp: AtomicU64::new(0),
            staging: Mutex::new(Staging {
                last,
                behind: false,
            }),
            staged: Mutex::default(),
            writer: Mutex::new(()),
            manifest: Mutex::new(manifest),
            failed: AtomicBool::new(false),
            next_table: AtomicU64::new(next_table),
            jobs: Mutex::new(Jobs::default()),
            park: Park::new(),
            work,
            waiting: AtomicU64::new(0),
            counters: Counters::default(),
        });
        Ok(Self {
            engine,
            #[cfg(feature = "std")]
            _pool: None,
        })
    }

    /// Writes `batch`, whole or not at all, and returns the seqno of its last write. Readers see
    /// it when this returns; with a log of the store's own it is durable too. Of several threads
    /// that write at once many share one sync.
    ///
    /// While the store is behind with its background work this does some of it, or waits for those
    /// who do.
    ///
    /// # Errors
    /// `KeyTooLarge`, `ValueTooLarge`, `BatchTooLarge`: nothing was written. `Log`: the batch may
    /// or may not be written; after `NoSpace` the store goes on once there is room. Any other: background
    /// work that had to come first failed, and nothing was written.
    pub fn write(&self, batch: WriteBatch) -> Result<SeqNo, Error> {
        self.engine.make_room()?;
        self.engine.write(batch)
    }

    /// As [`write`](Self::write), but never does background work nor waits for it.
    ///
    /// # Errors
    /// Also `Stalled`, where `write` would wait; nothing was written.
    pub fn try_write(&self, batch: WriteBatch) -> Result<SeqNo, Error> {
        if self.pressure().level == PressureLevel::Stalled {
            return Err(Error::Stalled);
        }
        self.engine.write(batch)
    }

    /// Sets `key` to `value`: a batch of one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<SeqNo, Error> {
        let mut batch = WriteBatch::with_capacity(key.len() + value.len());
        batch.put(key, value);
        self.write(batch)
    }

    /// Removes `key`: a batch of one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn delete(&self, key: &[u8]) -> Result<SeqNo, Error> {
        let mut batch = WriteBatch::with_capacity(key.len());
        batch.delete(key);
        self.write(batch)
    }

    /// The value of `key` now.
    ///
    /// # Errors
    /// `Table` when a block that may hold it cannot be read: then nobody knows whether it is there.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let view = self.engine.view();
        view.get(key, self.engine.visible())
    }

    /// The value of `key` in `snapshot`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_at(&self, key: &[u8], snapshot: &Snapshot) -> Result<Option<Bytes>, Error> {
        snapshot.view.get(key, snapshot.seqno)
    }

    /// The store as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let view = self.engine.view();
        let seqno = self.engine.visible();
        Snapshot { view, seqno }
    }

    /// The keys of `range` in `snapshot`, in order.
    #[must_use]
    pub fn iter(&self, range: impl RangeBounds<Bytes>, snapshot: &Snapshot) -> Iter {
        Iter::new(
            snapshot,
            range.start_bound().cloned(),
            range.end_bound().cloned(),
        )
    }

    /// The keys of `snapshot` that begin with `prefix`, in order.
    #[must_use]
    pub fn iter_prefix(&self, prefix: &[u8], snapshot: &Snapshot) -> Iter {
        let end = match prefix.iter().rposition(|byte| *byte != u8::MAX) {
            Some(at) => {
                let mut end = prefix[..=at].to_vec();
                end[at] += 1;
                Bound::Excluded(Bytes::from(end))
            }
            None => Bound::Unbounded,
        };
        let from = Bound::Included(Bytes::copy_from_slice(prefix));
        Iter::new(snapshot, from, end)
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
        if !self.engine.view().active.is_empty() {
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

    /// Everything at or below is in tables and survives a crash without any log.
    #[must_use]
    pub fn flushed_seqno(&self) -> SeqNo {
        self.engine.flushed_seqno()
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
        let view = self.engine.view();
        Pressure {
            level: self.engine.pressure_of(&view),
            memtables_waiting: count(view.waiting.len()),
            fresh_runs: count(view.levels.fresh.len()),
        }
    }

    /// Figures about the store.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let flushed_seqno = self.flushed_seqno();
        let view = self.engine.view();
        let levels = (0..=LEVEL_MAX).map(|level| {
            let tables = count(view.levels.tables(level).count());
            LevelStats {
                runs: match level {
                    0 => count(view.levels.fresh.len()),
                    _ => tables.min(1),
                },
                tables,
                bytes: view.levels.bytes(level),
            }
        });
        let counters = &self.engine.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            levels: levels.collect(),
            memtable_bytes: view.memtables().map(|memtable| memtable.bytes()).sum(),
            memtables_waiting: count(view.waiting.len()),
            visible_seqno: self.engine.visible(),
            flushed_seqno,
            flushes: load(&counters.flushes),
            compactions: load(&counters.compactions),
            moves: load(&counters.moves),
            user_bytes: load(&counters.user_bytes),
            flush_bytes: load(&counters.flush_bytes),
            compaction_bytes: load(&counters.compaction_bytes),
            failures: load(&counters.failures),
            stalls: load(&counters.stalls),
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

/// Fills memtables from the log.
struct Replay {
    flushed: SeqNo,
    last: SeqNo,
    memtable_bytes: u64,
    seed: u64,
    active: Arc<Memtable>,
    waiting: Vec<Arc<Memtable>>,
    /// Where the first record lies that is in no table.
    unflushed: Option<Lsn>,
    failed: Option<Error>,
}

impl Replay {
    fn record(&mut self, record: &Replayed<'_>) {
        let Replayed::Record { lsn, payload } = record else {
            return;
        };
        if self.failed.is_some() {
            return;
        }
        let good = batch::decode(payload).filter(|decoded| {
            let last = decoded.last();
            // A batch is flushed whole or not at all.
            self.last < decoded.first && (decoded.first > self.flushed || last <= self.flushed)
        });
        let Some(decoded) = good else {
            self.failed = Some(Error::Corrupt {
                object: ObjectId::log(0),
                offset: lsn.0,
                what: Damage::Batch,
            });
            return;
        };
        self.last = decoded.last();
        if decoded.first <= self.flushed {
            return;
        }
        self.unflushed.get_or_insert(*lsn);
        self.active.add(&Bytes::copy_from_slice(payload), *lsn);
        if self.active.bytes() >= self.memtable_bytes {
            let id = self.active.id + 1;
            let next = Arc::new(Memtable::new(id, self.seed.wrapping_add(id)));
            let full = core::mem::replace(&mut self.active, next);
            self.waiting.insert(0, full);
        }
    }
}

/// The numbers of all tables in `store`.
fn stored_tables(store: &dyn BlockStore) -> Result<Vec<u64>, Error> {
    let listed = store.list()?.into_iter();
    Ok(listed
        .filter(|id| id.kind == ObjectKind::Table)
        .map(|id| id.number)
        .collect())
}
