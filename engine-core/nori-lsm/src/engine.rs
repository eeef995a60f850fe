//! What all parts of an open store share, and the one way in which its tables change.
//!
//! **Invariant: readers see a change of the tables only after the manifest's edit is durable, and
//! all of it at once.** A change is one edit; the manifest's lock puts changes in order.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, Park, RwLock};
use nori_env::{BlockStore, Clock, Entropy};
use nori_sstable::{BlockCache, SeqNo, TableMeta, ValueFileMeta};
use nori_wal::{Lsn, Wal};
use norikv_types::{Mutant, WallMs, breaks};

use crate::Error;
use crate::durability::Durability;
use crate::event::{Event, Events};
use crate::expiry::Expiry;
use crate::fifo;
use crate::guards::{self, KeyRange};
use crate::jobs::Jobs;
use crate::levels::Levels;
use crate::manifest::Manifest;
use crate::memtable::Memtable;
use crate::options::{OpenMode, Options};
use crate::rate::Rate;
use crate::reconcile::{By, Reconcile};
use crate::scrub::Scrub;
use crate::stats::Counters;
use crate::table_file::{Garbage, TableFile};
use crate::values::{ValueFiles, ValueRef, Values};
use crate::version_edit::{LiveSet, VersionEdit};
use crate::view::View;
use crate::write::{Staged, Staging};

/// An open store.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn BlockStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) options: Options,
    pub(crate) wal: Option<Wal>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) garbage: Arc<Garbage>,
    /// Seeds the memtables.
    pub(crate) seed: u64,
    pub(crate) view: RwLock<Arc<View>>,
    /// The last write that readers see.
    pub(crate) visible: AtomicU64,
    /// The latest time that was seen: the host's, with [`Expiry::Stamp`].
    pub(crate) stamp: AtomicU64,
    pub(crate) durability: Durability,
    /// Values of some keyspaces end by themselves.
    pub(crate) has_ttl: bool,
    /// Numbers writes; taken before `writer`.
    pub(crate) staging: Mutex<Staging>,
    /// Batches that are numbered and staged, but not in a memtable yet.
    pub(crate) staged: Mutex<VecDeque<Staged>>,
    /// Held by the one who fills the active memtable or rotates it.
    pub(crate) writer: Mutex<()>,
    pub(crate) manifest: Mutex<Manifest>,
    /// The manifest cannot be written any more.
    pub(crate) failed: AtomicBool,
    pub(crate) next_table: AtomicU64,
    pub(crate) jobs: Mutex<Jobs>,
    /// Where stalled writers wait; woken whenever a job has made progress.
    pub(crate) park: Park,
    /// Where threads without work wait; woken whenever there may be some.
    pub(crate) work: Arc<Park>,
    pub(crate) waiting: AtomicU64,
    pub(crate) counters: Counters,
    pub(crate) scrub: Scrub,
    pub(crate) rate: Rate,
    pub(crate) events: Events,
    /// What writers owe for being fast, and have not paid.
    pub(crate) owed_nanos: AtomicU64,
}

/// A change of the live tables.
#[derive(Debug)]
pub(crate) struct Install {
    /// With their levels.
    pub(crate) removed: Vec<(u8, Arc<TableFile>)>,
    /// With their levels; those of level 0 make one new run.
    pub(crate) added: Vec<(u8, Arc<TableFile>)>,
    /// The level and the keys that were rewritten there, for its guards.
    pub(crate) written: Option<(u8, KeyRange)>,
    /// The memtable that the new tables replace.
    pub(crate) flushed: Option<Arc<Memtable>>,
}

impl Engine {
    /// Everything a reader needs. Take the view first, [`visible`](Self::visible) afterwards.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }

    /// A view that holds everything up to the seqno, which was visible when the view was there. With a
    /// view that is older than the seqno a reader sees a state of the store too, but one that lacks
    /// writes which its seqno claims to know.
    pub(crate) fn view_and_visible(&self) -> (Arc<View>, SeqNo) {
        let mut view = self.view();
        loop {
            let visible = self.visible();
            let now = self.view();
            // Where no other memtable was begun by then, all that was visible came before it.
            if Arc::ptr_eq(&now.active, &view.active) {
                return (view, visible);
            }
            view = now;
        }
    }

    /// The last write that readers see.
    pub(crate) fn visible(&self) -> SeqNo {
        SeqNo(self.visible.load(Ordering::Acquire))
    }

