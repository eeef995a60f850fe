//! Opening a store: manifest, tables, log.
//!
//! **Invariant: what was acknowledged is there when a store is open, or it does not open.** Whoever
//! opens it to write makes durable what was read back before anything is built on it; whoever opens
//! it to read changes nothing and takes no lock.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::{AtomicBool, AtomicU64, Mutex, Park, RwLock};
use nori_env::{BlockStore, Clock, Entropy, ObjectId, ObjectKind, Owner};
use nori_sstable::{BlockCache, SeqNo};
use nori_wal::{Lsn, Replayed, Wal};
use norikv_types::{Mutant, breaks};

use crate::batch;
use crate::durability::Durability;
use crate::engine::Engine;
use crate::event::Events;
use crate::fifo;
use crate::jobs::Jobs;
use crate::keyspaces;
use crate::levels::Levels;
use crate::manifest::{self, Manifest};
use crate::memtable::Memtable;
use crate::options::{Log, OpenMode, Options};
use crate::rate::Rate;
use crate::scrub::Scrub;
use crate::stats::Counters;
use crate::table_file::{Garbage, TableFile};
use crate::values::{self, Values};
use crate::version_edit::VersionEdit;
use crate::view::View;
use crate::write::Staging;
use crate::{Damage, Error};

/// See [`Lsm::open_in`](crate::Lsm::open_in).
pub(crate) fn open(
    store: Arc<dyn BlockStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: Options,
) -> Result<Arc<Engine>, Error> {
    options.check();
    let owner = options.owner.unwrap_or_else(|| Owner(entropy.draw()));
    let writable = options.mode == OpenMode::ReadWrite;
    if writable {
        store.acquire(owner)?;
    }
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
    fifo::stamp(&mut recovered.live, &options, clock.wall());
    let cache = BlockCache::new(options.cache_bytes);
    let work = Arc::new(Park::new());
    let garbage = Arc::new(Garbage::new(&work));
    let files = values::open_all(&recovered.live, |number, meta| {
        Values::open(&*store, &cache, &garbage, number, meta)
    })?;
    let levels = Levels::open(&recovered.live, |table| {
        let refs = values::refs_of(&table.refs, &files);
        TableFile::open(&*store, &cache, &garbage, table.number, &table.meta, refs)
    })?;
    drop(files);

    // No number is used twice, whether the object that had it was installed or not.
    let stored = stored(&*store)?;
    let live = &mut recovered.live;
    live.next_table = stored
        .iter()
        .fold(live.next_table.max(1), |next, id| next.max(id.number + 1));
    if breaks(Mutant::TableNumberReused) {
        live.next_table = live.tables.len() as u64 + 1;
    }
    let next_table = live.next_table;
    let (mut last, flushed) = (live.last_seqno, live.flushed_seqno);
    let log_from = live.log_from;
    let orphans: Vec<ObjectId> = stored.into_iter().filter(|id| !live.names(*id)).collect();

    let rules = keyspaces::rules(live, &options.keyspaces);
    let seed = entropy.draw();
    let mut replay = Replay {
        flushed,
        last: SeqNo(0),
        memtable_bytes: options.memtable_bytes,
        seed,
        active: Arc::new(Memtable::new(1, seed)),
        waiting: Vec::new(),
        unflushed: None,
        failed: None,
    };
    let replayed = &mut |record: Replayed<'_>| replay.record(&record);
    let (mut manifest, wal) = if writable {
        let manifest = Manifest::start(
            Arc::clone(&store),
            Arc::clone(&entropy),
            recovered,
            options.manifest_bytes,
        )?;
        let wal = log.map(|log| open_log(log, &entropy, &options, (owner, log_from), replayed));
        (manifest, wal.transpose()?)
    } else {
        if let Some(log) = log {
            let found = Wal::replay(&*log, nori_wal::OpenMode::Strict, replayed)?;
            found.holds_from(log_from)?;
        }
        (
            Manifest::read_only(Arc::clone(&store), Arc::clone(&entropy), recovered)?,
            None,
        )
    };
    if let Some(error) = replay.failed {
        return Err(error);
    }
    last = last.max(replay.last);
    if writable {
        let needed = |wal: &Wal| replay.unflushed.unwrap_or_else(|| wal.durable_lsn());
        let needed = wal.as_ref().map_or(Lsn(0), needed);
        if needed != log_from {
            manifest.commit(&VersionEdit {
                log_from: Some(needed),
                ..manifest.live().no_change()
            })?;
        }
    }
    if let Some(wal) = &wal {
        // A store that is opened and closed again and again would keep a few segments more each
        // time. Failing to let go of them is no loss: the next flush tries again.
        let _ = wal.release_before(replay.unflushed.unwrap_or_else(|| wal.durable_lsn()));
    }

    if writable && !orphans.is_empty() {
        garbage.add(&orphans);
    }
    let rate = Rate::new(options.compaction_bytes_per_second);
    let has_ttl = options.keyspaces.values().any(|known| known.ttl.is_some());
    let view = View {
        active: replay.active,
        waiting: replay.waiting,
        levels: Arc::new(levels),
        rules: Arc::new(rules),
        own: None,
    };
    Ok(Arc::new(Engine {
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
        has_ttl,
        // What was replayed is durable.
        durability: Durability::new(last),
        staging: Mutex::new(Staging {
            last,
            behind: false,
            last_checked: SeqNo(0),
            announced: Vec::new(),
        }),
        staged: Mutex::default(),
        writer: Mutex::new(()),
        manifest: Mutex::new(manifest),
        failed: AtomicBool::new(!writable),
        next_table: AtomicU64::new(next_table),
        jobs: Mutex::new(Jobs::default()),
        park: Park::new(),
        work,
        waiting: AtomicU64::new(0),
        counters: Counters::default(),
        scrub: Scrub::default(),
        rate,
        events: Events::default(),
        owed_nanos: AtomicU64::new(0),
    }))
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
        let Replayed::Record { lsn, payload, .. } = record else {
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
        self.active.add(payload, *lsn);
        if self.active.is_full(self.memtable_bytes) {
            let next = Arc::new(self.active.successor(self.seed));
            let full = core::mem::replace(&mut self.active, next);
            self.waiting.insert(0, full);
        }
    }
}

fn open_log(
    log: Arc<dyn BlockStore>,
    entropy: &Arc<dyn Entropy>,
    options: &Options,
    (owner, from): (Owner, Lsn),
    replayed: &mut dyn FnMut(Replayed<'_>),
) -> Result<Wal, Error> {
    let wal_options = nori_wal::Options {
        segment_bytes: options.log_segment_bytes,
        first_segment_bytes: options.log_segment_bytes.min(16 << 20),
        // The log adds a few bytes to each record.
        batch_bytes_max: options.batch_bytes_max + 64,
        owner: Some(owner),
        sync: options.sync,
        compress_min: options.log_compress_min,
        from,
        ..nori_wal::Options::default()
    };
    let (wal, _) = Wal::open(log, Arc::clone(entropy), wal_options, replayed)?;
    Ok(wal)
}

/// All tables and value files in `store`.
fn stored(store: &dyn BlockStore) -> Result<Vec<ObjectId>, Error> {
    let listed = store.list()?.into_iter();
    let data = listed.filter(|id| matches!(id.kind, ObjectKind::Table | ObjectKind::Values));
    data.map(|id| manifest::number_of(id).map(|_| id)).collect()
}
