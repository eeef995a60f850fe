//! One change to the set of live tables, and that set folded up.
//!
//! **Invariant: an edit fits the set it is applied to: it removes what is there and adds what is
//! not.** Numbers only grow. An edit is a list of tagged fields in ascending order of their tags; a
//! reader refuses a tag that it does not know, since what it would leave out may matter.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::{ObjectId, ObjectKind};
use nori_sstable::{KEY_BYTES_MAX, SeqNo, TableMeta, ValueFileMeta};
use nori_wal::Lsn;
use norikv_types::WallMs;

use crate::guards;
use crate::keyspace::{DEFAULT, ID_MAX};
use crate::keyspaces::NAME_BYTES_MAX;
use crate::varint::{self, Reader};
use crate::{Damage, LANES_MAX, LEVEL_COUNT};

/// What one installed job changes: the payload of a manifest record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VersionEdit {
    /// Every table made from now on has this number or a higher one.
    pub(crate) next_table: u64,
    /// No write handed out so far has a higher number.
    pub(crate) last_seqno: SeqNo,
    /// The log's batches up to here are in tables.
    pub(crate) flushed_seqno: SeqNo,
    pub(crate) removed: Vec<(u8, u64)>,
    pub(crate) added: Vec<LiveTable>,
    /// New guards, each with its level, or with `GUARD_DROPPED` one that is none any more.
    pub(crate) guards: Vec<(u8, Bytes)>,
    /// From where on the log is needed now, if that changes; 0: no log is.
    pub(crate) log_from: Option<Lsn>,
    /// In the manifest of a backup: when it was taken.
    pub(crate) taken: Option<WallMs>,
    /// New keyspaces with their names.
    pub(crate) keyspaces: Vec<(u16, Arc<str>)>,
    pub(crate) dropped_keyspaces: Vec<u16>,
    /// Value files that tables of this edit are the first to point into.
    pub(crate) values: Vec<(u64, ValueFileMeta)>,
}

/// A table of the live set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveTable {
    pub(crate) level: u8,
    /// Of level 0: which run it belongs to; a higher run is newer. Below: its lane; of two versions
    /// of a key the newer stands in the higher one.
    pub(crate) run: u64,
    pub(crate) number: u64,
    pub(crate) meta: TableMeta,
    /// When its newest entry had been written, where tables are dropped by age.
    pub(crate) born: Option<WallMs>,
    /// Numbers of the value files that it points into, ascending, each with the bytes of the values
    /// that it points to.
    pub(crate) refs: Vec<(u64, u64)>,
}

/// A value file of the live set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LiveValues {
    pub(crate) meta: ValueFileMeta,
    /// Bytes of the values that tables point to; the others are garbage.
    pub(crate) referenced: u64,
    /// Tables that point into it; with none it is live no longer.
    tables: u64,
}

/// The live set after all edits so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveSet {
    pub(crate) next_table: u64,
    pub(crate) last_seqno: SeqNo,
    pub(crate) flushed_seqno: SeqNo,
    /// By level and number.
    pub(crate) tables: BTreeMap<(u8, u64), LiveTable>,
    /// By number.
    pub(crate) values: BTreeMap<u64, LiveValues>,
    /// Each guard with the uppermost level that it cuts; it cuts all levels below too.
    pub(crate) guards: BTreeMap<Bytes, u8>,
    /// The log holds everything from here on, or something of it is missing; 0: there may be none.
    pub(crate) log_from: Lsn,
    /// When a backup was taken; `None` in a store.
    pub(crate) taken: Option<WallMs>,
    /// Names by number; the default keyspace is not among them.
    pub(crate) keyspaces: BTreeMap<u16, Arc<str>>,
    /// Numbers that are not to be given again.
    pub(crate) dropped_keyspaces: BTreeSet<u16>,
}

