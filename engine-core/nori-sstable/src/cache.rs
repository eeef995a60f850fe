//! The one cache of blocks that all tables share.
//!
//! **Invariant: what is in the cache was verified, and the cache holds at most its budget.** A
//! block is found by (table uid, offset); uids are never reused, so a deleted table's blocks can
//! only age out. Which blocks stay depends on the order of look-ups alone.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use nori_env::sync::Mutex;

use crate::{block::Block, cache::shard::Shard};

mod shard;

/// A sharded S3-FIFO cache weighted by bytes: a block has to be asked for twice before it displaces
/// others that were, so that a scan passes through a tenth of the space.
pub struct BlockCache {
    shards: Box<[Mutex<Shard>]>,
    capacity: u64,
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
            .map(|_| Mutex::new(Shard::new(bytes / count)))
            .collect();
        Arc::new(Self {
            shards,
            capacity: bytes,
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
        let mut sum = CacheStats::default();
        for shard in &self.shards {
            let one = shard.lock().stats();
            sum.hits += one.hits;
            sum.misses += one.misses;
            sum.evicted += one.evicted;
            sum.blocks += one.blocks;
            sum.bytes += one.bytes;
        }
        sum
    }

    pub(crate) fn find(&self, key: CacheKey) -> Option<Block> {
        let hash = key.hash();
        self.shard(hash)?.lock().find(key, hash)
    }

    /// Puts a block in; if another thread was first, its block stays.
    pub(crate) fn insert(&self, key: CacheKey, block: &Block) {
        let hash = key.hash();
        if let Some(shard) = self.shard(hash) {
            shard.lock().insert(key, hash, block);
        }
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The table inside a shard uses the low and the top bits.
        let index = usize::try_from(hash >> 40 & (SHARDS_MAX - 1)).ok()?;
        self.shards.get(index & (self.shards.len() - 1))
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
