//! One change to the set of live tables, and that set folded up.
//!
//! **Invariant: an edit fits the set it is applied to: it removes what is there and adds what is
//! not.** Numbers only grow.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_sstable::{KEY_BYTES_MAX, SeqNo, TableMeta};

use crate::varint::{self, Reader};
use crate::{Damage, LEVEL_COUNT};

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
}

/// A table of the live set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveTable {
    pub(crate) level: u8,
    /// Of level 0: which run it belongs to; a higher run is newer. 0 in the other levels, which
    /// are one run each.
    pub(crate) run: u64,
    pub(crate) number: u64,
    pub(crate) meta: TableMeta,
}

/// The live set after all edits so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LiveSet {
    pub(crate) next_table: u64,
    pub(crate) last_seqno: SeqNo,
    pub(crate) flushed_seqno: SeqNo,
    /// By level and number.
    pub(crate) tables: BTreeMap<(u8, u64), LiveTable>,
}

impl VersionEdit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put(&mut out, self.next_table);
        varint::put(&mut out, self.last_seqno.0);
        varint::put(&mut out, self.flushed_seqno.0);
        varint::put(&mut out, self.removed.len() as u64);
        for (level, number) in &self.removed {
            out.push(*level);
            varint::put(&mut out, *number);
        }
        varint::put(&mut out, self.added.len() as u64);
        for table in &self.added {
            out.push(table.level);
            varint::put(&mut out, table.run);
            varint::put(&mut out, table.number);
            put_meta(&mut out, &table.meta);
        }
        out
    }

    /// `None` when the bytes are not exactly one edit.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut edit = Self {
            next_table: reader.varint()?,
            last_seqno: seqno(&mut reader)?,
            flushed_seqno: seqno(&mut reader)?,
            ..Self::default()
        };
        for _ in 0..reader.varint()? {
            let level = level(&mut reader)?;
            edit.removed.push((level, reader.varint()?));
        }
        for _ in 0..reader.varint()? {
            edit.added.push(LiveTable {
                level: level(&mut reader)?,
                run: reader.varint()?,
                number: reader.varint()?,
                meta: meta(&mut reader)?,
            });
        }
        reader.is_empty().then_some(edit)
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
        }
    }

    /// Applies `edit`. On an error the set is half changed and must be dropped.
    pub(crate) fn apply(&mut self, edit: &VersionEdit) -> Result<(), Damage> {
        for key in &edit.removed {
            self.tables.remove(key).ok_or(Damage::Edit)?;
        }
        for table in &edit.added {
            let key = (table.level, table.number);
            if table.meta.smallest > table.meta.largest
                || (table.level > 0 && table.run != 0)
                || self.tables.insert(key, table.clone()).is_some()
            {
                return Err(Damage::Edit);
            }
        }
        if edit.next_table < self.next_table
            || edit.last_seqno < self.last_seqno
            || edit.flushed_seqno < self.flushed_seqno
        {
            return Err(Damage::Edit);
        }
        self.next_table = edit.next_table;
        self.last_seqno = edit.last_seqno;
        self.flushed_seqno = edit.flushed_seqno;
        Ok(())
    }

    /// The run number for the next run of level 0.
    pub(crate) fn next_run(&self) -> u64 {
        let newest = self.tables.values().map(|table| table.run).max();
        newest.unwrap_or(0) + 1
    }
}

fn put_meta(out: &mut Vec<u8>, meta: &TableMeta) {
    out.extend_from_slice(&meta.uid.to_le_bytes());
    varint::put(out, meta.size);
    varint::put(out, meta.entries);
    varint::put(out, meta.tombstones);
    varint::put_slice(out, &meta.smallest);
    varint::put_slice(out, &meta.largest);
    varint::put(out, meta.seqno_min.0);
    varint::put(out, meta.seqno_max.0);
    out.extend_from_slice(&meta.footer_checksum.to_le_bytes());
}

fn meta(reader: &mut Reader<'_>) -> Option<TableMeta> {
    Some(TableMeta {
        uid: u64::from_le_bytes(reader.array()?),
        size: reader.varint()?,
        entries: reader.varint()?,
        tombstones: reader.varint()?,
        smallest: key(reader)?,
        largest: key(reader)?,
        seqno_min: seqno(reader)?,
        seqno_max: seqno(reader)?,
        footer_checksum: u32::from_le_bytes(reader.array()?),
    })
}

fn key(reader: &mut Reader<'_>) -> Option<Bytes> {
    let key = reader.slice()?;
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

#[cfg(test)]
pub(crate) mod tests;
