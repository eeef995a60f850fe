//! The payload of a data or index block, and the search in it.
//!
//! **Invariant: within a block, `shared` is the longest prefix that an entry's user key has in
//! common with the one before it (0 at restart points).** The search relies on it to compare a
//! target with prefix-compressed keys without putting any of them together.
//!
//! ```text
//! block   := entry* restart* (bucket* u16 buckets)? u32 count
//! entry   := varint shared  varint rest  varint value_length
//!            rest bytes of user key  u64 trailer  value
//! restart := u32 offset of an entry with shared = 0
//! ```
//! The count is that of the restart points; its top bit says whether there is a hash index. A
//! bucket is a byte: the number of the restart point before all keys of that hash, 254 if there
//! are several, 255 if there is no such key.

use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;

use crate::{
    Damage,
    block_builder::{BUCKET_COLLISION, BUCKET_EMPTY, HAS_HASH_INDEX, bucket_of, common_prefix},
    key, varint,
};

/// A checked block payload, and what makes its search quick.
#[derive(Debug)]
pub(crate) struct Block {
    data: Bytes,
    /// Where entries end and restart points begin.
    entries_end: u32,
    restart_count: u32,
    /// Buckets of the hash index, behind the restart points; 0: there is none.
    bucket_count: u16,
    /// Bytes that the keys at the first and the last restart point share at their start.
    common: u32,
    /// Of each restart point the eight bytes of its key behind those, as a number: they order
    /// most keys without a look at the entries.
    heads: Heads,
}

/// The heads of the restart points. Those of a data block of the usual size stand in the block
/// itself, with the offsets of the entries: a look-up goes from there straight to the entry.
#[derive(Debug)]
enum Heads {
    Few([(u64, u32); FEW]),
    Many(Vec<u64>),
}

const FEW: usize = 4;

/// One entry, located.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Bytes of user key taken over from the entry before.
    pub(crate) shared: usize,
    /// First byte of the rest of the user key.
    pub(crate) rest_start: usize,
    /// The byte after it.
    pub(crate) rest_end: usize,
    pub(crate) trailer: u64,
    pub(crate) value_start: usize,
    /// The byte after the value: the next entry.
    pub(crate) value_end: usize,
}

impl Block {
    /// Checks the restart points; other entries are checked as they are read.
    pub(crate) fn new(data: Bytes) -> Result<Self, Damage> {
        let (body, count) = data.split_last_chunk::<4>().ok_or(Damage::Restarts)?;
        let count = u32::from_le_bytes(*count);
        let restart_count = count & !HAS_HASH_INDEX;
        let (body, bucket_count) = match count & HAS_HASH_INDEX {
            0 => (body, 0),
            _ => {
                let (body, buckets) = body.split_last_chunk::<2>().ok_or(Damage::Restarts)?;
                let buckets = u16::from_le_bytes(*buckets);
                let length = body.len().checked_sub(usize::from(buckets));
                let body = length.and_then(|length| body.get(..length));
                (body.ok_or(Damage::Restarts)?, buckets)
            }
        };
        let restart_bytes = (restart_count as usize)
            .checked_mul(4)
            .ok_or(Damage::Restarts)?;
        let entries_end = body
            .len()
            .checked_sub(restart_bytes)
            .and_then(|end| u32::try_from(end).ok())
            .ok_or(Damage::Restarts)?;
        if restart_count == 0 {
            return Err(Damage::Restarts);
        }
        let mut block = Self {
            entries_end,
            restart_count,
            bucket_count,
            common: 0,
            heads: Heads::Many(Vec::new()),
            data,
        };
        block.read_heads()?;
        Ok(block)
    }

    fn read_heads(&mut self) -> Result<(), Damage> {
        let common = {
            let first = self.restart_key(0)?;
            let last = self.restart_key(self.restart_count - 1)?;
            common_prefix(first, last)
        };
        let mut heads = Vec::with_capacity(self.restart_count as usize);
        let mut previous = None;
        for index in 0..self.restart_count {
            let restart = self.restart(index)?;
            if !previous.map_or(restart == 0, |previous| previous < restart) {
                return Err(Damage::Restarts);
            }
            previous = Some(restart);
            heads.push(head(self.restart_key(index)?, common));
        }
        self.common = u32::try_from(common).unwrap_or(u32::MAX);
        self.heads = match heads.len() {
            1..=FEW => {
                let mut few = [(u64::MAX, 0); FEW];
                for ((place, head), index) in few.iter_mut().zip(heads).zip(0..) {
                    *place = (head, self.restart(index)?);
                }
                Heads::Few(few)
            }
            _ => Heads::Many(heads),
        };
        Ok(())
    }

