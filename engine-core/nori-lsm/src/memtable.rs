//! The newest writes, in memory and in order.
//!
//! **Invariant: a memtable holds whole batches, in the order of their seqnos.** One writer fills
//! it; once rotated it never changes, and it is dropped when its flush is installed and nobody
//! reads it any more.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;
use nori_env::sync::{AtomicU64, Ordering};
use nori_skiplist::{Position, SkipList};
use nori_sstable::{Found, InternalKeyRef, RangeTombstone, SeqNo, ValueKind};
use nori_wal::Lsn;

use crate::batch::{self, WriteKind};
use crate::range_set::RangeSet;

/// Writes that are in no table yet.
pub(crate) struct Memtable {
    /// Counts up from one memtable to the next.
    pub(crate) id: u64,
    list: SkipList,
    ranges: RangeSet,
    /// Of the first write; `u64::MAX` while there is none.
    first: AtomicU64,
    last: AtomicU64,
    /// Where the log's record of the last batch ends.
    log_end: AtomicU64,
}

impl Memtable {
    /// The first memtable of a store.
    pub(crate) fn new(id: u64, seed: u64) -> Self {
        Self::with_prefix(id, seed, b"")
    }

    /// The one that comes after this. Its list expects keys that begin as these do.
    pub(crate) fn successor(&self, seed: u64) -> Self {
        Self::with_prefix(self.id + 1, seed, self.list.common_prefix())
    }

    fn with_prefix(id: u64, seed: u64, prefix: &[u8]) -> Self {
        Self {
            id,
            list: SkipList::with_prefix(seed.wrapping_add(id), prefix),
            ranges: RangeSet::default(),
            first: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            log_end: AtomicU64::new(0),
        }
    }

    /// Adds a sealed batch; returns the seqno of its last write. One caller at a time.
    ///
    /// # Panics
    /// When its seqnos are not above those of every batch before it.
    pub(crate) fn add(&self, sealed: &[u8], log_end: Lsn) -> SeqNo {
        let mut last = SeqNo(self.last.load(Ordering::Relaxed));
        let mut list = self.list.writer();
        batch::for_each(sealed, |seqno, kind, key, value| {
            assert!(last < seqno, "seqnos grow");
            last = seqno;
            self.first.fetch_min(seqno.0, Ordering::Release);
            match kind {
                WriteKind::Version(kind) => {
                    let tag = InternalKeyRef::new(key, seqno, kind).trailer();
                    list.insert(key, tag, value);
                }
                WriteKind::RangeDelete => self.ranges.add(RangeTombstone {
                    start: Bytes::copy_from_slice(key),
                    end: Bytes::copy_from_slice(value),
                    seqno,
                }),
            }
        });
        self.last.store(last.0, Ordering::Release);
        self.log_end.store(log_end.0, Ordering::Release);
        last
    }

    /// The newest version of `key` at or below `at`.
    pub(crate) fn get(self: &Arc<Self>, key: &[u8], at: SeqNo) -> Option<Found> {
        let position = self.list.lower_bound(key, tag_bound(at))?;
        let entry = self.list.entry(position);
        if entry.key != key {
            return None;
        }
        let (seqno, kind) = split(entry.tag);
        Some(Found {
            seqno,
            kind,
            value: self.value_bytes(position),
        })
    }

    /// The number of the newest version of `key`.
    pub(crate) fn newest(&self, key: &[u8]) -> Option<SeqNo> {
        let position = self.list.lower_bound(key, tag_bound(SeqNo::MAX))?;
        let newest = self.key(position);
        (newest.user == key).then_some(newest.seqno)
    }

    /// Whether it has a write behind `since` of a key at or behind `start` and before `end`.
    pub(crate) fn is_written_in(&self, start: &[u8], end: &[u8], since: SeqNo) -> bool {
        let mut position = self.list.lower_bound(start, tag_bound(SeqNo::MAX));
        while let Some(at) = position {
            let key = self.key(at);
            if key.user >= end {
                break;
            }
            if key.seqno > since {
                return true;
            }
            position = self.list.next(at);
        }
        self.ranges.all().iter().any(|tombstone| {
            tombstone.seqno > since && *tombstone.start < *end && *start < *tombstone.end
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.ranges.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.list.bytes() + self.ranges.bytes()
    }

    /// Whether it is to be rotated once it has `bytes_max`.
    pub(crate) fn is_full(&self, bytes_max: u64) -> bool {
        self.bytes() >= bytes_max || self.ranges.len() >= RANGES_MAX
    }

    pub(crate) const fn ranges(&self) -> &RangeSet {
        &self.ranges
    }

    /// The seqno of the first write, if there is one.
    pub(crate) fn first(&self) -> Option<SeqNo> {
        let first = self.first.load(Ordering::Acquire);
        (first != u64::MAX).then_some(SeqNo(first))
    }

    /// The seqno of the last write; 0 when there is none.
    pub(crate) fn last(&self) -> SeqNo {
        SeqNo(self.last.load(Ordering::Acquire))
    }

    pub(crate) fn log_end(&self) -> Lsn {
        Lsn(self.log_end.load(Ordering::Acquire))
    }

    pub(crate) const fn list(&self) -> &SkipList {
        &self.list
    }

    /// The key, the seqno and the kind of the entry at `position`.
    pub(crate) fn key(&self, position: Position) -> InternalKeyRef<'_> {
        let entry = self.list.entry(position);
        let (seqno, kind) = split(entry.tag);
        InternalKeyRef::new(entry.key, seqno, kind)
    }

    /// The value of the entry at `position`.
    pub(crate) fn value(&self, position: Position) -> &[u8] {
        self.list.entry(position).value
    }

    /// The value of the entry at `position`, to keep: small ones are copied, large ones share the
    /// memtable's memory.
    pub(crate) fn value_bytes(self: &Arc<Self>, position: Position) -> Bytes {
        let value = self.value(position);
        if value.len() < SHARED_BYTES_MIN {
            return Bytes::copy_from_slice(value);
        }
        Bytes::from_owner(SharedValue {
            memtable: Arc::clone(self),
            position,
        })
    }
}

/// A value that keeps its memtable alive.
struct SharedValue {
    memtable: Arc<Memtable>,
    position: Position,
}

impl AsRef<[u8]> for SharedValue {
    fn as_ref(&self) -> &[u8] {
        self.memtable.value(self.position)
    }
}

impl fmt::Debug for Memtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memtable")
            .field("id", &self.id)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

/// The largest tag that a version visible at `at` can have.
pub(crate) const fn tag_bound(at: SeqNo) -> u64 {
    at.0 << 8 | 0xff
}

fn split(tag: u64) -> (SeqNo, ValueKind) {
    InternalKeyRef::split_trailer(tag).expect("the memtable was filled with known kinds")
}

/// Range tombstones at which a memtable is rotated: of overlapping ones each counts for all older.
const RANGES_MAX: u64 = 1 << 10;
/// Values from this size on are shared: below, a copy costs less than an owner, and nobody who
/// keeps a few bytes keeps a whole memtable.
const SHARED_BYTES_MIN: usize = 4 << 10;
