//! Sorted entries that become tables at once, past log and memtables.
//!
//! **Invariant: an ingestion is one write: for readers and after a crash all of it is there or none,
//! and it has one place among all writes, between its beginning and its end.** Its entries carry one
//! seqno that nothing else has. What was written before that is in tables when the new tables are
//! installed on top; what was written after it to the same keys still is in memtables, above them,
//! or else the entries take a later seqno.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_sstable::{InternalKeyRef, IterOptions, SeqNo, VALUE_BYTES_MAX, ValueKind};

use crate::conflict::ReadSet;
use crate::engine::{Engine, Install};
use crate::levels::Levels;
use crate::run_writer::RunWriter;
use crate::space::Space;
use crate::table_file::TableFile;
use crate::{Error, KEY_BYTES_MAX, Keyspace, Lsm, keyspace};

/// Takes sorted entries and makes tables of them, which are installed by
/// [`finish`](Self::finish); dropped before, it leaves nothing.
#[derive(Debug)]
pub struct Ingestion {
    lsm: Lsm,
    keyspace: u16,
    place: Place,
    out: RunWriter,
    last: Option<Vec<u8>>,
    count: u64,
}

/// Where in the order of writes something stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    seqno: SeqNo,
    /// The newest memtable whose writes come before it; no later one holds such.
    newest: u64,
}

impl Lsm {
    /// Begins to take in sorted entries: far cheaper than writing them.
    ///
    /// Others may write meanwhile. What they write to the same keys counts as written either before
    /// or after all of it. What is written because of what was read, by a transaction or
    /// [`compare_and_set`](Self::compare_and_set), counts as written before it.
    ///
    /// # Errors
    /// `Log`, `ReadOnly`; nothing happened.
    pub fn ingest(&self) -> Result<Ingestion, Error> {
        Space::new(self, keyspace::DEFAULT).ingest()
    }
}

impl Keyspace {
    /// As [`Lsm::ingest`]. If the keyspace is dropped meanwhile, [`Ingestion::finish`] says so.
    ///
    /// # Errors
    /// As there.
    pub fn ingest(&self) -> Result<Ingestion, Error> {
        self.space().ingest()
    }
}

impl Space<'_> {
    fn ingest(self) -> Result<Ingestion, Error> {
        let engine = &self.lsm.engine;
        Ok(Ingestion {
            lsm: self.lsm.clone(),
            keyspace: self.id,
            place: engine.place()?,
            out: RunWriter::new(engine.options.table_bytes),
            last: None,
            count: 0,
        })
    }
}

