//! Writes that happen together.
//!
//! **Invariant: the bytes of a batch are the payload of its log record.** They are laid out once,
//! when the batch is filled. docs/formats/batch.md has the layout.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use nori_sstable::{SeqNo, VALUE_BYTES_MAX, ValueKind};
use norikv_types::WallMs;

use crate::expiry;
use crate::keyspace::{self, DEFAULT, ID_BYTES, Keyspace};
use crate::rules::Rules;
use crate::varint::{self, Reader};
use crate::writes::writing_methods;
use crate::{Error, KEY_BYTES_MAX};

/// Writes that happen together: all of them or none, in all keyspaces, whatever happens.
///
/// Of several writes to one key the last counts; a range is deleted as of its place in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBatch {
    encoded: Vec<u8>,
    count: u32,
    /// The keyspaces that it writes to, but for the default one; some perhaps more than once.
    keyspaces: Vec<u16>,
    /// The first limit that was crossed while filling; `write` reports it.
    refused: Option<Error>,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// Adds a version of a key.
    Version(ValueKind),
    /// Deletes the keys from its key up to its value, which is a key.
    RangeDelete,
}

/// One write of a batch, as places in its bytes. Keys have the prefix of their keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: WriteKind,
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
            keyspaces: Vec::new(),
            refused: None,
        }
    }

    writing_methods!();

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

    /// Adds a version of a key; its value comes in parts.
    pub(crate) fn version(
        &mut self,
        keyspace: u16,
        kind: ValueKind,
        key: &[u8],
        value: &[&[u8]],
    ) -> &mut Self {
        let bytes = value.iter().map(|part| part.len()).sum::<usize>() as u64;
        if bytes > u64::from(VALUE_BYTES_MAX) {
            self.refuse(Error::ValueTooLarge {
                bytes,
                max: VALUE_BYTES_MAX,
            });
        } else if self.start(keyspace, kind as u8, key) && kind != ValueKind::Tombstone {
            varint::put(&mut self.encoded, bytes);
            for part in value {
                self.encoded.extend_from_slice(part);
            }
        }
        self
    }

    pub(crate) fn range(&mut self, keyspace: u16, start: &[u8], end: &[u8]) -> &mut Self {
        if end.len() as u64 > u64::from(KEY_BYTES_MAX) {
            self.refuse_key(end);
        } else if start < end && self.start(keyspace, RANGE_DELETE, start) {
            varint::put(&mut self.encoded, (ID_BYTES + end.len()) as u64);
            self.encoded.extend_from_slice(&keyspace.to_be_bytes());
            self.encoded.extend_from_slice(end);
        }
        self
    }

    /// Removes everything in a keyspace.
    pub(crate) fn delete_keyspace(&mut self, keyspace: u16) {
        self.start(keyspace, RANGE_DELETE, &[]);
        varint::put_slice(&mut self.encoded, &(keyspace + 1).to_be_bytes());
        // Nothing else may be written to it by then.
        self.keyspaces.clear();
    }

    /// Adds the writes of `other` behind its own.
    pub(crate) fn append(&mut self, other: &Self) {
        self.encoded.extend_from_slice(&other.encoded[HEAD_BYTES..]);
        self.count += other.count;
        self.keyspaces.extend_from_slice(&other.keyspaces);
        if let Some(refused) = &other.refused {
            self.refuse(refused.clone());
        }
    }

    fn start(&mut self, keyspace: u16, kind: u8, key: &[u8]) -> bool {
        if key.len() as u64 > u64::from(KEY_BYTES_MAX) {
            self.refuse_key(key);
            return false;
        }
        if keyspace != DEFAULT && self.keyspaces.last() != Some(&keyspace) {
            self.keyspaces.push(keyspace);
        }
        self.encoded.push(kind);
        varint::put(&mut self.encoded, (ID_BYTES + key.len()) as u64);
        self.encoded.extend_from_slice(&keyspace.to_be_bytes());
        self.encoded.extend_from_slice(key);
        self.count += 1;
        true
    }

    fn refuse_key(&mut self, key: &[u8]) {
        self.refuse(Error::KeyTooLarge {
            bytes: key.len() as u64,
            max: KEY_BYTES_MAX,
        });
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

    /// Refuses a batch that writes to a keyspace that is gone.
    pub(crate) fn check_keyspaces(&self, rules: impl FnOnce() -> Arc<Rules>) -> Result<(), Error> {
        if self.keyspaces.is_empty() {
            return Ok(());
        }
        let rules = rules();
        let gone = self.keyspaces.iter().find(|id| rules.closing.contains(id));
        gone.map_or(Ok(()), |id| Err(Error::KeyspaceDropped { keyspace: *id }))
    }

    /// The same batch with an end to each value that is put in a keyspace where values end.
    pub(crate) fn with_ttl(self, rules: &Rules, now: WallMs) -> Self {
        let mut ended = Self::with_capacity(self.encoded.len());
        ended.refused.clone_from(&self.refused);
        ended.keyspaces.clone_from(&self.keyspaces);
        let mut reader = Reader::new(&self.encoded);
        let head = reader.take(HEAD_BYTES as u64);
        assert!(head.is_some(), "a batch has a head");
        for _ in 0..self.count {
            let from = reader.at();
            let record = record(&mut reader).expect("it was written here");
            let key = &self.encoded[record.key];
            let ttl = rules.of(keyspace::id_of(key)).and_then(|rules| rules.ttl);
            match ttl {
                Some(ttl) if record.kind == WriteKind::Version(ValueKind::Put) => {
                    let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
                    let time = expiry::time(WallMs(now.0.saturating_add(ttl)));
                    let value = [&time, &self.encoded[record.value]];
                    let (id, key) = (keyspace::id_of(key), keyspace::user_key(key));
                    ended.version(id, ValueKind::Expiring, key, &value);
                }
                _ => {
                    ended
                        .encoded
                        .extend_from_slice(&self.encoded[from..reader.at()]);
                    ended.count += 1;
                }
            }
        }
        ended
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
    let kind = match reader.u8()? {
        RANGE_DELETE => WriteKind::RangeDelete,
        // Values come to value files by flushes, never by a batch.
        kind => WriteKind::Version(ValueKind::from_u8(kind).filter(|kind| !kind.is_pointer())?),
    };
    let key = part(reader, TREE_KEY_BYTES_MAX)?;
    if key.len() < ID_BYTES {
        return None;
    }
    let value = match kind {
        WriteKind::Version(ValueKind::Tombstone) => reader.at()..reader.at(),
        WriteKind::Version(_) => part(reader, u64::from(VALUE_BYTES_MAX))?,
        WriteKind::RangeDelete => part(reader, TREE_KEY_BYTES_MAX)?,
    };
    Some(Record { kind, key, value })
}

/// Reads a length, at most `max`, and where so many bytes lie.
fn part(reader: &mut Reader<'_>, max: u64) -> Option<Range<usize>> {
    let len = reader.varint()?;
    if len > max {
        return None;
    }
    let at = reader.at();
    reader.take(len)?;
    Some(at..reader.at())
}

/// Reads a batch from outside; `None` when it is not one.
pub(crate) fn decode(encoded: &[u8]) -> Option<Decoded> {
    let (first, count, mut reader) = head(encoded)?;
    let mut records = Vec::new();
    for _ in 0..count {
        let record = record(&mut reader)?;
        let (key, value) = (&record.key, &record.value);
        if record.kind == WriteKind::RangeDelete && encoded[key.clone()] >= encoded[value.clone()] {
            return None;
        }
        records.push(record);
    }
    if !reader.is_empty() || count == 0 || first.0 + u64::from(count) - 1 > SeqNo::MAX.0 {
        return None;
    }
    Some(Decoded { first, records })
}

/// Calls `each` with the number, the kind, the key and the value of each write of a batch that
/// [`WriteBatch::seal`] or [`decode`] found good.
pub(crate) fn for_each(encoded: &[u8], mut each: impl FnMut(SeqNo, WriteKind, &[u8], &[u8])) {
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
/// The kind of a record that deletes a range; apart from those of versions.
const RANGE_DELETE: u8 = 0x80;
/// Longest key of the tree: a key and the prefix of its keyspace.
const TREE_KEY_BYTES_MAX: u64 = nori_sstable::KEY_BYTES_MAX as u64;

const _: () = assert!(TREE_KEY_BYTES_MAX == KEY_BYTES_MAX as u64 + ID_BYTES as u64);

#[cfg(test)]
mod tests;
