//! Facts about a table that a reader may want.
//!
//! ```text
//! (varint id  varint length  value)*      ids ascend; readers skip ids that they do not know
//! ```
//! A number is a varint and left out when it is 0. A pair of the user's has id 64 and the value
//! `varint name length ‖ name ‖ value`; pairs ascend by name.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    Compression, Damage, InternalKeyRef, PrefixExtractor, SeqNo, TableOptions, ValueKind, varint,
};

/// Facts about a table, counted while it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Properties {
    /// Entries, tombstones of single keys included.
    pub entries: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// Distinct user keys.
    pub user_keys: u64,
    /// Bytes of all user keys, each version counted.
    pub key_bytes: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// Data blocks.
    pub data_blocks: u64,
    /// Bytes of the data blocks as stored.
    pub data_bytes: u64,
    /// Partitions of the index.
    pub index_partitions: u64,
    /// The oldest write, range tombstones included.
    pub seqno_min: SeqNo,
    /// The newest write, range tombstones included.
    pub seqno_max: SeqNo,
    /// Entries that are merge operands (kind 2).
    pub merges: u64,
    /// Entries that expire (kinds 3 and 5).
    pub expiring: u64,
    /// Entries whose value lies in a value file (kinds 4 and 5).
    pub pointers: u64,
    /// The earliest expiry of those that expire, in wall-clock milliseconds.
    pub oldest_expiry_ms: u64,
    /// Range tombstones.
    pub range_tombstones: u64,
    /// Bytes of the data blocks' payloads before compression.
    pub raw_bytes: u64,
    /// Bytes of the filters as stored.
    pub filter_bytes: u64,
    /// Bytes of the index partitions and the top index as stored.
    pub index_bytes: u64,
    /// The kind of filter: 0 none, 1 blocked Bloom, 2 binary fuse.
    pub filter_kind: u64,
    /// How data blocks are compressed where that pays: 0 not, 1 LZ4.
    pub compression: u64,
    /// Which prefixes of keys the filters know besides whole keys.
    pub prefix_extractor: Option<PrefixExtractor>,
    /// Pairs that the table's builder was given: name and value, by name.
    pub user: Vec<(Bytes, Bytes)>,
}

const PREFIX_EXTRACTOR: u32 = 32;
const USER: u32 = 64;

impl Properties {
    /// Nothing counted yet.
    pub(crate) fn of(options: &TableOptions) -> Self {
        Self {
            compression: match options.compression {
                Compression::None => 0,
                Compression::Lz4 => 1,
            },
            ..Self::default()
        }
    }

    /// Counts an entry.
    pub(crate) fn count(&mut self, key: &InternalKeyRef<'_>, value: &[u8]) {
        self.entries += 1;
        self.key_bytes += key.user.len() as u64;
        self.value_bytes += value.len() as u64;
        let kind = key.kind;
        self.tombstones += u64::from(kind == ValueKind::Tombstone);
        self.merges += u64::from(kind == ValueKind::Merge);
        self.pointers += u64::from(kind.is_pointer());
        if matches!(kind, ValueKind::Expiring | ValueKind::ExpiringPointer)
            && let Some(expiry) = value.first_chunk::<8>()
        {
            let expiry = u64::from_le_bytes(*expiry);
            self.oldest_expiry_ms = match self.expiring {
                0 => expiry,
                _ => self.oldest_expiry_ms.min(expiry),
            };
            self.expiring += 1;
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut field = Vec::new();
        let mut numbers = self.clone();
        for id in 1..PREFIX_EXTRACTOR {
            if let Some(number) = numbers.number(id).filter(|number| **number > 0) {
                field.clear();
                varint::put(&mut field, *number);
                put_field(&mut out, id, &field);
            }
        }
        if let Some(extractor) = self.prefix_extractor {
            put_field(&mut out, PREFIX_EXTRACTOR, &extractor.encode());
        }
        for (name, value) in &self.user {
            field.clear();
            varint::put(&mut field, name.len() as u64);
            field.extend_from_slice(name);
            field.extend_from_slice(value);
            put_field(&mut out, USER, &field);
        }
        out
    }

    pub(crate) fn decode(data: &[u8]) -> Result<Self, Damage> {
        let mut properties = Self::default();
        let mut at = 0;
        while at < data.len() {
            let (id, value_at) = varint::read_u32(data, at).ok_or(Damage::Properties)?;
            let (length, value_at) = varint::read_u32(data, value_at).ok_or(Damage::Properties)?;
            let end = value_at
                .checked_add(length as usize)
                .ok_or(Damage::Properties)?;
            let field = data.get(value_at..end).ok_or(Damage::Properties)?;
            properties.read(id, field).ok_or(Damage::Properties)?;
            at = end;
        }
        Ok(properties)
    }

    /// `None` when the field is malformed.
    fn read(&mut self, id: u32, field: &[u8]) -> Option<()> {
        match id {
            PREFIX_EXTRACTOR => self.prefix_extractor = Some(PrefixExtractor::decode(field)?),
            USER => {
                let (length, name_at) = varint::read_u32(field, 0)?;
                let value_at = name_at.checked_add(length as usize)?;
                self.user.push((
                    Bytes::copy_from_slice(field.get(name_at..value_at)?),
                    Bytes::copy_from_slice(field.get(value_at..)?),
                ));
            }
            _ => {
                if let Some(number) = self.number(id) {
                    let (value, end) = varint::read_u64(field, 0)?;
                    *number = (end == field.len()).then_some(value)?;
                }
            }
        }
        Some(())
    }

    fn number(&mut self, id: u32) -> Option<&mut u64> {
        Some(match id {
            1 => &mut self.entries,
            2 => &mut self.tombstones,
            3 => &mut self.user_keys,
            4 => &mut self.key_bytes,
            5 => &mut self.value_bytes,
            6 => &mut self.data_blocks,
            7 => &mut self.data_bytes,
            8 => &mut self.index_partitions,
            9 => &mut self.seqno_min.0,
            10 => &mut self.seqno_max.0,
            11 => &mut self.merges,
            12 => &mut self.expiring,
            13 => &mut self.pointers,
            14 => &mut self.oldest_expiry_ms,
            15 => &mut self.range_tombstones,
            16 => &mut self.raw_bytes,
            17 => &mut self.filter_bytes,
            18 => &mut self.index_bytes,
            19 => &mut self.filter_kind,
            20 => &mut self.compression,
            _ => return None,
        })
    }
}

fn put_field(out: &mut Vec<u8>, id: u32, field: &[u8]) {
    varint::put(out, u64::from(id));
    varint::put(out, field.len() as u64);
    out.extend_from_slice(field);
}

#[cfg(test)]
mod tests;