impl Ingestion {
    /// Sets `key`, which has to be above the key before it, to `value`.
    ///
    /// # Errors
    /// `BadEntry`, `KeyTooLarge`, `ValueTooLarge`: it was not taken, and others may be. `Io`, `Table`:
    /// drop it; nothing is ingested.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.add(key, ValueKind::Put, value)
    }

    /// Removes `key`, which has to be above the key before it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        self.add(key, ValueKind::Tombstone, &[])
    }

    fn add(&mut self, key: &[u8], kind: ValueKind, value: &[u8]) -> Result<(), Error> {
        check(key, value)?;
        if self.last.as_ref().is_some_and(|last| **last >= *key) {
            return Err(Error::BadEntry { index: self.count });
        }
        let tree_key = keyspace::tree_key(self.keyspace, key);
        let entry = InternalKeyRef::new(&tree_key, self.place.seqno, kind);
        self.out.add(&self.lsm.engine, &entry, value)?;
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        self.count += 1;
        Ok(())
    }

    /// Makes everything taken durable and visible, at once. Returns its place among the writes.
    ///
    /// # Errors
    /// `Overtaken` when others wrote to the same keys faster than this could step aside;
    /// `KeyspaceDropped`; whatever failed. Nothing is ingested, unless the kind is `SyncFailed`; then the next open tells.
    pub fn finish(mut self) -> Result<SeqNo, Error> {
        let engine = Arc::clone(&self.lsm.engine);
        engine.make_room(0)?;
        let mut tables = self.out.finish(&engine)?;
        for _ in 0..TRIES {
            let Place { seqno, newest } = self.place;
            // Until then the writes before it would stand above it.
            engine.work_until(|view| view.waiting.iter().all(|memtable| memtable.id > newest))?;
            let install = Install {
                removed: Vec::new(),
                added: tables.iter().map(|table| (0, Arc::clone(table))).collect(),
                written: None,
                flushed: None,
            };
            let installed = match engine.announce(self.keyspace, reach(&tables), seqno)? {
                _ if tables.is_empty() => true,
                Some(_announced) => {
                    engine.install_if(install, |now| is_newest(now, &tables, seqno))?
                }
                None => false,
            };
            if installed {
                // What reads one state and writes because of it sees by the seqno that there is another.
                let _later = engine.reserve_seqno();
                // They are the store's now.
                self.out = RunWriter::new(0);
                return Ok(seqno);
            }
            tables = self.step_behind(&engine, &tables)?;
        }
        Err(Error::Overtaken)
    }

    /// Writes the entries anew with a later seqno.
    fn step_behind(
        &mut self,
        engine: &Engine,
        tables: &[Arc<TableFile>],
    ) -> Result<Vec<Arc<TableFile>>, Error> {
        self.place = engine.place()?;
        let out = self.out.successor(tables);
        let replaced = core::mem::replace(&mut self.out, out);
        let copied = tables.iter().try_for_each(|table| {
            let mut iter = table.table.iter_with(IterOptions {
                fill_cache: false,
                ..IterOptions::default()
            });
            iter.seek_to_first()?;
            while iter.is_valid() {
                let InternalKeyRef { user, kind, .. } = iter.key();
                let entry = InternalKeyRef::new(user, self.place.seqno, kind);
                self.out.add(engine, &entry, iter.value_ref())?;
                iter.next()?;
            }
            Ok(())
        });
        engine.garbage.add(&replaced.objects());
        copied.and_then(|()| self.out.finish(engine))
    }
}

impl Drop for Ingestion {
    fn drop(&mut self) {
        let engine = &self.lsm.engine;
        // After a failed sync of the manifest they may be live; then the next open decides.
        let made = self.out.objects();
        if !made.is_empty() && !engine.is_failed() {
            engine.garbage.add(&made);
        }
    }
}

impl Engine {
    /// A place behind everything written so far, all of which waits for its flush from now on.
    fn place(&self) -> Result<Place, Error> {
        self.check_writable()?;
        let mut newest = 0;
        let seqno = self.reserve_seqno_with(|engine, writer| {
            let active = &engine.view().active;
            if active.is_empty() {
                newest = active.id - 1;
            } else {
                newest = active.id;
                engine.rotate(writer);
            }
        })?;
        Ok(Place { seqno, newest })
    }
}

/// The keys of the tree from the first to the last of each table.
fn reach(tables: &[Arc<TableFile>]) -> ReadSet {
    let mut reach = ReadSet::default();
    for table in tables {
        let meta = table.meta();
        let end = [&meta.largest[..], &[0]].concat();
        reach.add_range(meta.smallest.clone(), end.into());
    }
    reach
}

/// Whether no table that overlaps `tables` holds anything later than `seqno`.
fn is_newest(levels: &Levels, tables: &[Arc<TableFile>], seqno: SeqNo) -> bool {
    let mut live = levels.runs().flat_map(|run| &run.tables);
    live.all(|live| {
        let live = live.meta();
        let overlaps =
            |table: &Arc<TableFile>| live.overlaps(&table.meta().smallest, &table.meta().largest);
        live.seqno_max < seqno || !tables.iter().any(overlaps)
    })
}

fn check(key: &[u8], value: &[u8]) -> Result<(), Error> {
    let (key, value) = (key.len() as u64, value.len() as u64);
    if key > u64::from(KEY_BYTES_MAX) {
        return Err(Error::KeyTooLarge {
            bytes: key,
            max: KEY_BYTES_MAX,
        });
    }
    if value > u64::from(VALUE_BYTES_MAX) {
        return Err(Error::ValueTooLarge {
            bytes: value,
            max: VALUE_BYTES_MAX,
        });
    }
    Ok(())
}

/// How often the entries are written before giving up.
const TRIES: u32 = 4;