    /// The key of the entry at a restart point.
    pub(crate) fn restart_key(&self, index: u32) -> Result<&[u8], Damage> {
        let entry = self.restart_entry(index)?;
        Ok(self.bytes(entry.rest_start..entry.rest_end))
    }

    /// The trailer of the entry at a restart point.
    pub(crate) fn restart_trailer(&self, index: u32) -> Result<u64, Damage> {
        Ok(self.restart_entry(index)?.trailer)
    }

    #[inline]
    fn restart_entry(&self, index: u32) -> Result<Entry, Damage> {
        let entry = self.entry(self.restart(index)? as usize)?;
        match entry.shared {
            0 => Ok(entry),
            _ => Err(Damage::Entry),
        }
    }

    /// Bytes that it takes in memory: the payload and the heads.
    pub(crate) fn weight(&self) -> u64 {
        self.data.len() as u64 + 8 * u64::from(self.restart_count)
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.data.get(range).unwrap_or(&[])
    }

    /// A value, sharing the block's memory.
    pub(crate) fn slice(&self, range: Range<usize>) -> Bytes {
        self.data.slice(range)
    }

    pub(crate) fn entries_end(&self) -> usize {
        self.entries_end as usize
    }

    pub(crate) fn restart_count(&self) -> u32 {
        self.restart_count
    }

    /// Offset of the entry at restart point `index`.
    #[inline]
    pub(crate) fn restart(&self, index: u32) -> Result<u32, Damage> {
        let at = self.entries_end as usize + 4 * index as usize;
        self.data
            .get(at..)
            .and_then(|rest| rest.first_chunk::<4>())
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or(Damage::Restarts)
    }

    /// The entry at byte `at`, its lengths checked against the block.
    #[inline]
    pub(crate) fn entry(&self, at: usize) -> Result<Entry, Damage> {
        let entries = self
            .data
            .get(..self.entries_end as usize)
            .ok_or(Damage::Entry)?;
        entry(entries, at).ok_or(Damage::Entry)
    }

    /// The first entry that is not before (`user`, `bound`), in a block whose every entry is a
    /// restart point, by number; their count if there is none.
    #[inline]
    pub(crate) fn search_index(&self, user: &[u8], bound: u64) -> Result<u32, Damage> {
        self.restarts_before(user, bound)
    }

    /// The value of the entry at restart point `index`: in index blocks a handle or two.
    #[inline]
    pub(crate) fn index_value(&self, index: u32) -> Result<&[u8], Damage> {
        let entry = self.restart_entry(index)?;
        Ok(self.bytes(entry.value_start..entry.value_end))
    }

    /// The first entry of `user` that is not before `bound`, by the hash index if there is one.
    #[inline]
    pub(crate) fn find(&self, user: &[u8], hash: u64, bound: u64) -> Result<Option<Entry>, Damage> {
        let restart = match self.bucket(hash) {
            BUCKET_EMPTY => return Ok(None),
            BUCKET_COLLISION => self.guess_restarts_before(user, bound)?.saturating_sub(1),
            restart => u32::from(restart),
        };
        self.find_from(self.restart_offset(restart)?, user, bound)
    }

    #[inline]
    fn bucket(&self, hash: u64) -> u8 {
        if self.bucket_count == 0 {
            return BUCKET_COLLISION;
        }
        let start = self.entries_end as usize + 4 * self.restart_count as usize;
        let at = start + bucket_of(hash, self.bucket_count);
        self.data.get(at).copied().unwrap_or(BUCKET_COLLISION)
    }

    #[inline]
    fn restart_offset(&self, index: u32) -> Result<usize, Damage> {
        match &self.heads {
            Heads::Few(few) if index < self.restart_count => few
                .get(index as usize)
                .map(|(_, offset)| *offset as usize)
                .ok_or(Damage::Restarts),
            _ => self.restart(index).map(|offset| offset as usize),
        }
    }

