//! Writes that happen together.
//!
//! **Invariant: the bytes of a batch are the payload of its log record.** They are laid out once,
//! when the batch is filled; the memtable shares them.
//!
//! Layout: version `1` (u8) ‖ first seqno (u64) ‖ count (u32) ‖ count × (kind u8 ‖ varint key
//! length ‖ key ‖ for a put: varint value length ‖ value). Little-endian. Record `i` has seqno
//! `first + i`.

use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use nori_sstable::{KEY_BYTES_MAX, SeqNo, VALUE_BYTES_MAX, ValueKind};

use crate::Error;
use crate::varint::{self, Reader};

/// Puts and deletes that are written together: all of them or none, whatever happens.
///
/// Of several writes to one key the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBatch {
    encoded: Vec<u8>,
    count: u32,
    /// The first limit that was crossed while filling; `write` reports it.
    refused: Option<Error>,
}

/// One write of a batch, as places in its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: ValueKind,
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// A batch read back: its first seqno and its writes.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) first: SeqNo,
    pub(crate) records: Vec<Record>,
}

impl Decoded {
    /// The seqno of its last write.
    pub(crate) fn last(&self) -> SeqNo {
        SeqNo(self.first.0 + self.records.len() as u64 - 1)
    }
}

impl WriteBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty batch with room for `bytes` of keys and values.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut encoded = Vec::with_capacity(HEAD_BYTES + bytes + 16);
        encoded.resize(HEAD_BYTES, 0);
        Self {
            encoded,
            count: 0,
            refused: None,
        }
    }

    /// Sets `key` to `value`. A key or value over the limit makes the whole batch fail when it is
    /// written.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        if value.len() as u64 > u64::from(VALUE_BYTES_MAX) {
            self.refuse(Error::ValueTooLarge {
                bytes: value.len() as u64,
                max: VALUE_BYTES_MAX,
            });
        } else if self.start(ValueKind::Put, key) {
            varint::put_slice(&mut self.encoded, value);
        }
        self
    }

    /// Removes `key`, whether it is there or not.
    pub fn delete(&mut self, key: &[u8]) -> &mut Self {
        self.start(ValueKind::Tombstone, key);
        self
    }

    /// Writes in it.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that it takes in the log.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.encoded.len() as u64
    }

    fn start(&mut self, kind: ValueKind, key: &[u8]) -> bool {
        if key.len() as u64 > u64::from(KEY_BYTES_MAX) {
            self.refuse(Error::KeyTooLarge {
                bytes: key.len() as u64,
                max: KEY_BYTES_MAX,
            });
            return false;
        }
        self.encoded.push(kind as u8);
        varint::put_slice(&mut self.encoded, key);
        self.count += 1;
        true
    }

    fn refuse(&mut self, error: Error) {
        self.refused.get_or_insert(error);
    }

    /// Whether it may be written at all.
    pub(crate) fn check(&self, bytes_max: u32) -> Result<(), Error> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        if self.bytes() > u64::from(bytes_max) {
            return Err(Error::BatchTooLarge {
                bytes: self.bytes(),
                max: bytes_max,
            });
        }
        Ok(())
    }

    /// Its bytes, with the writes numbered from `first`.
    pub(crate) fn seal(mut self, first: SeqNo) -> Bytes {
        self.encoded[0] = BATCH_VERSION;
        self.encoded[1..9].copy_from_slice(&first.0.to_le_bytes());
        self.encoded[9..HEAD_BYTES].copy_from_slice(&self.count.to_le_bytes());
        Bytes::from(self.encoded)
    }
}

impl Default for WriteBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// The number and the place of the first write.
fn head(encoded: &[u8]) -> Option<(SeqNo, u32, Reader<'_>)> {
    let mut reader = Reader::new(encoded);
    if reader.u8()? != BATCH_VERSION {
        return None;
    }
    let first = SeqNo(u64::from_le_bytes(reader.array()?));
    let count = u32::from_le_bytes(reader.array()?);
    (first <= SeqNo::MAX).then_some((first, count, reader))
}

/// Reads the write that comes next.
fn record(reader: &mut Reader<'_>) -> Option<Record> {
    let kind = ValueKind::from_u8(reader.u8()?)?;
    let key_len = reader.varint()?;
    if key_len > u64::from(KEY_BYTES_MAX) {
        return None;
    }
    let key_at = reader.at();
    reader.take(key_len)?;
    let key = key_at..reader.at();
    let value = match kind {
        ValueKind::Put | ValueKind::Merge | ValueKind::Expiring => {
            let len = reader.varint()?;
            if len > u64::from(VALUE_BYTES_MAX) {
                return None;
            }
            let at = reader.at();
            reader.take(len)?;
            at..reader.at()
        }
        ValueKind::Tombstone => reader.at()..reader.at(),
    };
    Some(Record { kind, key, value })
}

/// Reads a batch from outside; `None` when it is not one.
pub(crate) fn decode(encoded: &[u8]) -> Option<Decoded> {
    let (first, count, mut reader) = head(encoded)?;
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(record(&mut reader)?);
    }
    if !reader.is_empty() || count == 0 || first.0 + u64::from(count) - 1 > SeqNo::MAX.0 {
        return None;
    }
    Some(Decoded { first, records })
}

/// Calls `each` with the number, the kind, the key and the value of each write of a batch that
/// [`WriteBatch::seal`] or [`decode`] found good.
pub(crate) fn for_each(encoded: &[u8], mut each: impl FnMut(SeqNo, ValueKind, &[u8], &[u8])) {
    let (first, count, mut reader) = head(encoded).expect("the batch was checked");
    for index in 0..count {
        let record = record(&mut reader).expect("the batch was checked");
        each(
            SeqNo(first.0 + u64::from(index)),
            record.kind,
            &encoded[record.key],
            &encoded[record.value],
        );
    }
}

/// Bytes before the first write.
const HEAD_BYTES: usize = 13;
const BATCH_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
