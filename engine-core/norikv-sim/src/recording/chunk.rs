//! A run of records, compressed.
//!
//! **Invariant: a chunk can be read without the others**: its first time counts from 0.
//! Layout: length of the records (u32, never 0), length compressed (u32), CRC-32 of the eight bytes
//! before and of what follows (u32), records in one LZ4 block.

use alloc::vec;
use alloc::vec::Vec;

use lz4_flex::block::{compress, decompress_into};

use crate::recording::RecordingError;
use crate::recording::read::Cursor;

pub(super) fn write(records: &[u8], out: &mut Vec<u8>) {
    let compressed = compress(records);
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length(records).to_le_bytes());
    head[4..].copy_from_slice(&length(&compressed).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&checksum(&[&head, &compressed]).to_le_bytes());
    out.extend_from_slice(&compressed);
}

/// The records of the chunk that begins with `head`, the length of its records, already taken.
pub(super) fn read(raw_len: u32, cursor: &mut Cursor<'_>) -> Result<Vec<u8>, RecordingError> {
    let at = cursor.at();
    let damaged = |what| RecordingError::Damaged { at, what };
    let compressed_len = cursor.u32()?;
    let expected = cursor.u32()?;
    let compressed = cursor.take(u64::from(compressed_len))?;
    let lengths = [raw_len.to_le_bytes(), compressed_len.to_le_bytes()];
    if checksum(&[lengths.as_flattened(), compressed]) != expected {
        return Err(damaged("the checksum of a chunk"));
    }
    // LZ4 cannot make more of it: no allocation that the file does not pay for.
    if u64::from(raw_len) > u64::from(compressed_len) * EXPANSION_MAX {
        return Err(damaged("a chunk claims more than it can hold"));
    }
    let mut records = vec![0; raw_len as usize];
    match decompress_into(compressed, &mut records) {
        Ok(len) if len == records.len() => Ok(records),
        _ => Err(damaged("a chunk is no LZ4 block of the length it claims")),
    }
}

pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

pub(super) fn length(bytes: &[u8]) -> u32 {
    match u32::try_from(bytes.len()) {
        Ok(len) => len,
        Err(_) => panic!("a part of a trace of {} bytes", bytes.len()),
    }
}

/// A byte of an LZ4 block stands for 255 at most.
const EXPANSION_MAX: u64 = 255;