/// What a field of an edit says. Every part of the store that keeps something in the manifest has
/// tags of its own.
mod tag {
    pub(super) const NEXT_TABLE: u64 = 1;
    pub(super) const LAST_SEQNO: u64 = 2;
    pub(super) const FLUSHED_SEQNO: u64 = 3;
    pub(super) const REMOVED: u64 = 4;
    pub(super) const ADDED: u64 = 5;
    pub(super) const GUARD: u64 = 6;
    pub(super) const KEYSPACE: u64 = 7;
    pub(super) const KEYSPACE_DROPPED: u64 = 8;
    pub(super) const VALUES: u64 = 9;
    pub(super) const REFS: u64 = 10;
    pub(super) const BORN: u64 = 11;
    pub(super) const LOG_FROM: u64 = 12;
    pub(super) const TAKEN: u64 = 15;
}

impl VersionEdit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let number = |number: u64| move |field: &mut Vec<u8>| varint::put(field, number);
        put_field(&mut out, tag::NEXT_TABLE, number(self.next_table));
        put_field(&mut out, tag::LAST_SEQNO, number(self.last_seqno.0));
        put_field(&mut out, tag::FLUSHED_SEQNO, number(self.flushed_seqno.0));
        for (level, number) in &self.removed {
            put_field(&mut out, tag::REMOVED, |field| {
                field.push(*level);
                varint::put(field, *number);
            });
        }
        for table in &self.added {
            put_field(&mut out, tag::ADDED, |field| {
                field.push(table.level);
                varint::put(field, table.run);
                varint::put(field, table.number);
                put_meta(field, &table.meta);
            });
        }
        for (level, key) in &self.guards {
            put_field(&mut out, tag::GUARD, |field| {
                field.push(*level);
                field.extend_from_slice(key);
            });
        }
        for (id, name) in &self.keyspaces {
            put_field(&mut out, tag::KEYSPACE, |field| {
                field.extend_from_slice(&id.to_le_bytes());
                field.extend_from_slice(name.as_bytes());
            });
        }
        for id in &self.dropped_keyspaces {
            put_field(&mut out, tag::KEYSPACE_DROPPED, |field| {
                field.extend_from_slice(&id.to_le_bytes());
            });
        }
        for (number, meta) in &self.values {
            put_field(&mut out, tag::VALUES, |field| {
                varint::put(field, *number);
                put_values(field, meta);
            });
        }
        for table in self.added.iter().filter(|table| !table.refs.is_empty()) {
            put_field(&mut out, tag::REFS, |field| {
                varint::put(field, table.number);
                for (number, bytes) in &table.refs {
                    varint::put(field, *number);
                    varint::put(field, *bytes);
                }
            });
        }
        for table in &self.added {
            if let Some(born) = table.born {
                put_field(&mut out, tag::BORN, |field| {
                    varint::put(field, table.number);
                    varint::put(field, born.0);
                });
            }
        }
        if let Some(log_from) = self.log_from {
            put_field(&mut out, tag::LOG_FROM, number(log_from.0));
        }
        if let Some(taken) = self.taken {
            put_field(&mut out, tag::TAKEN, number(taken.0));
        }
        out
    }

    /// `None` when the bytes are not exactly one edit.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut edit = Self::default();
        let mut last = 0;
        // Tables of which it is said, or skipped, where their values lie, and how old they are.
        let mut referring = 0;
        let mut noted = 0;
        while !reader.is_empty() {
            let tag = reader.varint()?;
            // The three numbers once each, then any number of the others.
            let is_next = match last {
                ..tag::FLUSHED_SEQNO => tag == last + 1,
                tag::FLUSHED_SEQNO => tag > last,
                _ => tag >= last,
            };
            if !is_next {
                return None;
            }
            last = tag;
            let mut field = Reader::new(reader.slice()?);
            match tag {
                tag::NEXT_TABLE => edit.next_table = field.varint()?,
                tag::LAST_SEQNO => edit.last_seqno = seqno(&mut field)?,
                tag::FLUSHED_SEQNO => {
                    edit.flushed_seqno = seqno(&mut field)?;
                }
                tag::REMOVED => edit.removed.push((level(&mut field)?, field.varint()?)),
                tag::ADDED => edit.added.push(LiveTable {
                    level: level(&mut field)?,
                    run: field.varint()?,
                    number: field.varint()?,
                    meta: meta(&mut field)?,
                    born: None,
                    refs: Vec::new(),
                }),
                tag::GUARD => {
                    let level = field.u8()?;
                    edit.guards.push((level, key_of(field.rest())?));
                }
                tag::KEYSPACE => {
                    let id = u16::from_le_bytes(field.array()?);
                    let name = core::str::from_utf8(field.rest()).ok()?;
                    edit.keyspaces.push((id, name.into()));
                }
                tag::KEYSPACE_DROPPED => {
                    let id = u16::from_le_bytes(field.array()?);
                    edit.dropped_keyspaces.push(id);
                }
                tag::VALUES => edit.values.push((field.varint()?, values(&mut field)?)),
                tag::REFS => {
                    let table = next_of(&mut edit.added, &mut referring, field.varint()?)?;
                    table.refs = refs(&mut field)?;
                }
                tag::BORN => {
                    let table = next_of(&mut edit.added, &mut noted, field.varint()?)?;
                    table.born = Some(WallMs(field.varint()?));
                }
                tag::LOG_FROM if edit.log_from.is_none() => {
                    edit.log_from = Some(Lsn(field.varint()?));
                }
                tag::TAKEN if edit.taken.is_none() => edit.taken = Some(WallMs(field.varint()?)),
                _ => return None,
            }
            if !field.is_empty() {
                return None;
            }
        }
        (last >= tag::FLUSHED_SEQNO).then_some(edit)
    }
}

