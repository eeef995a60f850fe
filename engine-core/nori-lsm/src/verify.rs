//! Reading everything to see whether it is what was written.
//!
//! **Invariant: nothing is changed, and after damage to one object the others are still read.**

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::{BlockStore, ObjectId, ObjectKind};
use nori_sstable::{BlockCache, IterOptions, Table, TableMeta};
use nori_wal::Wal;

use crate::transfer::Progress;
use crate::{Error, Lsm, manifest, table_file};

/// Bytes that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The object.
    pub object: ObjectId,
    /// The first byte of the part that fails a check.
    pub start: u64,
    /// The byte behind that part, where it is known.
    pub end: Option<u64>,
    /// What is wrong.
    pub error: Error,
}

/// What was read, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Objects that were read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that nothing names, which the next open deletes; they were not read.
    pub orphans: u64,
    /// Everything that is wrong; empty in a sound store.
    pub findings: Vec<Finding>,
}

impl Lsm {
    /// Reads every byte of every live object: manifest, tables and log. Others may write meanwhile.
    ///
    /// # Errors
    /// Where the host fails. Damage is no error: it is among what is returned.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Verified, Error> {
        let engine = &self.engine;
        let mut walk = Walk::new(progress);
        let (live, levels) = {
            // Records are appended, and levels change, only under the manifest's lock.
            let manifest = engine.manifest.lock();
            let id = ObjectId::manifest(manifest.number());
            walk.total = manifest.live().bytes();
            walk.read(&*engine.store, id)?;
            if let Err(error) = manifest::read_one(&*engine.store, id.number) {
                walk.found(id, error)?;
            }
            (manifest.live().clone(), Arc::clone(&engine.view().levels))
        };
        for table in live.tables.values() {
            walk.table(&*engine.store, table.number, &table.meta)?;
        }
        drop(levels);
        if let Some(wal) = &engine.wal {
            let first = wal.first_lsn();
            walk.total += wal.durable_lsn().0.saturating_sub(first.0);
            let mut at = first.0;
            for record in wal.iter_from(first)? {
                match record {
                    Ok((lsn, _)) => {
                        walk.advance(ObjectId::log(0), lsn.0.saturating_sub(at));
                        at = lsn.0;
                    }
                    // What a flush let go of meanwhile is no damage.
                    Err(nori_wal::Error::NoRecord { .. }) => break,
                    Err(error) => {
                        walk.found(ObjectId::log(0), error.into())?;
                        break;
                    }
                }
            }
            walk.verified.objects += wal.segments().len() as u64;
        }
        Ok(walk.verified)
    }
}