    /// Everything at or below is in tables.
    pub(crate) fn flushed_seqno(&self) -> SeqNo {
        // First the seqno: what is visible and in none of the memtables of a later view is in tables.
        let visible = self.visible();
        let view = self.view();
        let unflushed = view.memtables().filter_map(|memtable| memtable.first());
        unflushed
            .map(|first| SeqNo(first.0 - 1))
            .fold(visible, SeqNo::min)
    }

    /// A number that no table or value file of this store has or had.
    pub(crate) fn next_table_number(&self) -> u64 {
        self.next_table.fetch_add(1, Ordering::Relaxed)
    }

    /// The time by which values expire. It never goes back, whatever the clock does: what was read as
    /// deleted once would be there again.
    pub(crate) fn now(&self) -> WallMs {
        let seen = self.stamp.load(Ordering::Acquire);
        let now = match self.options.expiry {
            Expiry::Wall => self.clock.wall().0,
            Expiry::Stamp => seen,
        };
        if now > seen {
            self.stamp.fetch_max(now, Ordering::AcqRel);
        }
        WallMs(now.max(seen))
    }

    /// Decides what is written of each key, as of now. Values lie in `files`, if not in the sources.
    pub(crate) fn reconcile(&self, by: By, files: &Arc<ValueFiles>) -> Reconcile {
        let rules = Arc::clone(&self.view().rules);
        Reconcile::new(rules, self.now(), by, Arc::clone(files))
    }

    pub(crate) fn open_table(
        &self,
        number: u64,
        meta: &TableMeta,
        refs: Vec<ValueRef>,
    ) -> Result<Arc<TableFile>, Error> {
        TableFile::open(&*self.store, &self.cache, &self.garbage, number, meta, refs)
    }

    pub(crate) fn open_values(
        &self,
        number: u64,
        meta: &ValueFileMeta,
    ) -> Result<Arc<Values>, Error> {
        Values::open(&*self.store, &self.cache, &self.garbage, number, meta)
    }

    /// Makes the active memtable wait for its flush and begins a new one.
    pub(crate) fn rotate(&self, _writer: &MutexGuard<'_, ()>) {
        let mut view = self.view.write();
        let bytes = view.active.bytes();
        let mut waiting = Vec::with_capacity(view.waiting.len() + 1);
        waiting.push(Arc::clone(&view.active));
        waiting.extend(view.waiting.iter().cloned());
        *view = Arc::new(View {
            active: Arc::new(view.active.successor(self.seed)),
            waiting,
            levels: Arc::clone(&view.levels),
            rules: Arc::clone(&view.rules),
            own: None,
        });
        drop(view);
        self.events.push(Event::Rotated { bytes });
        self.work.wake();
    }

    /// Makes `change` durable and visible.
    ///
    /// # Errors
    /// Nothing is visible. The change does not count, unless the manifest's sync failed: then the
    /// next open tells, and until then nothing can be installed.
    pub(crate) fn install(&self, change: Install) -> Result<(), Error> {
        self.install_if(change, |_| true).map(|_| ())
    }

