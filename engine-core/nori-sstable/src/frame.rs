//! The frame around every block: kind, compression, length, salted checksum.
//!
//! **Invariant: no byte of a block is believed before its checksum holds, and no memory is set
//! aside before its length is bounded.**
//!
//! ```text
//! 0  u32  checksum: CRC-32 of uid ‖ offset ‖ everything after this field
//! 4  u8   kind
//! 5  u8   compression: 0 none, 1 LZ4 block
//! 6  u16  zero
//! 8  u32  uncompressed length of the payload
//! 12      payload
//! ```

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use crc32fast::Hasher;
use lz4_flex::block::{
    CompressTable, compress_into, compress_into_with_table, decompress_into,
    get_maximum_output_size,
};
use norikv_types::{Mutant, breaks};

use crate::{Compression, Damage, handle::BlockHandle};

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 12;
/// Longest uncompressed payload of a compressed block: one entry of the largest size fits twice.
pub(crate) const UNCOMPRESSED_BYTES_MAX: u32 = 2 * crate::VALUE_BYTES_MAX;
/// LZ4 cannot expand a byte into more than this many.
const LZ4_EXPANSION_MAX: u64 = 255;

const COMPRESSION_NONE: u8 = 0;
const COMPRESSION_LZ4: u8 = 1;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum BlockKind {
    /// Entries.
    Data = 1,
    /// Separators and handles of data blocks.
    Index = 2,
    /// Separators and handles of index partitions.
    TopIndex = 3,
    /// A filter over the keys of the table or of an index partition.
    Filter = 4,
    /// Facts about the table.
    Properties = 5,
    /// Deletions of ranges of keys.
    RangeTombstones = 6,
    /// One value of a value file.
    Value = 7,
    /// Lengths and checksums of the values of a value file.
    ValueIndex = 8,
}

/// Turns payloads into framed blocks; keeps the compressor's memory between them.
pub(crate) struct Framer {
    uid: u64,
    compression: Compression,
    table: CompressTable,
    scratch: Vec<u8>,
}

impl Framer {
    pub(crate) fn new(uid: u64, compression: Compression) -> Self {
        Self {
            uid,
            compression,
            table: CompressTable::small(),
            scratch: Vec::new(),
        }
    }

    /// Appends the block to `out`, to lie at byte `offset` of the table. Only data blocks and
    /// values are compressed: index and filter are read too often.
    ///
    /// # Panics
    /// When the payload is 4 GiB or longer.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        offset: u64,
        kind: BlockKind,
        payload: &[u8],
    ) -> BlockHandle {
        let uncompressed = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        assert!(uncompressed < u32::MAX - 12, "a block is under 4 GiB");
        let may_shrink = matches!(kind, BlockKind::Data | BlockKind::Value);
        let compressed = (may_shrink && self.compression == Compression::Lz4)
            .then(|| compress(payload, &mut self.scratch, &mut self.table))
            .flatten();
        let (compression, stored) = match compressed {
            Some(length) => (COMPRESSION_LZ4, self.scratch.get(..length).unwrap_or(&[])),
            None => (COMPRESSION_NONE, payload),
        };

        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&[kind as u8, compression, 0, 0]);
        out.extend_from_slice(&uncompressed.to_le_bytes());
        out.extend_from_slice(stored);
        let checksum = checksum(self.uid, offset, out.get(start + 4..).unwrap_or(&[]));
        if let Some(field) = out.get_mut(start..start + 4) {
            field.copy_from_slice(&checksum.to_le_bytes());
        }
        BlockHandle {
            offset,
            length: u32::try_from(out.len() - start).unwrap_or(u32::MAX),
            checksum,
        }
    }
}