impl LiveSet {
    /// The edit that makes this set out of nothing.
    pub(crate) fn as_edit(&self) -> VersionEdit {
        VersionEdit {
            next_table: self.next_table,
            last_seqno: self.last_seqno,
            flushed_seqno: self.flushed_seqno,
            removed: Vec::new(),
            added: self.tables.values().cloned().collect(),
            guards: self
                .guards
                .iter()
                .map(|(key, level)| (*level, key.clone()))
                .collect(),
            log_from: (self.log_from > Lsn(0)).then_some(self.log_from),
            taken: self.taken,
            keyspaces: self
                .keyspaces
                .iter()
                .map(|(id, name)| (*id, Arc::clone(name)))
                .collect(),
            dropped_keyspaces: self.dropped_keyspaces.iter().copied().collect(),
            values: self
                .values
                .iter()
                .map(|(number, known)| (*number, known.meta))
                .collect(),
        }
    }

    /// The edit that leaves this set as it is.
    pub(crate) fn no_change(&self) -> VersionEdit {
        VersionEdit {
            next_table: self.next_table,
            last_seqno: self.last_seqno,
            flushed_seqno: self.flushed_seqno,
            ..VersionEdit::default()
        }
    }

    /// Applies `edit`. On an error the set is half changed and must be dropped.
    pub(crate) fn apply(&mut self, edit: &VersionEdit) -> Result<(), Damage> {
        for (number, meta) in &edit.values {
            let values = LiveValues {
                meta: *meta,
                referenced: 0,
                tables: 0,
            };
            let figures = [meta.size, meta.values];
            if *number >= ObjectId::NUMBER_MAX
                || figures.into_iter().any(|figure| figure > FIGURE_MAX)
                || meta.data_bytes > meta.size
                || self.values.insert(*number, values).is_some()
            {
                return Err(Damage::Edit);
            }
        }
        let mut let_go = Vec::new();
        for key in &edit.removed {
            let removed = self.tables.remove(key).ok_or(Damage::Edit)?;
            let_go.extend(removed.refs);
        }
        for table in &edit.added {
            let key = (table.level, table.number);
            if table.meta.smallest > table.meta.largest
                || (table.meta.largest_is_exclusive && table.meta.smallest == table.meta.largest)
                || (table.level > 0 && table.run >= LANES_MAX)
                || !is_countable(table)
                || self.tables.insert(key, table.clone()).is_some()
            {
                return Err(Damage::Edit);
            }
        }
        let added = edit.added.iter().flat_map(|table| &table.refs);
        self.refer(added, &let_go, &edit.values)?;
        guards::apply(&mut self.guards, &edit.guards).ok_or(Damage::Edit)?;
        for (id, name) in &edit.keyspaces {
            let is_bad = *id == DEFAULT
                || *id > ID_MAX
                || name.is_empty()
                || name.len() > NAME_BYTES_MAX
                || self.dropped_keyspaces.contains(id)
                || self.keyspaces.values().any(|known| known == name);
            if is_bad || self.keyspaces.insert(*id, Arc::clone(name)).is_some() {
                return Err(Damage::Edit);
            }
        }
        for id in &edit.dropped_keyspaces {
            // In a base those that are gone stand alone.
            self.keyspaces.remove(id);
            if *id == DEFAULT || *id > ID_MAX || !self.dropped_keyspaces.insert(*id) {
                return Err(Damage::Edit);
            }
        }
        if edit.next_table < self.next_table
            || edit.next_table > ObjectId::NUMBER_MAX
            || edit.last_seqno < self.last_seqno
            || edit.flushed_seqno < self.flushed_seqno
        {
            return Err(Damage::Edit);
        }
        self.next_table = edit.next_table;
        self.last_seqno = edit.last_seqno;
        self.flushed_seqno = edit.flushed_seqno;
        self.log_from = edit.log_from.unwrap_or(self.log_from);
        self.taken = edit.taken.or(self.taken);
        Ok(())
    }