    /// The first entry of `user` at or behind the restart point at byte `at` that is not before
    /// `bound`.
    fn find_from(&self, mut at: usize, user: &[u8], bound: u64) -> Result<Option<Entry>, Damage> {
        // Bytes that the target shares with the entry before, which is smaller than the target.
        let mut matched = 0;
        while at < self.entries_end as usize {
            let entry = self.entry(at)?;
            if entry.shared == 0 {
                matched = 0;
            }
            if entry.shared < matched {
                // It parts from the entry before within what that shares with the target: greater.
                return Ok(None);
            }
            if entry.shared == matched {
                let rest = self.bytes(entry.rest_start..entry.rest_end);
                let wanted = user.get(matched..).unwrap_or(&[]);
                let common = common_prefix(rest, wanted);
                matched += common;
                match (rest.get(common), wanted.get(common)) {
                    (None, None) if entry.trailer <= bound => return Ok(Some(entry)),
                    (Some(_), None) => return Ok(None),
                    (Some(a), Some(b)) if a > b => return Ok(None),
                    _ => {}
                }
            }
            // Else it shares more with the entry before than the target does: still smaller.
            at = entry.value_end;
        }
        Ok(None)
    }

    /// The last restart point whose key is before (`user`, `bound`); the first if none is.
    #[inline]
    pub(crate) fn last_restart_before(&self, user: &[u8], bound: u64) -> Result<u32, Damage> {
        Ok(self.restarts_before(user, bound)?.saturating_sub(1))
    }

    /// How many restart points are before (`user`, `bound`).
    fn restarts_before(&self, user: &[u8], bound: u64) -> Result<u32, Damage> {
        let common = self.common as usize;
        if common > 0 {
            let prefix = self.restart_key(0)?.get(..common).unwrap_or(&[]);
            let own = user.get(..common).unwrap_or(user);
            if own < prefix {
                return Ok(0);
            }
            if own > prefix {
                return Ok(self.restart_count);
            }
        }
        self.guess_restarts_before(user, bound)
    }

    /// As [`restarts_before`](Self::restarts_before), if `user` begins as all restart points do. If
    /// not, it is before them all or behind them all, and this is anything: then a search from there
    /// on finds no entry of `user`, or finds it later.
    fn guess_restarts_before(&self, user: &[u8], bound: u64) -> Result<u32, Damage> {
        let wanted = head(user, self.common as usize);
        let (mut low, mut high) = match &self.heads {
            Heads::Few(few) => {
                let (mut before, mut up_to) = (0, 0);
                for (head, _) in few {
                    before += u32::from(*head < wanted);
                    up_to += u32::from(*head <= wanted);
                }
                (
                    before.min(self.restart_count),
                    up_to.min(self.restart_count),
                )
            }
            Heads::Many(heads) => {
                let low = heads.partition_point(|head| *head < wanted);
                let equal = heads.get(low..).unwrap_or(&[]);
                let equal = equal.partition_point(|head| *head <= wanted);
                (narrow(low), narrow(low + equal))
            }
        };
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.restart_entry(middle)?;
            let rest = self.bytes(entry.rest_start..entry.rest_end);
            if key::compare(rest, entry.trailer, user, bound).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

/// Eight bytes of `key` from byte `from` on, zeros behind its end, so that numbers order as keys
/// do where they differ.
#[inline]
fn head(key: &[u8], from: usize) -> u64 {
    let rest = key.get(from..).unwrap_or(&[]);
    match rest.first_chunk::<8>() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            rest.iter()
                .fold((0, 56_u32), |(head, shift), byte| {
                    (head | u64::from(*byte) << shift, shift.wrapping_sub(8))
                })
                .0
        }
    }
}

/// An index below `restart_count`, which is a u32.
#[inline]
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[inline]
fn entry(entries: &[u8], at: usize) -> Option<Entry> {
    let head = entries.get(at..)?;
    let (shared, rest, value, lengths_end) = match head {
        [a, b, c, ..] if (a | b | c) < 0x80 => {
            (u32::from(*a), u32::from(*b), u32::from(*c), at + 3)
        }
        _ => {
            let (shared, at) = varint::read_u32(entries, at)?;
            let (rest, at) = varint::read_u32(entries, at)?;
            let (value, at) = varint::read_u32(entries, at)?;
            (shared, rest, value, at)
        }
    };
    let rest_end = lengths_end.checked_add(rest as usize)?;
    let trailer = entries.get(rest_end..)?.first_chunk::<8>()?;
    let value_start = rest_end + 8;
    let value_end = value_start.checked_add(value as usize)?;
    if value_end > entries.len() {
        return None;
    }
    Some(Entry {
        shared: shared as usize,
        rest_start: lengths_end,
        rest_end,
        trailer: u64::from_le_bytes(*trailer),
        value_start,
        value_end,
    })
}

#[cfg(test)]
mod tests;
