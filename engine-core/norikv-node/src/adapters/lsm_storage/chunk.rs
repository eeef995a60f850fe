//! A piece of a group's snapshot, as it travels.
//!
//! **Invariant: a chunk proves that it is whole, and says where it belongs**: to which group, to
//! which export (by the (term, index) that it shows) and at which place in it. Chunks of two
//! exports of one (term, index) may be mixed: their content is the same.
//!
//! Layout, little-endian: magic `NKVS` ‖ format u8 (1) ‖ last u8 (0 or 1) ‖ zero u16 ‖ group u32 ‖
//! number u32 ‖ term u64 ‖ index u64 ‖ items length u32 ‖ items ‖ CRC-32 u32 of all before. An
//! item is key length u32 ‖ value length u32 ‖ key ‖ value, both as stored.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use norikv_types::{GroupId, LogIndex, Term, Version};

/// Where a chunk belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHead {
    pub(super) group: GroupId,
    /// Its place in the export, from 0.
    pub(super) number: u32,
    /// What the export shows.
    pub(super) at: Version,
    /// Whether the export ends with it.
    pub(super) last: bool,
}

/// Why bytes are no chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChunkError {
    /// They end early or run on.
    #[error("{0} bytes are no chunk")]
    Length(u64),
    /// They are not what was sent.
    #[error("checksum {got:#010x} where the chunk says {expected:#010x}")]
    Checksum { expected: u32, got: u32 },
    /// Not a chunk at all.
    #[error("no magic of a chunk")]
    Magic,
    /// Of a later version.
    #[error("chunk of format {0}, this version reads format {FORMAT}")]
    Format(u8),
    /// A field has a value that it cannot have.
    #[error("malformed chunk")]
    Malformed,
}

/// Fills a chunk.
#[derive(Debug)]
pub(super) struct ChunkWriter {
    items: Vec<u8>,
}

/// The items of a chunk, in order.
#[derive(Debug)]
pub(super) struct ChunkItems {
    rest: Bytes,
}

impl ChunkWriter {
    pub(super) const fn new() -> Self {
        Self { items: Vec::new() }
    }

    /// Bytes that the chunk will have.
    pub(super) const fn len(&self) -> u64 {
        (HEAD_BYTES + self.items.len() + CHECKSUM_BYTES) as u64
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.items.extend_from_slice(&length(key).to_le_bytes());
        self.items.extend_from_slice(&length(value).to_le_bytes());
        self.items.extend_from_slice(key);
        self.items.extend_from_slice(value);
    }

    pub(super) fn finish(self, head: &ChunkHead) -> Bytes {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.items.len() + CHECKSUM_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[FORMAT, u8::from(head.last), 0, 0]);
        bytes.extend_from_slice(&head.group.0.to_le_bytes());
        bytes.extend_from_slice(&head.number.to_le_bytes());
        bytes.extend_from_slice(&head.at.term.0.to_le_bytes());
        bytes.extend_from_slice(&head.at.index.0.to_le_bytes());
        bytes.extend_from_slice(&length(&self.items).to_le_bytes());
        bytes.extend_from_slice(&self.items);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.into()
    }
}

/// Bytes that an item takes in a chunk.
pub(super) fn item_bytes(key: &[u8], value: &[u8]) -> u64 {
    8 + (key.len() + value.len()) as u64
}

/// Reads a chunk from outside. Its items share `bytes`.
pub(super) fn read(bytes: &Bytes) -> Result<(ChunkHead, ChunkItems), ChunkError> {
    let length = ChunkError::Length(bytes.len() as u64);
    let body_bytes = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(length)?;
    if body_bytes < HEAD_BYTES {
        return Err(length);
    }
    let expected = bytes.slice(body_bytes..).get_u32_le();
    let mut rest = bytes.slice(..body_bytes);
    let got = crc32fast::hash(&rest);
    if got != expected {
        return Err(ChunkError::Checksum { expected, got });
    }
    if rest.split_to(MAGIC.len()) != MAGIC.as_slice() {
        return Err(ChunkError::Magic);
    }
    let format = rest.get_u8();
    if format != FORMAT {
        return Err(ChunkError::Format(format));
    }
    let last = match (rest.get_u8(), rest.get_u16_le()) {
        (0, 0) => false,
        (1, 0) => true,
        _ => return Err(ChunkError::Malformed),
    };
    let head = ChunkHead {
        group: GroupId(rest.get_u32_le()),
        number: rest.get_u32_le(),
        at: Version {
            term: Term(rest.get_u64_le()),
            index: LogIndex(rest.get_u64_le()),
        },
        last,
    };
    if u64::from(rest.get_u32_le()) != rest.len() as u64 {
        return Err(ChunkError::Malformed);
    }
    Ok((head, ChunkItems { rest }))
}

impl ChunkItems {
    /// The next key and value; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, ChunkError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if self.rest.len() < 8 {
            return Err(ChunkError::Malformed);
        }
        let mut take = |bytes: u32| match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.rest.len() => Ok(self.rest.split_to(bytes)),
            _ => Err(ChunkError::Malformed),
        };
        let mut lengths = take(8)?;
        let key = take(lengths.get_u32_le())?;
        let value = take(lengths.get_u32_le())?;
        Ok(Some((key, value)))
    }
}

fn length(bytes: &[u8]) -> u32 {
    match u32::try_from(bytes.len()) {
        Ok(length) => length,
        Err(_) => panic!("a chunk and its items are below 4 GiB"),
    }
}

const MAGIC: [u8; 4] = *b"NKVS";
const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 36;
const CHECKSUM_BYTES: usize = 4;

#[cfg(test)]
mod tests;
