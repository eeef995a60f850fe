//! The payload of a data or index block, and the search in it.
//!
//! **Invariant: within a block, `shared` is the longest prefix that an entry's user key has in
//! common with the one before it (0 at restart points).** The search relies on it to compare a
//! target with prefix-compressed keys without putting any of them together.
//!
//! ```text
//! block   := entry* restart* count          restart, count: u32, little-endian
//! entry   := varint shared  varint rest  varint value_length
//!            rest bytes of user key  u64 trailer  value
//! restart := offset of an entry with shared = 0
//! ```

use core::ops::Range;

use bytes::Bytes;

use crate::{Damage, block_builder::common_prefix, key, varint};

/// A checked block payload; clones share its memory.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    data: Bytes,
    /// Where entries end and restart points begin.
    entries_end: u32,
    restart_count: u32,
}

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

/// The first entry at or behind the target of a search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) entry: Entry,
    /// Whether its user key is the target's.
    pub(crate) same_user: bool,
}

impl Block {
    /// Checks the restart points; entries are checked as they are read.
    pub(crate) fn new(data: Bytes) -> Result<Self, Damage> {
        let (body, count) = data.split_last_chunk::<4>().ok_or(Damage::Restarts)?;
        let restart_count = u32::from_le_bytes(*count);
        let restart_bytes = (restart_count as usize)
            .checked_mul(4)
            .ok_or(Damage::Restarts)?;
        let entries_end = body
            .len()
            .checked_sub(restart_bytes)
            .and_then(|end| u32::try_from(end).ok())
            .ok_or(Damage::Restarts)?;
        let block = Self {
            entries_end,
            restart_count,
            data,
        };
        let mut previous = None;
        for index in 0..restart_count {
            let restart = block.restart(index)?;
            let in_order = previous.map_or(restart == 0, |p| p < restart);
            if !in_order || restart as usize >= block.entries_end as usize {
                return Err(Damage::Restarts);
            }
            previous = Some(restart);
        }
        if restart_count == 0 {
            return Err(Damage::Restarts);
        }
        Ok(block)
    }

    /// Bytes of the payload.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
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

    /// The first entry that is not before (`user`, `bound`).
    pub(crate) fn search(&self, user: &[u8], bound: u64) -> Result<Option<Hit>, Damage> {
        let first = self.last_restart_before(user, bound)?;
        let mut at = self.restart(first)? as usize;
        // Bytes that the target shares with the entry before, which is smaller than the target.
        let mut matched = 0;
        while at < self.entries_end as usize {
            let entry = self.entry(at)?;
            if entry.shared == 0 {
                matched = 0;
            }
            if entry.shared < matched {
                // It parts from the entry before within what that shares with the target: greater.
                return Ok(Some(Hit {
                    entry,
                    same_user: false,
                }));
            }
            if entry.shared == matched {
                let rest = self.bytes(entry.rest_start..entry.rest_end);
                let wanted = user.get(matched..).unwrap_or(&[]);
                let common = common_prefix(rest, wanted);
                matched += common;
                match (rest.get(common), wanted.get(common)) {
                    (None, None) if entry.trailer <= bound => {
                        return Ok(Some(Hit {
                            entry,
                            same_user: true,
                        }));
                    }
                    (Some(_), None) => {
                        return Ok(Some(Hit {
                            entry,
                            same_user: false,
                        }));
                    }
                    (Some(a), Some(b)) if a > b => {
                        return Ok(Some(Hit {
                            entry,
                            same_user: false,
                        }));
                    }
                    _ => {}
                }
            }
            // Else it shares more with the entry before than the target does: still smaller.
            at = entry.value_end;
        }
        Ok(None)
    }

    /// The last restart point whose key is before (`user`, `bound`); the first if none is.
    pub(crate) fn last_restart_before(&self, user: &[u8], bound: u64) -> Result<u32, Damage> {
        let (mut low, mut high) = (0, self.restart_count);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(self.restart(middle)? as usize)?;
            if entry.shared != 0 {
                return Err(Damage::Entry);
            }
            let rest = self.bytes(entry.rest_start..entry.rest_end);
            if key::compare(rest, entry.trailer, user, bound).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.saturating_sub(1))
    }
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