    /// Tables point where they did not, and no longer where they did.
    fn refer<'a>(
        &mut self,
        added: impl Iterator<Item = &'a (u64, u64)>,
        let_go: &[(u64, u64)],
        new: &[(u64, ValueFileMeta)],
    ) -> Result<(), Damage> {
        for (number, bytes) in let_go {
            let values = self.values.get_mut(number).ok_or(Damage::Edit)?;
            values.referenced -= bytes;
            values.tables -= 1;
        }
        for (number, bytes) in added {
            let values = self.values.get_mut(number).ok_or(Damage::Edit)?;
            // Whether the sum fits the file, only those can tell who read all pointers: see `verify`.
            if *bytes > FIGURE_MAX {
                return Err(Damage::Edit);
            }
            values.referenced += bytes;
            values.tables += 1;
        }
        let is_used = |values: &LiveValues| values.tables > 0;
        for (number, _) in let_go {
            if !self.values.get(number).is_none_or(is_used) {
                self.values.remove(number);
            }
        }
        // A file that no table points into never comes.
        let is_there = |number| self.values.get(number).is_some_and(is_used);
        match new.iter().all(|(number, _)| is_there(number)) {
            true => Ok(()),
            false => Err(Damage::Edit),
        }
    }

    /// Whether `id` is a table or value file of it.
    pub(crate) fn names(&self, id: ObjectId) -> bool {
        match id.kind {
            ObjectKind::Table => self.tables.keys().any(|(_, number)| *number == id.number),
            ObjectKind::Values => self.values.contains_key(&id.number),
            _ => false,
        }
    }

    /// Bytes of all tables and value files.
    pub(crate) fn bytes(&self) -> u64 {
        let tables = self.tables.values().map(|table| table.meta.size);
        let values = self.values.values().map(|values| values.meta.size);
        tables.chain(values).sum()
    }

    /// The run number for the next run of level 0.
    pub(crate) fn next_run(&self) -> u64 {
        let fresh = self.tables.range(..(1, 0)).map(|(_, table)| table.run);
        let newest = fresh.max();
        newest.unwrap_or(0) + 1
    }
}

/// Whether what is added up over tables, or counted on from one, cannot overflow.
fn is_countable(table: &LiveTable) -> bool {
    let meta = &table.meta;
    let figures = [
        meta.size,
        meta.entries,
        meta.tombstones,
        meta.range_tombstones,
    ];
    table.number < ObjectId::NUMBER_MAX
        && table.run < ObjectId::NUMBER_MAX
        && figures.into_iter().all(|figure| figure <= FIGURE_MAX)
}

