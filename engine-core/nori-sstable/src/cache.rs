//! The one cache of blocks that all tables share.
//!
//! **Invariant: what is in the cache was verified, and the cache together with what open tables pin
//! holds at most its budget** (unless the pins alone are more: then it caches nothing). A block is
//! found by (table uid, offset); uids are never reused, so a deleted table's blocks can
//! only age out. Which blocks stay depends on the order of look-ups alone.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;
use nori_env::sync::{AtomicU64, Ordering, RwLock};

use crate::{block::Block, cache::shard::Shard, filter::Filter};

mod shard;

/// A sharded S3-FIFO cache weighted by bytes: a block has to be asked for twice before it displaces
/// others that were, so that a scan passes through a tenth of the space.
pub struct BlockCache {
    shards: Box<[RwLock<Shard>]>,
    capacity: u64,
    /// Bytes that open tables hold outside: filters, indexes.
    pinned: AtomicU64,
}

/// What a cache did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found their block.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Blocks that made room for others.
    pub evicted: u64,
    /// Blocks held now.
    pub blocks: u64,
    /// Bytes held now, overhead included.
    pub bytes: u64,
    /// Bytes that open tables hold outside the cache, which are taken off its budget.
    pub pinned: u64,
}

/// What a look-up gives; clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Cached {
    /// A data block or an index partition.
    Block(Arc<Block>),
    /// The filter of an index partition.
    Filter(Arc<Filter>),
    /// A value of a value file.
    Value(Bytes),
}

/// The name of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheKey {
    pub(crate) uid: u64,
    pub(crate) offset: u64,
}

/// Bytes a shard should have at least, so that one large block does not empty it.
const SHARD_BYTES_MIN: u64 = 512 << 10;
const SHARDS_MAX: u64 = 64;

impl BlockCache {
    /// A cache of at most `bytes`; with 0 every look-up misses.
    #[must_use]
    pub fn new(bytes: u64) -> Arc<Self> {
        let count = (bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        // A power of two, rounded down.
        let count = 1 << count.ilog2();
        let shards = (0..count)
            .map(|_| RwLock::new(Shard::new(bytes / count)))
            .collect();
        Arc::new(Self {
            shards,
            capacity: bytes,
            pinned: AtomicU64::new(0),
        })
    }

    /// The budget in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut sum = CacheStats {
            pinned: self.pinned.load(Ordering::Relaxed),
            ..CacheStats::default()
        };
        for shard in &self.shards {
            let one = shard.read().stats();
            sum.hits += one.hits;
            sum.misses += one.misses;
            sum.evicted += one.evicted;
            sum.blocks += one.blocks;
            sum.bytes += one.bytes;
        }
        sum
    }

    /// Readers of one shard do not wait for each other.
    #[inline]
    pub(crate) fn find(&self, key: CacheKey) -> Option<Cached> {
        let hash = key.hash();
        self.shard(hash)?.read().find(key, hash)
    }

    /// Puts a block in; if another thread was first, its block stays.
    pub(crate) fn insert(&self, key: CacheKey, cached: Cached) {
        let hash = key.hash();
        if let Some(shard) = self.shard(hash) {
            shard.write().insert(key, hash, cached);
        }
    }

    /// Takes bytes off the budget that a table holds outside the cache as long as it is open.
    pub(crate) fn pin(&self, bytes: u64) {
        self.pinned.fetch_add(bytes, Ordering::Relaxed);
        self.resize();
    }

    /// As [`pin`](Self::pin), if all pins stay within half the budget; false if not.
    pub(crate) fn try_pin(&self, bytes: u64) -> bool {
        let limit = self.capacity / 2;
        let pinned = self
            .pinned
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |pinned| {
                pinned.checked_add(bytes).filter(|sum| *sum <= limit)
            });
        if pinned.is_ok() {
            self.resize();
        }
        pinned.is_ok()
    }

    /// Gives pinned bytes back to the budget.
    pub(crate) fn unpin(&self, bytes: u64) {
        let before = self.pinned.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "what is unpinned was pinned");
        self.resize();
    }

    /// Gives every shard its part of what the pins leave.
    fn resize(&self) {
        let left = self
            .capacity
            .saturating_sub(self.pinned.load(Ordering::Relaxed));
        for shard in &self.shards {
            shard.write().resize(left / self.shards.len() as u64);
        }
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<Shard>> {
        // The table inside a shard uses the low and the top bits.
        let index = usize::try_from(hash >> 40 & (SHARDS_MAX - 1)).ok()?;
        self.shards.get(index & (self.shards.len() - 1))
    }
}

impl Cached {
    fn weight(&self) -> u64 {
        match self {
            Self::Block(block) => block.weight(),
            Self::Filter(filter) => filter.len() as u64,
            Self::Value(value) => value.len() as u64,
        }
    }
}

impl CacheKey {
    /// A 64×64→128-bit multiplication, folded: all bits of both parts reach all bits of the hash.
    #[inline]
    fn hash(self) -> u64 {
        let a = self.uid ^ 0x9E37_79B9_7F4A_7C15;
        let b = self.offset ^ 0xD1B5_4A32_D192_ED03;
        let wide = u128::from(a) * u128::from(b);
        let [low, high] =
            [wide, wide >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
        (low ^ high).wrapping_mul(0x9FB2_1C65_1E98_DF25) ^ (high >> 29)
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache")
            .field("capacity", &self.capacity)
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
