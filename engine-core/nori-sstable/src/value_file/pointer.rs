//! What stands in a table for a value that lies elsewhere.
//!
//! **Invariant: a pointer vouches for its value**: it keeps the checksum, as a parent does.

use alloc::vec::Vec;

use crate::{handle::BlockHandle, varint};

/// Where a value lies. Encoded: `u64 uid ‖ varint offset ‖ varint length ‖ u32 checksum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValuePointer {
    /// The uid of the value file; whatever its object is named, in a backup too.
    pub uid: u64,
    /// Its first byte.
    pub offset: u64,
    /// Bytes as stored, header included.
    pub length: u32,
    /// Its checksum.
    pub checksum: u32,
}

impl ValuePointer {
    /// Bytes of a pointer at most.
    pub const BYTES_MAX: usize = 8 + 10 + 5 + 4;

    pub(crate) const fn new(uid: u64, handle: BlockHandle) -> Self {
        Self {
            uid,
            offset: handle.offset,
            length: handle.length,
            checksum: handle.checksum,
        }
    }

    pub(crate) const fn handle(self) -> BlockHandle {
        BlockHandle {
            offset: self.offset,
            length: self.length,
            checksum: self.checksum,
        }
    }

    /// Appends the pointer to `out`.
    pub fn encode_into(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.uid.to_le_bytes());
        varint::put(out, self.offset);
        varint::put(out, u64::from(self.length));
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    /// `None` when the bytes are not exactly one pointer.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (uid, handle) = bytes.split_first_chunk()?;
        let handle = BlockHandle::read(handle)?;
        Some(Self::new(u64::from_le_bytes(*uid), handle))
    }
}