/// Reads every byte of a store that nobody has open, whether it would open or not: takes no lock.
/// `log` is where its log lies; `None` when it has none.
///
/// # Errors
/// `NoStore` when there is nothing; else where the host fails. Damage is no error.
pub fn verify_store(
    store: &dyn BlockStore,
    log: Option<&dyn BlockStore>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Error> {
    let mut walk = Walk::new(progress);
    let listed = store.list()?;
    let logs = match log {
        Some(log) => log.list()?,
        None => Vec::new(),
    };
    let is_log = |id: &ObjectId| id.kind == ObjectKind::Log;
    let of_kind = |kind| listed.iter().filter(move |id| id.kind == kind);
    let (manifests, tables) = (of_kind(ObjectKind::Manifest), of_kind(ObjectKind::Table));
    let has_log = logs.iter().any(is_log);
    if manifests.clone().next().is_none() && tables.clone().next().is_none() && !has_log {
        return Err(Error::NoStore);
    }
    for id in manifests {
        walk.read(store, *id)?;
    }
    let live = match manifest::recover(store, has_log) {
        Ok(recovered) => Some(recovered.live),
        Err(error) => {
            walk.found(ObjectId::manifest(0), error)?;
            None
        }
    };
    if let Some(live) = &live {
        let named: Vec<_> = live.tables.values().collect();
        walk.total += live.bytes();
        for table in &named {
            walk.table(store, table.number, &table.meta)?;
        }
        let is_named = |id: &ObjectId| named.iter().any(|table| table.number == id.number);
        walk.verified.orphans = tables.filter(|id| !is_named(id)).count() as u64;
    }
    if let Some(log) = log.filter(|_| has_log) {
        walk.log(log)?;
    }
    Ok(walk.verified)
}

/// A reading under way.
struct Walk<'a> {
    verified: Verified,
    total: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> Walk<'a> {
    fn new(progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            verified: Verified::default(),
            total: 0,
            progress,
        }
    }

    fn advance(&mut self, object: ObjectId, bytes: u64) {
        self.verified.bytes += bytes;
        (self.progress)(Progress {
            object,
            done: self.verified.bytes,
            total: self.total.max(self.verified.bytes),
        });
    }

    /// Counts an object that was read whole.
    fn read(&mut self, store: &dyn BlockStore, id: ObjectId) -> Result<(), Error> {
        let bytes = store.open(id)?.len()?;
        self.verified.objects += 1;
        self.total += bytes;
        self.advance(id, bytes);
        Ok(())
    }

    fn table(
        &mut self,
        store: &dyn BlockStore,
        number: u64,
        meta: &TableMeta,
    ) -> Result<(), Error> {
        let id = ObjectId::table(number);
        self.verified.objects += 1;
        match table(store, number, meta, |bytes| self.advance(id, bytes)) {
            Ok(()) => Ok(()),
            Err(error) => self.found(id, error),
        }
    }

    fn log(&mut self, log: &dyn BlockStore) -> Result<(), Error> {
        let found = Wal::replay(log, nori_wal::OpenMode::Salvage, &mut |_| ());
        match found {
            Ok(found) => {
                for range in found.corrupt {
                    self.found(range.object, nori_wal::Error::Corrupt(range).into())?;
                }
            }
            Err(error) => self.found(ObjectId::log(0), error.into())?,
        }
        for id in log.list()?.iter().filter(|id| id.kind == ObjectKind::Log) {
            self.read(log, *id)?;
        }
        Ok(())
    }

    /// Notes damage.
    ///
    /// # Errors
    /// `error`, where it is none.
    fn found(&mut self, object: ObjectId, error: Error) -> Result<(), Error> {
        self.verified.findings.push(Finding::of(object, error)?);
        Ok(())
    }
}

impl Finding {
    /// The damage that `error` tells of, on `object` unless it names another.
    fn of(object: ObjectId, error: Error) -> Result<Self, Error> {
        let (object, start, end) = match &error {
            Error::Corrupt { object, offset, .. }
            | Error::Table(nori_sstable::Error::Corrupt { object, offset, .. }) => {
                (*object, *offset, None)
            }
            Error::Log(nori_wal::Error::Corrupt(range)) => {
                (range.object, range.start, Some(range.end))
            }
            Error::Unsupported { object, .. }
            | Error::Table(nori_sstable::Error::Unsupported { object, .. })
            | Error::Log(nori_wal::Error::Version { object, .. }) => (*object, 0, None),
            Error::Io(io) if io.kind == nori_env::IoErrorKind::Media => {
                (io.object.unwrap_or(object), io.offset, None)
            }
            _ => return Err(error),
        };
        Ok(Self {
            object,
            start,
            end,
            error,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, start, .. } = self;
        match self.end {
            Some(end) => write!(f, "{object}, bytes {start}..{end}: {}", self.error),
            None => write!(f, "{object}, from byte {start}: {}", self.error),
        }
    }
}

/// Reads every byte of table `number` of `store`.
///
/// # Errors
/// `Corrupt` when it is missing; `Table` names the place.
pub(crate) fn table(
    store: &dyn BlockStore,
    number: u64,
    meta: &TableMeta,
    mut advance: impl FnMut(u64),
) -> Result<(), Error> {
    let object = table_file::open_object(store, number)?;
    let table = Table::open(object, meta, BlockCache::new(0))?;
    let options = IterOptions {
        fill_cache: false,
        ..IterOptions::default()
    };
    let mut iter = table.iter_with(options);
    iter.seek_to_first()?;
    let mut pending = 0;
    let mut left = meta.size;
    while iter.is_valid() {
        pending += (iter.key().user.len() + iter.value_ref().len()) as u64;
        if pending >= ADVANCE_BYTES {
            let bytes = pending.min(left);
            advance(bytes);
            (left, pending) = (left - bytes, 0);
        }
        iter.next()?;
    }
    advance(left);
    Ok(())
}

const ADVANCE_BYTES: u64 = 1 << 20;
