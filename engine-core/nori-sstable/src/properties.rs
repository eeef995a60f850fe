//! Facts about a table that a reader may want and no read needs.
//!
//! ```text
//! (varint id  varint length  value)*      ids ascend; readers skip ids that they do not know
//! ```

use alloc::vec::Vec;

use crate::{Damage, SeqNo, varint};

/// Facts about a table, counted while it was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Properties {
    /// Entries, tombstones included.
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
    /// The oldest write.
    pub seqno_min: SeqNo,
    /// The newest write.
    pub seqno_max: SeqNo,
}

impl Properties {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let values = [
            self.entries,
            self.tombstones,
            self.user_keys,
            self.key_bytes,
            self.value_bytes,
            self.data_blocks,
            self.data_bytes,
            self.index_partitions,
            self.seqno_min.0,
            self.seqno_max.0,
        ];
        let mut out = Vec::new();
        let mut value_bytes = Vec::new();
        for (id, value) in (1..).zip(values) {
            value_bytes.clear();
            varint::put(&mut value_bytes, value);
            varint::put(&mut out, id);
            varint::put(&mut out, value_bytes.len() as u64);
            out.extend_from_slice(&value_bytes);
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
                .filter(|end| *end <= data.len())
                .ok_or(Damage::Properties)?;
            if let Some(field) = properties.field(id) {
                match varint::read_u64(data, value_at) {
                    Some((value, after)) if after == end => *field = value,
                    _ => return Err(Damage::Properties),
                }
            }
            at = end;
        }
        Ok(properties)
    }

    fn field(&mut self, id: u32) -> Option<&mut u64> {
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
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
