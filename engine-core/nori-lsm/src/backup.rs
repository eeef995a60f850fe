//! Backups: several states of a store in another, which share their tables.
//!
//! **Invariant: a generation that is listed as good can be restored, whatever happened to a later
//! one.** Tables never change, so a backup copies those that no good generation has; its manifest
//! is written last, when every table that it names is durable and was read back. A table is deleted
//! only once no manifest names it.
//!
//! A store of backups holds tables under numbers of its own and a manifest a generation, whose
//! number is the generation's. The format is that of a store's manifest with the field `taken`.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::{BlockStore, Entropy, IoErrorKind, ObjectId, ObjectKind, Owner};
use nori_sstable::{SeqNo, TableMeta};
use norikv_types::WallMs;

use crate::checkpoint::{claim_empty, clear};
use crate::manifest::{self, Manifest, Recovered};
use crate::transfer::{Progress, Transfer};
use crate::version_edit::{LiveSet, LiveTable};
use crate::{Error, Lsm, verify};

/// A store of backups. Whoever takes or prunes backups holds its lock from then on.
#[derive(Debug, Clone)]
pub struct Backups {
    store: Arc<dyn BlockStore>,
    entropy: Arc<dyn Entropy>,
    owner: Owner,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// Counts up from 1.
    pub number: u64,
    /// When it was taken.
    pub taken: WallMs,
    /// The last write that is in it.
    pub seqno: SeqNo,
    /// Its tables.
    pub tables: u64,
    /// Bytes of its tables.
    pub bytes: u64,
    /// Bytes of those that no earlier generation has.
    pub added_bytes: u64,
}

/// What pruning deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// Generations, those that cannot be read included.
    pub generations: Vec<u64>,
    /// Tables.
    pub tables: u64,
}

impl Lsm {
    /// Takes a backup of everything written before the call: copies the tables that `backups` lacks.
    ///
    /// # Errors
    /// `Io` with `Fenced` when someone else writes to `backups`; `Table` when a table of this store
    /// or its copy is damaged; whatever else failed. The generations before it are as good as ever.
    pub fn backup(
        &self,
        backups: &Backups,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Generation, Error> {
        let engine = &self.engine;
        let store = &backups.store;
        store.acquire(backups.owner)?;
        let (mut live, levels) = engine.flushed_live()?;
        live.taken = Some(engine.clock.wall());
        let (number, mut next_table, mut known) = backups.inventory()?;

        let mut tables = Vec::new();
        let mut missing = Vec::new();
        for table in live.tables.values() {
            let copy = *known.entry(key_of(&table.meta)).or_insert_with(|| {
                missing.push((table.number, next_table, table.meta.clone()));
                next_table += 1;
                next_table - 1
            });
            tables.push(LiveTable {
                number: copy,
                ..table.clone()
            });
        }
        let bytes = missing.iter().map(|(.., meta)| meta.size).sum();
        let mut transfer = Transfer::new(&*engine.store, &**store, bytes, progress);
        let copied = missing
            .iter()
            .try_for_each(|(number, copy, meta)| transfer.table(*number, *copy, meta));
        drop(levels);
        live.next_table = next_table;
        live.tables = tables
            .into_iter()
            .map(|table| ((table.level, table.number), table))
            .collect();
        let generation = describe(number, &live, bytes);
        let written = copied.and_then(|()| {
            store.barrier()?;
            let (store, entropy) = (Arc::clone(store), Arc::clone(&backups.entropy));
            Manifest::create(store, entropy, live, number, u64::MAX).map(|_| ())
        });
        if let Err(error) = written {
            // While a manifest may be there, so must be its tables.
            let gone = match store.delete(ObjectId::manifest(number)) {
                Ok(()) => store.barrier().is_ok(),
                Err(error) => error.kind == IoErrorKind::NotFound,
            };
            if gone {
                transfer.undo();
            }
            return Err(error);
        }
        Ok(generation)
    }
}

impl Backups {
    /// The backups in the directory `path`, which is made if it is not there.
    ///
    /// # Errors
    /// `Io`
    #[cfg(feature = "std")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        let store = Arc::new(nori_env::DirStore::open(path)?);
        Ok(Self::open_in(store, Arc::new(nori_env::OsEntropy)))
    }

    /// The backups in `store`.
    pub fn open_in(store: Arc<dyn BlockStore>, entropy: Arc<dyn Entropy>) -> Self {
        let owner = Owner(entropy.draw());
        Self {
            store,
            entropy,
            owner,
        }
    }

    /// The generations that can be read, the oldest first. One whose manifest is damaged, or was cut
    /// off by a crash, is left out; [`verify`](Self::verify) says why.
    ///
    /// # Errors
    /// `Io`; `Unsupported` when a generation was written by a later version of this crate.
    pub fn generations(&self) -> Result<Vec<Generation>, Error> {
        let mut seen = BTreeMap::new();
        let mut generations = Vec::new();
        for (number, live) in self.readable()? {
            let tables = live.tables.values();
            let is_new = |table: &&LiveTable| seen.insert(table.number, ()).is_none();
            let added = tables.filter(is_new).map(|table| table.meta.size).sum();
            generations.push(describe(number, &live, added));
        }
        Ok(generations)
    }

