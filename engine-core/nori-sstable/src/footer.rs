//! The last bytes of a table.
//!
//! ```text
//! 0   u64     uid: the salt of every checksum in the table
//! 8   u64     bytes of the whole object, footer included
//! 16  handle  top index      handle := u64 offset ‖ u32 length ‖ u32 checksum; length 0: none
//! 32  handle  filter of the whole table
//! 48  handle  range tombstones
//! 64  handle  properties
//! 80  u64     entries
//! 88  u32     format version
//! 92  u32     checksum: CRC-32 of uid ‖ offset of the footer ‖ bytes 0..92 ‖ magic
//! 96  8       magic "NoriSST\0"
//! ```

use alloc::vec::Vec;

use crate::{Damage, FORMAT_VERSION, frame, handle::BlockHandle};

/// Bytes of the footer in every version.
pub(crate) const FOOTER_BYTES: usize = 104;
const CHECKSUM_AT: usize = 92;
/// How every table ends.
pub(crate) const MAGIC: [u8; 8] = *b"NoriSST\0";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) uid: u64,
    pub(crate) size: u64,
    /// None if there are no entries.
    pub(crate) top_index: Option<BlockHandle>,
    pub(crate) filter: Option<BlockHandle>,
    pub(crate) range_tombstones: Option<BlockHandle>,
    pub(crate) properties: BlockHandle,
    pub(crate) entries: u64,
}

/// Why a footer is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Damaged(Damage),
    Version(u32),
}

impl Footer {
    /// The footer's bytes and its checksum.
    pub(crate) fn encode(&self) -> (Vec<u8>, u32) {
        let none = BlockHandle {
            offset: 0,
            length: 0,
            checksum: 0,
        };
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        for handle in [self.top_index, self.filter, self.range_tombstones] {
            handle.unwrap_or(none).put_fixed(&mut out);
        }
        self.properties.put_fixed(&mut out);
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        let checksum = footer_checksum(self.uid, self.size, &out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        assert_eq!(out.len(), FOOTER_BYTES, "the layout adds up");
        (out, checksum)
    }

    /// The uid and the checksum that a footer states, unchecked.
    pub(crate) fn claims(bytes: &[u8; FOOTER_BYTES]) -> (u64, u32) {
        let mut checksum = Fields(bytes.get(CHECKSUM_AT..).unwrap_or(&[]));
        (Fields(bytes).u64(), checksum.u32())
    }

    /// Checks a footer against the uid, size and checksum that its parent keeps.
    pub(crate) fn decode(
        bytes: &[u8; FOOTER_BYTES],
        uid: u64,
        size: u64,
        checksum: u32,
    ) -> Result<Self, Refused> {
        let damaged = |what| Err(Refused::Damaged(what));
        let mut fields = Fields(bytes);
        let stored_uid = fields.u64();
        let stored_size = fields.u64();
        let [top_index, filter, range_tombstones, properties] =
            core::array::from_fn(|_| fields.handle());
        let entries = fields.u64();
        let version = fields.u32();
        let stored = fields.u32();
        if fields.0 != MAGIC {
            return damaged(Damage::Magic);
        }
        let body = bytes.get(..CHECKSUM_AT).unwrap_or(&[]);
        let got = footer_checksum(uid, size, body);
        if stored != got {
            // The parent's salt does not fit; its own would, were it another table's footer.
            if footer_checksum(stored_uid, stored_size, body) == stored {
                return damaged(Damage::NotTheTable);
            }
            return damaged(Damage::Checksum {
                expected: stored,
                got,
            });
        }
        if stored != checksum {
            return damaged(Damage::NotTheChild {
                expected: checksum,
                got: stored,
            });
        }
        if version != FORMAT_VERSION {
            return Err(Refused::Version(version));
        }
        if stored_uid != uid || stored_size != size {
            return damaged(Damage::NotTheTable);
        }
        let some = |handle: BlockHandle| (handle.length > 0).then_some(handle);
        let footer = Self {
            uid,
            size,
            top_index: some(top_index),
            filter: some(filter),
            range_tombstones: some(range_tombstones),
            properties,
            entries,
        };
        let blocks_end = size.saturating_sub(FOOTER_BYTES as u64);
        let inside = |handle: BlockHandle| handle.end().is_some_and(|end| end <= blocks_end);
        let handles = [top_index, filter, range_tombstones, properties];
        if !handles.into_iter().all(inside) {
            return damaged(Damage::Handle);
        }
        Ok(footer)
    }
}

fn footer_checksum(uid: u64, size: u64, body: &[u8]) -> u32 {
    let mut covered = Vec::with_capacity(FOOTER_BYTES);
    covered.extend_from_slice(body);
    covered.extend_from_slice(&MAGIC);
    frame::checksum(uid, size.saturating_sub(FOOTER_BYTES as u64), &covered)
}

/// Takes fixed fields from the front; the footer's length is known.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn handle(&mut self) -> BlockHandle {
        BlockHandle::read_fixed(&self.take())
    }
}

#[cfg(test)]
mod tests;
