//! Where a block lies, and what its checksum has to be.

use alloc::vec::Vec;

use crate::varint;

/// A parent's knowledge of one child block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHandle {
    /// First byte of the block's header.
    pub(crate) offset: u64,
    /// Bytes on disk, header included.
    pub(crate) length: u32,
    /// The checksum in the block's header.
    pub(crate) checksum: u32,
}

impl BlockHandle {
    /// The byte after the block.
    pub(crate) fn end(self) -> Option<u64> {
        self.offset.checked_add(u64::from(self.length))
    }

    /// varint offset ‖ varint length ‖ u32 checksum: the value of an index entry.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        varint::put(out, self.offset);
        varint::put(out, u64::from(self.length));
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    /// Reads a value that is one handle.
    #[inline]
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (handle, rest) = Self::read_first(data)?;
        rest.is_empty().then_some(handle)
    }

    /// Reads a handle; gives what is behind it too.
    #[inline]
    pub(crate) fn read_first(data: &[u8]) -> Option<(Self, &[u8])> {
        let (offset, at) = varint::read_u64(data, 0)?;
        let (length, at) = varint::read_u32(data, at)?;
        let (checksum, rest) = data.get(at..)?.split_first_chunk::<4>()?;
        let checksum = u32::from_le_bytes(*checksum);
        let handle = Self {
            offset,
            length,
            checksum,
        };
        Some((handle, rest))
    }

    /// u64 offset ‖ u32 length ‖ u32 checksum: the form in the footer.
    pub(crate) fn put_fixed(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    pub(crate) fn read_fixed(data: &[u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *data;
        Self {
            offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            length: u32::from_le_bytes([i, j, k, l]),
            checksum: u32::from_le_bytes([m, n, o, p]),
        }
    }
}