/// Appends `tag ‖ length ‖ what put gives`.
fn put_field(out: &mut Vec<u8>, tag: u64, put: impl FnOnce(&mut Vec<u8>)) {
    let mut field = Vec::new();
    put(&mut field);
    varint::put(out, tag);
    varint::put_slice(out, &field);
}

fn put_meta(out: &mut Vec<u8>, meta: &TableMeta) {
    out.extend_from_slice(&meta.uid.to_le_bytes());
    varint::put(out, meta.size);
    varint::put(out, meta.entries);
    varint::put(out, meta.tombstones);
    varint::put(out, meta.range_tombstones);
    varint::put_slice(out, &meta.smallest);
    varint::put_slice(out, &meta.largest);
    out.push(u8::from(meta.largest_is_exclusive));
    varint::put(out, meta.seqno_min.0);
    varint::put(out, meta.seqno_max.0);
    out.extend_from_slice(&meta.footer_checksum.to_le_bytes());
}

fn put_values(out: &mut Vec<u8>, meta: &ValueFileMeta) {
    out.extend_from_slice(&meta.uid.to_le_bytes());
    varint::put(out, meta.size);
    varint::put(out, meta.data_bytes);
    varint::put(out, meta.values);
    out.extend_from_slice(&meta.footer_checksum.to_le_bytes());
}

fn values(reader: &mut Reader<'_>) -> Option<ValueFileMeta> {
    Some(ValueFileMeta {
        uid: u64::from_le_bytes(reader.array()?),
        size: reader.varint()?,
        data_bytes: reader.varint()?,
        values: reader.varint()?,
        footer_checksum: u32::from_le_bytes(reader.array()?),
    })
}

/// Numbers of value files and bytes: ascending, one pair at least.
fn refs(reader: &mut Reader<'_>) -> Option<Vec<(u64, u64)>> {
    let mut refs: Vec<(u64, u64)> = Vec::new();
    while refs.is_empty() || !reader.is_empty() {
        let next = (reader.varint()?, reader.varint()?);
        if refs.last().is_some_and(|last| last.0 >= next.0) {
            return None;
        }
        refs.push(next);
    }
    Some(refs)
}

/// The table `number` among those behind `at`: fields about tables come in their order, at most one
/// each.
fn next_of<'a>(
    added: &'a mut [LiveTable],
    at: &mut usize,
    number: u64,
) -> Option<&'a mut LiveTable> {
    let mut behind = added[*at..].iter();
    *at += behind.position(|table| table.number == number)? + 1;
    added.get_mut(*at - 1)
}

fn meta(reader: &mut Reader<'_>) -> Option<TableMeta> {
    Some(TableMeta {
        uid: u64::from_le_bytes(reader.array()?),
        size: reader.varint()?,
        entries: reader.varint()?,
        tombstones: reader.varint()?,
        range_tombstones: reader.varint()?,
        smallest: key(reader)?,
        largest: key(reader)?,
        largest_is_exclusive: flag(reader)?,
        seqno_min: seqno(reader)?,
        seqno_max: seqno(reader)?,
        footer_checksum: u32::from_le_bytes(reader.array()?),
    })
}

fn flag(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn key(reader: &mut Reader<'_>) -> Option<Bytes> {
    key_of(reader.slice()?)
}

fn key_of(key: &[u8]) -> Option<Bytes> {
    (key.len() as u64 <= u64::from(KEY_BYTES_MAX)).then(|| Bytes::copy_from_slice(key))
}

fn seqno(reader: &mut Reader<'_>) -> Option<SeqNo> {
    let seqno = SeqNo(reader.varint()?);
    (seqno <= SeqNo::MAX).then_some(seqno)
}

fn level(reader: &mut Reader<'_>) -> Option<u8> {
    let level = reader.u8()?;
    (usize::from(level) < LEVEL_COUNT).then_some(level)
}

/// Beyond any table.
const FIGURE_MAX: u64 = 1 << 48;

#[cfg(test)]
pub(crate) mod tests;
