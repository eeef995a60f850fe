//! Backups: several states of a store in another, which share their tables.
//!
//! **Invariant: a generation that is listed as good can be restored, whatever happened to a later
//! one.** Tables and value files never change, so a backup copies those that no good generation has;
//! its manifest is written last, when everything that it names is durable and was read back. A table or
//! value file is deleted only once no manifest names it.
//!
//! A store of backups holds tables and value files under numbers of its own and a manifest a generation, whose
//! number is the generation's. The format is that of a store's manifest with the field `taken`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::{BlockStore, Entropy, IoErrorKind, ObjectId, ObjectKind, Owner};
use nori_sstable::{SeqNo, TableMeta, ValueFileMeta};
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
    /// Bytes of its tables and value files.
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
    /// Value files.
    pub values: u64,
}

/// What lies in a store of backups.
struct Inventory {
    /// The number of the next generation, and that of the next table or value file.
    next: u64,
    next_table: u64,
    /// Numbers of the tables and value files that are there.
    tables: BTreeMap<Key, u64>,
    values: BTreeMap<Key, u64>,
}

impl Lsm {
    /// Takes a backup of everything written before the call: copies the tables and value
    /// files that `backups` lacks.
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
        let mut there = backups.inventory()?;
        let number = there.next;

        let mut missing_values = Vec::new();
        let mut copies = BTreeMap::new();
        for (number, known) in &live.values {
            let copy = there.values.get(&key_of_values(&known.meta)).copied();
            let copy = copy.unwrap_or_else(|| {
                missing_values.push((*number, there.next_table, known.meta));
                there.next_table += 1;
                there.next_table - 1
            });
            copies.insert(*number, copy);
        }
        let mut tables = Vec::new();
        let mut missing = Vec::new();
        for table in live.tables.values() {
            let copy = there.tables.get(&key_of(&table.meta)).copied();
            let copy = copy.unwrap_or_else(|| {
                missing.push((table.number, there.next_table, table.meta.clone()));
                there.next_table += 1;
                there.next_table - 1
            });
            let refs = table.refs.iter();
            let mut refs: Vec<_> = refs
                .map(|(number, bytes)| (copies[number], *bytes))
                .collect();
            refs.sort_unstable();
            tables.push(LiveTable {
                number: copy,
                refs,
                ..table.clone()
            });
        }
        let bytes = missing.iter().map(|(.., meta)| meta.size).sum::<u64>()
            + missing_values
                .iter()
                .map(|(.., meta)| meta.size)
                .sum::<u64>();
        let mut transfer = Transfer::new(&*engine.store, &**store, bytes, progress);
        let copied = missing
            .iter()
            .try_for_each(|(number, copy, meta)| transfer.table(*number, *copy, meta));
        let copied = copied.and_then(|()| {
            let mut missing = missing_values.iter();
            missing.try_for_each(|(number, copy, meta)| transfer.values(*number, *copy, meta))
        });
        drop(levels);
        live.next_table = there.next_table;
        live.values = (live.values.iter())
            .map(|(number, known)| (copies[number], *known))
            .collect();
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
        let mut seen = BTreeSet::new();
        let mut generations = Vec::new();
        for (number, live) in self.readable()? {
            let tables = live
                .tables
                .values()
                .map(|table| (table.number, table.meta.size));
            let values = live
                .values
                .iter()
                .map(|(number, known)| (*number, known.meta.size));
            // Tables and value files share their numbers.
            let is_new = |(number, _): &(u64, u64)| seen.insert(*number);
            let added = tables
                .chain(values)
                .filter(is_new)
                .map(|(_, size)| size)
                .sum();
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
        let mut advance = |object, bytes| {
            done += bytes;
            progress(Progress {
                object,
                done,
                total,
            });
        };
        for table in live.tables.values() {
            let object = ObjectId::table(table.number);
            let advance = |bytes| advance(object, bytes);
            verify::table(&*self.store, table.number, &table.meta, advance)?;
        }
        for (number, known) in &live.values {
            let object = ObjectId::values(*number);
            let advance = |bytes| advance(object, bytes);
            verify::values(&*self.store, *number, &known.meta, advance)?;
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
                let mut values = live.values.iter();
                values
                    .try_for_each(|(number, known)| transfer.values(*number, *number, &known.meta))
            })
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
        for id in self.store.list()? {
            let counted = match id.kind {
                ObjectKind::Table => &mut pruned.tables,
                ObjectKind::Values => &mut pruned.values,
                _ => continue,
            };
            if !kept.iter().any(|(_, live)| live.names(id)) {
                self.store.delete(id)?;
                *counted += 1;
            }
        }
        self.store.barrier()?;
        Ok(pruned)
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let listed = self.store.list()?;
        let above = |kinds: &[ObjectKind]| {
            let numbers = listed.iter().filter(|id| kinds.contains(&id.kind));
            numbers.map(|id| id.number + 1).max().unwrap_or(1)
        };
        let mut there = Inventory {
            next: above(&[ObjectKind::Manifest]),
            next_table: above(&[ObjectKind::Table, ObjectKind::Values]),
            tables: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        let is_whole = |id: ObjectId, size: u64| {
            Ok::<_, Error>(listed.contains(&id) && self.store.open(id)?.len()? == size)
        };
        for (_, live) in self.readable()? {
            there.next_table = there.next_table.max(live.next_table);
            for table in live.tables.values() {
                if is_whole(ObjectId::table(table.number), table.meta.size)? {
                    there.tables.insert(key_of(&table.meta), table.number);
                }
            }
            for (number, known) in &live.values {
                if is_whole(ObjectId::values(*number), known.meta.size)? {
                    there.values.insert(key_of_values(&known.meta), *number);
                }
            }
        }
        Ok(there)
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

/// What tells tables, or value files, apart: uid, checksum of the footer, size.
type Key = (u64, u32, u64);

const fn key_of(meta: &TableMeta) -> Key {
    (meta.uid, meta.footer_checksum, meta.size)
}

const fn key_of_values(meta: &ValueFileMeta) -> Key {
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