    /// Makes `change` durable and visible if the tables as they are then allow it.
    ///
    /// # Errors
    /// As [`install`](Self::install).
    pub(crate) fn install_if(
        &self,
        change: Install,
        allowed: impl FnOnce(&Levels) -> bool,
    ) -> Result<bool, Error> {
        let mut manifest = self.manifest.lock();
        // Levels change only under the manifest's lock.
        if !allowed(&self.view().levels) {
            return Ok(false);
        }
        let live = manifest.live();
        // What replaces runs of level 0 takes the place of the newest of them.
        let replaced = change.removed.iter().filter(|(level, _)| *level == 0);
        let replaced = replaced.filter_map(|(_, table)| live.tables.get(&(0, table.number)));
        let run = replaced.map(|table| table.run).max();
        let run = run.unwrap_or_else(|| live.next_run());
        let tables = || change.added.iter().map(|(_, table)| table.meta().seqno_max);
        let flushed = change.flushed.as_ref().map(|memtable| memtable.last());
        let levels = Arc::clone(&self.view().levels);
        let removed: BTreeSet<u64> = change
            .removed
            .iter()
            .map(|(_, table)| table.number)
            .collect();
        let now = fifo::ttl(&self.options).map(|_| self.clock.wall());
        let newest = removed.iter().filter_map(|number| levels.born(*number));
        let newest = newest.max().or(now);
        // A table that moves stays as old as it is.
        let born = |table: &TableFile| levels.born(table.number).or_else(|| now.and(newest));
        let lane = |level: u8, table: &TableFile| match level {
            0 => run,
            _ => levels.lane_for(level, table.meta(), &removed),
        };
        let mut edit = VersionEdit {
            next_table: self.next_table.load(Ordering::Relaxed),
            last_seqno: tables().chain(flushed).fold(live.last_seqno, SeqNo::max),
            flushed_seqno: flushed.map_or(live.flushed_seqno, |last| last.max(live.flushed_seqno)),
            log_from: (change.flushed.as_deref()).and_then(|memtable| self.log_behind(memtable)),
            removed: change
                .removed
                .iter()
                .map(|(level, table)| (*level, table.number))
                .collect(),
            added: change
                .added
                .iter()
                .map(|(level, table)| table.as_live(*level, lane(*level, table), born(table)))
                .collect(),
            values: new_values(live, &change.added),
            ..VersionEdit::default()
        };
        if breaks(Mutant::TablesDeletedBeforeEdit) {
            let moved = |number| change.added.iter().any(|(_, table)| table.number == number);
            let gone = change.removed.iter().map(|(_, table)| table.number);
            for number in gone.filter(|number| !moved(*number)) {
                self.store.delete(nori_env::ObjectId::table(number))?;
            }
        }
        // Levels change only under the manifest's lock, so this needs no other.
        let opened: Vec<_> = change
            .added
            .iter()
            .map(|(_, table)| Arc::clone(table))
            .collect();
        let mut levels = levels.apply(&edit, &opened);
        if let Some((level, range)) = &change.written {
            edit.guards = guards::changes(&levels, *level, range, self.options.table_bytes);
            levels.set_guards(&edit.guards);
        }
        if cfg!(debug_assertions) {
            levels.check();
        }
        let levels = Arc::new(levels);
        let heat = Arc::clone(&levels.heat);
        let committed = manifest.commit(&edit);
        self.failed.store(manifest.is_failed(), Ordering::Release);
        committed?;
        if cfg!(debug_assertions) {
            levels.values.check(&manifest.live().values);
        }

        let mut view = self.view.write();
        let mut waiting = view.waiting.clone();
        if let Some(flushed) = &change.flushed {
            waiting.retain(|memtable| memtable.id != flushed.id);
        }
        let active = Arc::clone(&view.active);
        let rules = Arc::clone(&view.rules);
        let next = View {
            active,
            waiting,
            levels,
            rules,
            own: None,
        };
        let replaced = core::mem::replace(&mut *view, Arc::new(next));
        drop(view);
        for (_, table) in &change.removed {
            if !opened.iter().any(|kept| kept.number == table.number) {
                table.retire();
            }
            // A file that tables pointed into and that is live no longer left with the last of them.
            let live = &manifest.live().values;
            let files = table.refs.iter().map(|known| &known.values);
            let gone = files.filter(|values| !live.contains_key(&values.number));
            gone.for_each(|values| values.retire());
        }
        drop(replaced);
        for (_, table) in change.added.iter().filter(|(level, _)| *level == 0) {
            heat.written(table.meta());
        }
        if change.flushed.is_some() {
            heat.flushed();
        }
        Ok(true)
    }

    /// From where on the log is needed when `flushed` is in tables. Not from behind what a power cut
    /// may leave of it: that it ends before would look like damage.
    fn log_behind(&self, flushed: &Memtable) -> Option<Lsn> {
        let wal = self.wal.as_ref()?;
        Some(flushed.log_end().min(wal.durable_lsn()))
    }

    /// Lets go of the log of a flushed memtable. Failing to is no loss: the next flush tries again.
    pub(crate) fn release_log(&self, flushed: &Memtable) {
        if let Some(wal) = &self.wal {
            let end = match breaks(Mutant::UnflushedLogReleased) {
                true => self.view().active.log_end(),
                false => flushed.log_end(),
            };
            let _ = wal.release_before(end);
        }
    }

    /// # Errors
    /// `ReadOnly`
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        match self.options.mode {
            OpenMode::ReadWrite => Ok(()),
            OpenMode::ReadOnly => Err(Error::ReadOnly),
        }
    }

    /// Whether the manifest cannot be written any more.
    pub(crate) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

/// The value files that `tables` are the first to point into.
fn new_values(live: &LiveSet, tables: &[(u8, Arc<TableFile>)]) -> Vec<(u64, ValueFileMeta)> {
    let refs = tables.iter().flat_map(|(_, table)| &table.refs);
    let files = refs.map(|known| (known.values.number, *known.values.meta()));
    let new: BTreeMap<u64, ValueFileMeta> = files
        .filter(|(number, _)| !live.values.contains_key(number))
        .collect();
    new.into_iter().collect()
}
