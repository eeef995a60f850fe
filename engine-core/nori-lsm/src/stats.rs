//! Figures about a store.

use alloc::vec::Vec;

use nori_env::sync::{AtomicU64, Ordering};
use nori_sstable::SeqNo;

use crate::LEVEL_COUNT;
use crate::value_writer::ValueWriter;

/// Figures about a store at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// By level, level 0 first.
    pub levels: Vec<LevelStats>,
    /// Bytes of all memtables: keys, values and a constant an entry.
    pub memtable_bytes: u64,
    /// Bytes of the cache: blocks, filters and indexes.
    pub cache_bytes: u64,
    /// Rotated memtables that wait for their flush.
    pub memtables_waiting: u32,
    /// The last write that readers see.
    pub visible_seqno: SeqNo,
    /// Everything at or below is in tables.
    pub flushed_seqno: SeqNo,
    /// Memtables flushed since the store was opened.
    pub flushes: u64,
    /// Compactions since the store was opened, moves included.
    pub compactions: u64,
    /// Compactions that only moved tables.
    pub moves: u64,
    /// Bytes of batches written since the store was opened.
    pub user_bytes: u64,
    /// Bytes of tables and value files written by flushes.
    pub flush_bytes: u64,
    /// Bytes of tables and value files written by compactions.
    pub compaction_bytes: u64,
    /// What lies outside of tables.
    pub values: ValueStats,
    /// Look-ups in the tables that were counted, one in 64.
    pub sampled_gets: u64,
    /// Runs that these found over their keys.
    pub sampled_runs: u64,
    /// Jobs that failed and were or will be tried again.
    pub failures: u64,
    /// Writes that had to wait for background work, or do it.
    pub stalls: u64,
    /// Times that writes were slowed down, so as not to stall.
    pub delays: u64,
}

/// Figures about one level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LevelStats {
    /// Sorted runs: in level 0 up to many, below the lanes.
    pub runs: u32,
    /// Tables.
    pub tables: u32,
    /// Bytes of the tables.
    pub bytes: u64,
    /// Parts of the key space that are compacted each for itself; 1 in level 0.
    pub slots: u32,
    /// Bytes of tables of this level that flushes and compactions wrote since the store was opened.
    pub written_bytes: u64,
    /// Bytes of tables of this level that compactions read since then.
    pub read_bytes: u64,
}

/// Figures about value files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueStats {
    /// Value files.
    pub files: u32,
    /// Bytes of the values in them.
    pub bytes: u64,
    /// Of these, the bytes that tables point to; the others are garbage.
    pub referenced_bytes: u64,
    /// Bytes of value files that flushes and compactions wrote since the store was opened.
    pub written_bytes: u64,
    /// Bytes of values that compactions moved since then, so that files with much garbage could go.
    pub relocated_bytes: u64,
}

impl Stats {
    /// Bytes of tables and value files written for a hundred bytes of batches, since the store was opened.
    #[must_use]
    pub fn write_amplification_percent(&self) -> u64 {
        (self.flush_bytes + self.compaction_bytes) * 100 / self.user_bytes.max(1)
    }

    /// Runs that a look-up in the tables finds over its key, in hundredths: of those that were
    /// counted, one in 64.
    #[must_use]
    pub fn read_amplification_percent(&self) -> u64 {
        self.sampled_runs * 100 / self.sampled_gets.max(1)
    }

    /// Bytes of all tables and value files for a hundred in the last level and what tables point
    /// to: what space is lost to versions and tombstones that are not merged yet, at most, and to
    /// values that nobody needs.
    #[must_use]
    pub fn space_amplification_percent(&self) -> u64 {
        let all: u64 = self.levels.iter().map(|level| level.bytes).sum();
        let last = self.levels.last().map_or(0, |level| level.bytes);
        let values = self.values;
        (all + values.bytes) * 100 / (last + values.referenced_bytes).max(1)
    }
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) flushes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) moves: AtomicU64,
    pub(crate) user_bytes: AtomicU64,
    pub(crate) flush_bytes: AtomicU64,
    pub(crate) compaction_bytes: AtomicU64,
    pub(crate) value_bytes: AtomicU64,
    pub(crate) relocated_bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) stalls: AtomicU64,
    pub(crate) delays: AtomicU64,
    /// By level.
    pub(crate) written_bytes: [AtomicU64; LEVEL_COUNT],
    pub(crate) read_bytes: [AtomicU64; LEVEL_COUNT],
}

impl Counters {
    pub(crate) fn flushed(&self, bytes: u64) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flush_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.written_bytes[0].fetch_add(bytes, Ordering::Relaxed);
    }

    /// What a flush or compaction put into value files.
    pub(crate) fn separated(&self, values: &ValueWriter) {
        self.value_bytes
            .fetch_add(values.bytes(), Ordering::Relaxed);
        let moved = values.relocated_bytes();
        self.relocated_bytes.fetch_add(moved, Ordering::Relaxed);
    }

    /// Tables of `bytes` were written to `level`.
    pub(crate) fn compacted(&self, level: u8, bytes: u64, is_move: bool) {
        self.compactions.fetch_add(1, Ordering::Relaxed);
        self.moves.fetch_add(u64::from(is_move), Ordering::Relaxed);
        self.compaction_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.written_bytes[usize::from(level)].fetch_add(bytes, Ordering::Relaxed);
    }

    /// A table of `bytes` of `level` was merged.
    pub(crate) fn merged(&self, level: u8, bytes: u64) {
        self.read_bytes[usize::from(level)].fetch_add(bytes, Ordering::Relaxed);
    }
}
