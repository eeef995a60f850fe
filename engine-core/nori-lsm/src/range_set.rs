//! The range tombstones of a memtable.
//!
//! **Invariant: a tombstone that was added covers its keys for every read that begins later.**
//! The set grows one by one, and most reads meet an empty one: those cost a flag. New tombstones
//! stand in a short list; when that has grown, it and the sorted set become a new sorted set.

use alloc::vec::Vec;
use core::fmt;

use nori_env::sync::{AtomicU64, Ordering, RwLock};
use nori_sstable::{RangeTombstone, RangeTombstones, SeqNo};

/// A growing set of range tombstones. One writer, any number of readers.
#[derive(Default)]
pub(crate) struct RangeSet {
    len: AtomicU64,
    bytes: AtomicU64,
    tiers: RwLock<Tiers>,
}

#[derive(Default)]
struct Tiers {
    sorted: RangeTombstones,
    recent: Vec<RangeTombstone>,
}

impl RangeSet {
    pub(crate) fn add(&self, tombstone: RangeTombstone) {
        let bytes = (tombstone.start.len() + tombstone.end.len()) as u64 + OVERHEAD_BYTES;
        let mut tiers = self.tiers.write();
        tiers.recent.push(tombstone);
        if tiers.recent.len() >= RECENT_MAX {
            tiers.sort();
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.len.fetch_add(1, Ordering::Release);
    }

    /// The newest tombstone over `key` at or below `at`.
    pub(crate) fn covering(&self, key: &[u8], at: SeqNo) -> Option<SeqNo> {
        if self.is_empty() {
            return None;
        }
        let tiers = self.tiers.read();
        let over = |tombstone: &&RangeTombstone| {
            tombstone.seqno <= at && *tombstone.start <= *key && *key < *tombstone.end
        };
        let recent = tiers.recent.iter().filter(over).map(|over| over.seqno);
        recent.max().max(tiers.sorted.covering(key, at))
    }

    /// All of them, as they are now.
    pub(crate) fn all(&self) -> RangeTombstones {
        if self.is_empty() {
            return RangeTombstones::default();
        }
        let tiers = self.tiers.read();
        if tiers.recent.is_empty() {
            return tiers.sorted.clone();
        }
        drop(tiers);
        let mut tiers = self.tiers.write();
        tiers.sort();
        tiers.sorted.clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tombstones that were added.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Tiers {
    fn sort(&mut self) {
        let recent: RangeTombstones = self.recent.drain(..).collect();
        self.sorted = RangeTombstones::merge([&self.sorted, &recent]);
    }
}

impl fmt::Debug for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// What a tombstone costs beside its keys.
const OVERHEAD_BYTES: u64 = 64;
/// A read looks through so many one by one at most.
const RECENT_MAX: usize = 32;
