//! Reading everything to see whether it is what was written.
//!
//! **Invariant: nothing is changed, and after damage to one object the others are still read.**

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::{BlockStore, IoErrorKind, IoOp, ObjectId, ObjectKind};
use nori_sstable::{BlockCache, Table, TableMeta, ValueFile, ValueFileMeta, ValuePointer, inspect};
use nori_wal::{Lsn, Wal};

use crate::transfer::Progress;
use crate::values::pointer_in;
use crate::version_edit::{LiveSet, LiveTable};
use crate::{Damage, Error, Lsm, manifest, table_file};

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
    /// Reads every byte of every live object: manifest, tables, value files and log. Others may write meanwhile.
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
        walk.data(&*engine.store, &live)?;
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

/// Reads every byte of a store, or of a store of backups, that nobody has open, whether it would open
/// or not: takes no lock. `log` is where its log lies; `None` when it has none.
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
    let manifests = of_kind(ObjectKind::Manifest);
    let data = of_kind(ObjectKind::Table).chain(of_kind(ObjectKind::Values));
    let has_log = logs.iter().any(is_log);
    if manifests.clone().next().is_none() && data.clone().next().is_none() && !has_log {
        return Err(Error::NoStore);
    }
    for id in manifests {
        walk.read(store, *id)?;
    }
    let Some(named) = walk.named(store, has_log)? else {
        // Nothing says what they ought to be, so each is checked against itself.
        for id in data {
            walk.lone(store, *id)?;
        }
        if let Some(log) = log.filter(|_| has_log) {
            walk.log(log, Lsn(0))?;
        }
        return Ok(walk.verified);
    };
    walk.total += named.bytes();
    walk.data(store, &named)?;
    walk.verified.orphans = data.filter(|id| !named.names(**id)).count() as u64;
    if let Some(log) = log {
        walk.log(log, named.log_from)?;
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

    /// What the manifests name, in all generations of backups; `None` where they are too damaged to
    /// tell.
    fn named(&mut self, store: &dyn BlockStore, has_log: bool) -> Result<Option<LiveSet>, Error> {
        let mut generations = LiveSet::default();
        let mut damaged = Vec::new();
        for number in manifest::manifests(store)? {
            match manifest::read_one(store, number) {
                Ok(live) if live.taken.is_some() => {
                    // A table may lie in another level in another generation.
                    let tables = live.tables.into_iter();
                    let tables = tables.map(|((_, number), table)| ((0, number), table));
                    generations.tables.extend(tables);
                    generations.values.extend(live.values);
                }
                Ok(_) => {}
                Err(error) => damaged.push((number, error)),
            }
        }
        if !generations.tables.is_empty() {
            for (number, error) in damaged {
                self.found(ObjectId::manifest(number), error)?;
            }
            return Ok(Some(generations));
        }
        match manifest::recover(store, has_log) {
            Ok(recovered) => Ok(Some(recovered.live)),
            Err(error) => {
                self.found(ObjectId::manifest(0), error)?;
                Ok(None)
            }
        }
    }

    /// Counts an object that was read whole.
    fn read(&mut self, store: &dyn BlockStore, id: ObjectId) -> Result<(), Error> {
        let bytes = store.open(id)?.len()?;
        self.verified.objects += 1;
        self.total += bytes;
        self.advance(id, bytes);
        Ok(())
    }

    /// Reads every table and value file of `live`.
    fn data(&mut self, store: &dyn BlockStore, live: &LiveSet) -> Result<(), Error> {
        for table in live.tables.values() {
            let id = ObjectId::table(table.number);
            let mut damages = Vec::new();
            let read = read_table(
                store,
                (table.number, &table.meta),
                |bytes| self.advance(id, bytes),
                |error| {
                    damages.push(error);
                    damages.len() < DAMAGES_MAX
                },
            );
            let is_sound = damages.is_empty() && !table.refs.is_empty();
            for error in damages {
                self.found(id, error)?;
            }
            let pointers = || match is_sound {
                true => pointers(store, live, table),
                false => Ok(()),
            };
            self.checked(id, read.and_then(|()| pointers()))?;
        }
        for (number, known) in &live.values {
            let id = ObjectId::values(*number);
            let checked = values(store, *number, &known.meta, |bytes| self.advance(id, bytes));
            self.checked(id, checked)?;
        }
        Ok(())
    }

    fn checked(&mut self, id: ObjectId, checked: Result<(), Error>) -> Result<(), Error> {
        self.verified.objects += 1;
        match checked {
            Ok(()) => Ok(()),
            Err(error) => self.found(id, error),
        }
    }

    /// Reads a table or value file of which nothing says what it ought to be.
    fn lone(&mut self, store: &dyn BlockStore, id: ObjectId) -> Result<(), Error> {
        let object = store.open(id)?;
        self.total += object.len()?;
        let advance = |bytes| self.advance(id, bytes);
        let checked = match id.kind {
            ObjectKind::Values => ValueFileMeta::of(&*object)
                .map_err(Error::from)
                .and_then(|meta| values(store, id.number, &meta, advance)),
            _ => inspect::meta_of(&object)
                .map_err(Error::from)
                .and_then(|meta| table(store, id.number, &meta, advance)),
        };
        self.checked(id, checked)
    }

    fn log(&mut self, log: &dyn BlockStore, from: Lsn) -> Result<(), Error> {
        let found = match Wal::verify(log) {
            Ok(found) => found,
            Err(error) => return self.found(ObjectId::log(0), error.into()),
        };
        for segment in &found.segments {
            self.verified.objects += 1;
            self.total += segment.bytes;
            self.advance(segment.object, segment.bytes);
            for range in &segment.unreadable {
                let unreadable = segment
                    .object
                    .error(IoErrorKind::Media, IoOp::Read, range.start);
                self.found(segment.object, unreadable.into())?;
            }
            if segment.bad_records > 0 {
                let bad = Error::Corrupt {
                    object: segment.object,
                    offset: 0,
                    what: Damage::Batch,
                };
                self.found(segment.object, bad)?;
            }
        }
        // Where something of it is damaged nobody knows where it begins and ends.
        let whole = found.recovery.corrupt.is_empty();
        if let Err(missing) = found.recovery.holds_from(from)
            && whole
        {
            self.found(ObjectId::log(0), missing.into())?;
        }
        for range in found.recovery.corrupt {
            self.found(range.object, nori_wal::Error::Corrupt(range).into())?;
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
    pub(crate) fn of(object: ObjectId, error: Error) -> Result<Self, Error> {
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
            Error::Io(io) if io.kind == IoErrorKind::Media => {
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

    /// What is wrong, without the place.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.error {
            Error::Corrupt { what, .. } => what.to_string(),
            Error::Table(nori_sstable::Error::Corrupt { what, .. }) => what.to_string(),
            Error::Log(nori_wal::Error::Corrupt(range)) => match range.damage {
                nori_wal::Damage::Header => "the header does not verify".into(),
                nori_wal::Damage::Frame => "groups that were durable do not verify".into(),
                nori_wal::Damage::Missing => "the segment is missing".into(),
            },
            Error::Io(error) => error.kind.to_string(),
            error => error.to_string(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, start, .. } = self;
        let reason = self.reason();
        match self.end {
            Some(end) => write!(f, "{object}, bytes {start}..{end}: {reason}"),
            None => write!(f, "{object}, from byte {start}: {reason}"),
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
    advance: impl FnMut(u64),
) -> Result<(), Error> {
    let mut first = None;
    let keep = |error| {
        first = Some(error);
        false
    };
    read_table(store, (number, meta), advance, keep)?;
    first.map_or(Ok(()), Err)
}

/// The same, but goes on behind damage while `found` says so.
///
/// # Errors
/// `Corrupt` when it is missing; `Table` when it cannot be opened.
fn read_table(
    store: &dyn BlockStore,
    (number, meta): (u64, &TableMeta),
    mut advance: impl FnMut(u64),
    mut found: impl FnMut(Error) -> bool,
) -> Result<(), Error> {
    let object = table_file::open_object(store, ObjectId::table(number))?;
    let table = Table::open(object, meta, BlockCache::new(0))?;
    let mut verifier = table.verifier();
    let mut left = meta.size;
    loop {
        match verifier.step(ADVANCE_BYTES) {
            Ok(None) => {}
            Ok(Some(_)) => break,
            Err(error) if found(error.clone().into()) => {}
            Err(_) => return Ok(()),
        }
        let bytes = left.min(ADVANCE_BYTES);
        advance(bytes);
        left -= bytes;
    }
    advance(left);
    Ok(())
}

/// Reads every byte of value file `number` of `store`.
///
/// # Errors
/// As [`table`].
pub(crate) fn values(
    store: &dyn BlockStore,
    number: u64,
    meta: &ValueFileMeta,
    mut advance: impl FnMut(u64),
) -> Result<(), Error> {
    let object = table_file::open_object(store, ObjectId::values(number))?;
    let file = ValueFile::open(object, meta, BlockCache::new(0))?;
    let mut verifier = file.verifier();
    let mut left = meta.size;
    while !verifier.step(ADVANCE_BYTES)? {
        let bytes = left.min(ADVANCE_BYTES);
        advance(bytes);
        left -= bytes;
    }
    advance(left);
    Ok(())
}

/// Compares what table `live` points to with what the manifest says of it.
///
/// # Errors
/// `Corrupt` when it is something else; `Table` when it cannot be read.
fn pointers(store: &dyn BlockStore, live: &LiveSet, table: &LiveTable) -> Result<(), Error> {
    let id = ObjectId::table(table.number);
    let astray = Error::Corrupt {
        object: id,
        offset: 0,
        what: Damage::Pointer,
    };
    let open = Table::open(
        table_file::open_object(store, id)?,
        &table.meta,
        BlockCache::new(0),
    )?;
    let mut found = BTreeMap::new();
    let mut iter = open.iter();
    iter.seek_to_first()?;
    while iter.is_valid() {
        let kind = iter.key().kind;
        if kind.is_pointer() {
            let pointer = ValuePointer::decode(pointer_in(kind, iter.value_ref()));
            let Some(ValuePointer { uid, length, .. }) = pointer else {
                return Err(astray);
            };
            *found.entry(uid).or_insert(0) += u64::from(length);
        }
        iter.next()?;
    }
    let stated = table.refs.iter();
    let stated = stated.map(|(number, bytes)| (live.values[number].meta.uid, *bytes));
    match found == stated.collect() {
        true => Ok(()),
        false => Err(astray),
    }
}

const ADVANCE_BYTES: u64 = 1 << 20;
/// Damages of one table that are told.
const DAMAGES_MAX: usize = 100;