    /// Reads every byte of generation `number`.
    ///
    /// # Errors
    /// `NoBackup`; `Corrupt` or `Table` for the first damage.
    pub fn verify(&self, number: u64, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let live = self.read(number)?;
        let total = live.bytes();
        let mut done = 0;
        for table in live.tables.values() {
            let object = ObjectId::table(table.number);
            verify::table(&*self.store, table.number, &table.meta, |bytes| {
                done += bytes;
                progress(Progress {
                    object,
                    done,
                    total,
                });
            })?;
        }
        Ok(())
    }

    /// Makes a store in `target`, which must be empty, as it was when generation `number` was taken.
    /// When this returns, every byte of it was verified.
    ///
    /// # Errors
    /// `NoBackup`; `NotEmpty` when `target` holds anything, `Io` with `Fenced` when someone has it
    /// open; `Corrupt` or `Table` when the backup is damaged. Nothing that opens is left behind.
    pub fn restore(
        &self,
        number: u64,
        target: &Arc<dyn BlockStore>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        claim_empty(&**target, self.owner)?;
        let mut live = self.read(number)?;
        live.taken = None;
        let bytes = live.bytes();
        let mut transfer = Transfer::new(&*self.store, &**target, bytes, progress);
        let restored = live
            .tables
            .values()
            .try_for_each(|table| transfer.table(table.number, table.number, &table.meta))
            .and_then(|()| {
                target.barrier()?;
                let entropy = Arc::clone(&self.entropy);
                Manifest::start(Arc::clone(target), entropy, Recovered::fresh(live), 0)?;
                Ok(())
            });
        if restored.is_err() {
            clear(&**target);
        }
        restored
    }

    /// As [`restore`](Self::restore), into the directory `path`.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    #[cfg(feature = "std")]
    pub fn restore_to(
        &self,
        number: u64,
        path: impl AsRef<std::path::Path>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let target: Arc<dyn BlockStore> = Arc::new(nori_env::DirStore::open(path)?);
        self.restore(number, &target, progress)
    }

    /// Deletes all but the newest `keep` generations, what cannot be read, and the tables that
    /// nothing names any more.
    ///
    /// # Errors
    /// `Io` with `Fenced` when someone else writes here; `Unsupported` when a generation was written
    /// by a later version of this crate: nothing is deleted. Whatever else failed: those that are to be
    /// kept are kept.
    pub fn prune(&self, keep: u32) -> Result<Pruned, Error> {
        self.store.acquire(self.owner)?;
        let mut kept = self.readable()?;
        let dropped = kept.len().saturating_sub(keep as usize);
        kept.drain(..dropped);
        let mut pruned = Pruned::default();
        for number in manifest::manifests(&*self.store)? {
            if !kept.iter().any(|(kept, _)| *kept == number) {
                self.store.delete(ObjectId::manifest(number))?;
                pruned.generations.push(number);
            }
        }
        // A manifest that came back after a crash would miss its tables.
        self.store.barrier()?;
        let named = |number| {
            let mut tables = kept.iter().flat_map(|(_, live)| live.tables.values());
            tables.any(|table| table.number == number)
        };
        for id in self.store.list()? {
            if id.kind == ObjectKind::Table && !named(id.number) {
                self.store.delete(id)?;
                pruned.tables += 1;
            }
        }
        self.store.barrier()?;
        Ok(pruned)
    }

    /// The number of the next generation, that of the next table, and the tables that are there.
    fn inventory(&self) -> Result<(u64, u64, BTreeMap<TableKey, u64>), Error> {
        let listed = self.store.list()?;
        let above = |kind| {
            let numbers = listed.iter().filter(|id| id.kind == kind);
            numbers.map(|id| id.number + 1).max().unwrap_or(1)
        };
        let mut next_table = above(ObjectKind::Table);
        let mut known = BTreeMap::new();
        for (_, live) in self.readable()? {
            next_table = next_table.max(live.next_table);
            for table in live.tables.values() {
                let id = ObjectId::table(table.number);
                let is_whole =
                    listed.contains(&id) && self.store.open(id)?.len()? == table.meta.size;
                if is_whole {
                    known.insert(key_of(&table.meta), table.number);
                }
            }
        }
        Ok((above(ObjectKind::Manifest), next_table, known))
    }

    /// Every generation that can be read.
    fn readable(&self) -> Result<Vec<(u64, LiveSet)>, Error> {
        let mut readable = Vec::new();
        for number in manifest::manifests(&*self.store)? {
            match manifest::read_one(&*self.store, number) {
                Ok(live) => readable.push((number, live)),
                Err(Error::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(readable)
    }

    fn read(&self, number: u64) -> Result<LiveSet, Error> {
        match manifest::manifests(&*self.store)?.contains(&number) {
            true => manifest::read_one(&*self.store, number),
            false => Err(Error::NoBackup { number }),
        }
    }
}

/// What tells tables apart: uid, checksum of the footer, size.
type TableKey = (u64, u32, u64);

const fn key_of(meta: &TableMeta) -> TableKey {
    (meta.uid, meta.footer_checksum, meta.size)
}

fn describe(number: u64, live: &LiveSet, added_bytes: u64) -> Generation {
    Generation {
        number,
        taken: live.taken.unwrap_or_default(),
        seqno: live.last_seqno,
        tables: live.tables.len() as u64,
        bytes: live.bytes(),
        added_bytes,
    }
}