/// CRC-32 (IEEE) of uid ‖ offset ‖ `bytes`.
pub(crate) fn checksum(uid: u64, offset: u64, bytes: &[u8]) -> u32 {
    let mut salt = [0; 16];
    let (first, second) = salt.split_at_mut(8);
    first.copy_from_slice(&uid.to_le_bytes());
    second.copy_from_slice(&offset.to_le_bytes());
    let mut hasher = Hasher::new();
    hasher.update(&salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// Compresses into `scratch`; the length, if it saves at least an eighth.
fn compress(payload: &[u8], scratch: &mut Vec<u8>, table: &mut CompressTable) -> Option<usize> {
    if u32::try_from(payload.len()).ok()? > UNCOMPRESSED_BYTES_MAX {
        return None;
    }
    let room = get_maximum_output_size(payload.len());
    if scratch.len() < room {
        scratch.resize(room, 0);
    }
    // The small table is kept small: a large block gets a table of its own.
    let length = if payload.len() < usize::from(u16::MAX) {
        compress_into_with_table(payload, scratch, table)
    } else {
        compress_into(payload, scratch)
    };
    length
        .ok()
        .filter(|length| *length <= payload.len() - payload.len().div_ceil(8))
}

/// Checks a block as read from disk against its parent's handle and gives its payload. An
/// uncompressed payload shares the memory of `framed`.
pub(crate) fn open(
    uid: u64,
    handle: BlockHandle,
    kind: BlockKind,
    framed: Bytes,
) -> Result<Bytes, Damage> {
    match check(uid, handle, kind, &framed)? {
        Stored::Plain => Ok(framed.slice(HEADER_BYTES..)),
        Stored::Lz4(uncompressed) => decompress(&framed, uncompressed),
    }
}

/// As [`open`], but the payload never shares memory with `framed`.
pub(crate) fn open_copied(
    uid: u64,
    handle: BlockHandle,
    kind: BlockKind,
    framed: &[u8],
) -> Result<Bytes, Damage> {
    match check(uid, handle, kind, framed)? {
        Stored::Plain => Ok(Bytes::copy_from_slice(
            framed.get(HEADER_BYTES..).ok_or(Damage::Truncated)?,
        )),
        Stored::Lz4(uncompressed) => decompress(framed, uncompressed),
    }
}

enum Stored {
    Plain,
    Lz4(u32),
}

fn check(uid: u64, handle: BlockHandle, kind: BlockKind, framed: &[u8]) -> Result<Stored, Damage> {
    let (header, payload) = framed
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(Damage::Truncated)?;
    let &[
        c0,
        c1,
        c2,
        c3,
        stored_kind,
        compression,
        zero,
        zero_too,
        u0,
        u1,
        u2,
        u3,
    ] = header;
    let expected = u32::from_le_bytes([c0, c1, c2, c3]);
    let got = match breaks(Mutant::BlockNotVerified) && kind == BlockKind::Data {
        true => handle.checksum,
        false => checksum(uid, handle.offset, framed.get(4..).unwrap_or(&[])),
    };
    if expected != got && !breaks(Mutant::BlockNotVerified) {
        return Err(Damage::Checksum { expected, got });
    }
    if handle.checksum != got {
        return Err(Damage::NotTheChild {
            expected: handle.checksum,
            got,
        });
    }
    if stored_kind != kind as u8 {
        return Err(Damage::Kind {
            expected: kind as u8,
            got: stored_kind,
        });
    }
    let uncompressed = u32::from_le_bytes([u0, u1, u2, u3]);
    let stored = payload.len() as u64;
    match compression {
        _ if zero != 0 || zero_too != 0 => Err(Damage::Compression(zero | zero_too)),
        COMPRESSION_NONE if u64::from(uncompressed) == stored => Ok(Stored::Plain),
        COMPRESSION_LZ4
            if uncompressed <= UNCOMPRESSED_BYTES_MAX
                && u64::from(uncompressed) <= stored * LZ4_EXPANSION_MAX =>
        {
            Ok(Stored::Lz4(uncompressed))
        }
        COMPRESSION_NONE | COMPRESSION_LZ4 => Err(Damage::Length(uncompressed)),
        other => Err(Damage::Compression(other)),
    }
}

fn decompress(framed: &[u8], uncompressed: u32) -> Result<Bytes, Damage> {
    let payload = framed.get(HEADER_BYTES..).ok_or(Damage::Truncated)?;
    let mut plain = vec![0; uncompressed as usize];
    match decompress_into(payload, &mut plain) {
        Ok(length) if length == plain.len() => Ok(Bytes::from(plain)),
        Ok(_) => Err(Damage::Length(uncompressed)),
        Err(_) => Err(Damage::Decompress),
    }
}

impl core::fmt::Debug for Framer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Framer")
            .field("uid", &self.uid)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
