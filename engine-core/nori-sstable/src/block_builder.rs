//! Builds the payload of one data or index block.

use alloc::vec::Vec;

use crate::{filter, varint};

/// Entries with shared prefixes, then restart points: see [`Block`](crate::block::Block).
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    interval: u32,
    payload: Vec<u8>,
    restarts: Vec<u32>,
    /// Entries since the last restart point.
    run: u32,
    last_key: Vec<u8>,
    /// For the hash index: of each key its hash and the restart point before it.
    hashes: Option<Vec<(u64, u32)>>,
}

/// Marks a bucket of the hash index whose keys stand behind several restart points.
pub(crate) const BUCKET_COLLISION: u8 = 254;
/// Marks a bucket without keys.
pub(crate) const BUCKET_EMPTY: u8 = 255;
/// Set in the number of restart points when a hash index stands before it.
pub(crate) const HAS_HASH_INDEX: u32 = 1 << 31;

impl BlockBuilder {
    /// A builder that puts a restart point before every `interval`th entry.
    pub(crate) fn new(interval: u32) -> Self {
        Self {
            interval: interval.max(1),
            payload: Vec::new(),
            restarts: Vec::new(),
            run: 0,
            last_key: Vec::new(),
            hashes: None,
        }
    }

    /// As [`new`](Self::new), and each block ends in a hash index over its keys.
    pub(crate) fn with_hash_index(interval: u32) -> Self {
        Self {
            hashes: Some(Vec::new()),
            ..Self::new(interval)
        }
    }

    /// Appends an entry. Keys come in ascending order.
    pub(crate) fn add(&mut self, user: &[u8], trailer: u64, value: &[u8]) {
        let shared = if self.restarts.is_empty() || self.run == self.interval {
            self.restarts
                .push(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
            self.run = 0;
            0
        } else {
            common_prefix(&self.last_key, user)
        };
        self.run += 1;
        let rest = user.get(shared..).unwrap_or(&[]);
        let (shared_bytes, rest_bytes, value_bytes) = (shared, rest.len(), value.len());
        // One byte each is the rule.
        match (
            u8::try_from(shared_bytes),
            u8::try_from(rest_bytes),
            u8::try_from(value_bytes),
        ) {
            (Ok(a), Ok(b), Ok(c)) if (a | b | c) < 0x80 => {
                self.payload.extend_from_slice(&[a, b, c]);
            }
            _ => {
                varint::put(&mut self.payload, shared_bytes as u64);
                varint::put(&mut self.payload, rest_bytes as u64);
                varint::put(&mut self.payload, value_bytes as u64);
            }
        }
        self.payload.extend_from_slice(rest);
        self.payload.extend_from_slice(&trailer.to_le_bytes());
        self.payload.extend_from_slice(value);
        if let Some(hashes) = &mut self.hashes {
            let restart = u32::try_from(self.restarts.len() - 1).unwrap_or(u32::MAX);
            let entry = (filter::hash(user), restart);
            if hashes.last() != Some(&entry) {
                hashes.push(entry);
            }
        }
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
    }

    /// Whether nothing was added since the last [`finish`](Self::finish).
    pub(crate) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// Bytes of the payload if it were finished now.
    pub(crate) fn len(&self) -> usize {
        let keys = self.hashes.as_ref().map_or(0, Vec::len);
        self.payload.len() + 4 * self.restarts.len() + 4 + hash_index_bytes(keys)
    }

    /// Bytes of the payload, were an entry of `user` and `value` bytes added (at most).
    pub(crate) fn len_with(&self, user: usize, value: usize) -> usize {
        self.len() + 15 + user + 8 + value + 4
    }

    /// Appends the restart points, lends the payload to `take`, and starts over.
    pub(crate) fn finish<T>(&mut self, take: impl FnOnce(&[u8]) -> T) -> T {
        for restart in &self.restarts {
            self.payload.extend_from_slice(&restart.to_le_bytes());
        }
        let mut count = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        if self.put_hash_index() {
            count |= HAS_HASH_INDEX;
        }
        self.payload.extend_from_slice(&count.to_le_bytes());
        let taken = take(&self.payload);
        self.payload.clear();
        self.restarts.clear();
        self.run = 0;
        self.last_key.clear();
        taken
    }

    /// Appends the buckets and their number, if every restart point has a number for a bucket.
    fn put_hash_index(&mut self) -> bool {
        let Some(hashes) = &mut self.hashes else {
            return false;
        };
        let buckets = buckets_for(hashes.len());
        let Ok(number) = u16::try_from(buckets) else {
            hashes.clear();
            return false;
        };
        if self.restarts.len() >= usize::from(BUCKET_COLLISION) || number == 0 {
            hashes.clear();
            return false;
        }
        let start = self.payload.len();
        self.payload.resize(start + buckets, BUCKET_EMPTY);
        for (hash, restart) in hashes.drain(..) {
            let [restart, ..] = restart.to_le_bytes();
            if let Some(bucket) = self.payload.get_mut(start + bucket_of(hash, number)) {
                *bucket = match *bucket {
                    BUCKET_EMPTY => restart,
                    same if same == restart => restart,
                    _ => BUCKET_COLLISION,
                };
            }
        }
        self.payload.extend_from_slice(&number.to_le_bytes());
        true
    }
}

fn hash_index_bytes(keys: usize) -> usize {
    match keys {
        0 => 0,
        _ => buckets_for(keys) + 2,
    }
}

/// Three keys to four buckets.
fn buckets_for(keys: usize) -> usize {
    keys + keys.div_ceil(3)
}

/// The bucket of a key among `number`.
#[inline]
pub(crate) fn bucket_of(hash: u64, number: u16) -> usize {
    let bucket = ((hash >> 32) * u64::from(number)) >> 32;
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// Bytes that `a` and `b` share at their start.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut shared = 0;
    // Eight at a time, then one at a time.
    let (a_words, _) = a.as_chunks::<8>();
    let (b_words, _) = b.as_chunks::<8>();
    for (x, y) in a_words.iter().zip(b_words) {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return shared + (differing.trailing_zeros() / 8) as usize;
        }
        shared += 8;
    }
    shared
        + a.get(shared..)
            .unwrap_or(&[])
            .iter()
            .zip(b.get(shared..).unwrap_or(&[]))
            .take_while(|(x, y)| x == y)
            .count()
}
