//! How a store is opened.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use nori_env::{BlockStore, Owner};
use nori_sstable::TableOptions;
use nori_wal::SyncPolicy;

use crate::BATCH_BYTES_MAX;
use crate::expiry::Expiry;
use crate::rules::KeyspaceOptions;

/// How a store is opened. With `Options::default()` a write that returned is durable; every figure may
/// change from one open to the next.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the store is opened to be written.
    pub mode: OpenMode,
    /// Where writes are before they are in tables.
    pub log: Log,
    /// Bytes at which a memtable is rotated. One batch may exceed it.
    pub memtable_bytes: u64,
    /// Rotated memtables that may wait for their flush before writes stall; at least 1.
    pub memtables_waiting_max: u32,
    /// Runs of level 0 at which they are compacted into level 1; at least 1.
    pub fresh_runs_min: u32,
    /// Runs of level 0 at which writes stall; above `fresh_runs_min`.
    pub fresh_runs_max: u32,
    /// Bytes that a level above the last is worth having for.
    pub level_base_bytes: u64,
    /// How many times larger each further level may be; at least 2.
    pub level_ratio: u32,
    /// Bytes at which compaction cuts a table, what a slot holds; a value file is cut there too.
    pub table_bytes: u64,
    /// Bytes of the block cache that all tables share.
    pub cache_bytes: u64,
    /// How tables are merged as they age.
    pub compaction: Compaction,
    /// How tables are built. A prefix extractor is given keys as their writers name them; iterators
    /// over a prefix then pass by the tables whose filters do not know it.
    pub table: TableOptions,
    /// Bytes from which on a value lies in a value file and its key's table only points to it, so that
    /// compactions do not rewrite it; `None`: all lie in tables. Counts for what flushes and
    /// compactions write from now on; operands of merges always lie in tables.
    pub value_separation: Option<u32>,
    /// Bytes at which the manifest is written anew.
    pub manifest_bytes: u64,
    /// What a write waits for, with a log of its own. With `Interval` and `Never` a write that returned
    /// survives the end of the process, but a power cut may take what lies above
    /// [`Lsm::durable_seqno`](crate::Lsm::durable_seqno); what is left is a prefix without holes.
    pub sync: SyncPolicy,
    /// Bytes of a segment of the log, for a log of its own; a segment holds at least the longest batch.
    pub log_segment_bytes: u64,
    /// Batches of at least this many bytes are compressed in a log of its own, if that makes them
    /// shorter by an eighth; `None`: none are.
    pub log_compress_min: Option<u32>,
    /// Longest batch in bytes: its keys and values and a few bytes for each; at most
    /// [`BATCH_BYTES_MAX`].
    pub batch_bytes_max: u32,
    /// How long to leave a job alone that failed; doubled with each failure, up to 64 times.
    pub retry: Duration,
    /// How keyspaces are treated, by name; the one that [`Lsm::put`](crate::Lsm::put) writes to is
    /// [`DEFAULT_KEYSPACE`](crate::DEFAULT_KEYSPACE).
    pub keyspaces: BTreeMap<String, KeyspaceOptions>,
    /// Whose time says what is expired.
    pub expiry: Expiry,
    /// Who takes the lock of the store; `None` draws a new owner. A host that has acquired it
    /// itself names itself here.
    pub owner: Option<Owner>,
    /// Threads for background work, where the store starts its own: with `Lsm::open`. With none,
    /// writers do it when they have to.
    pub threads: u32,
    /// Bytes that compactions read in a second, so that they leave the disk to others; 0: as fast as
    /// they can. Flushes are not held back, nor is a writer that would stall otherwise.
    pub compaction_bytes_per_second: u64,
    /// Bytes of live tables that a job of the lowest priority reads a second to find damage; 0: none.
    pub scrub_bytes_per_second: u64,
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading and writing; the store is made if it is not there.
    ReadWrite,
    /// Only reading. Takes no lock and writes nothing, so that a read-only file system will do;
    /// the log is replayed in memory. Nobody may write the store meanwhile: beside a writer, open a
    /// checkpoint of it.
    ReadOnly,
}

/// Where writes are before they are in tables.
#[derive(Debug, Clone)]
pub enum Log {
    /// In a log of the store's own, among its tables. A write that returned is as durable as
    /// [`Options::sync`] says.
    Inside,
    /// In a log of the store's own, on other objects.
    Own(Arc<dyn BlockStore>),
    /// In the caller's log: after a crash writes above [`Lsm::flushed_seqno`](crate::Lsm::flushed_seqno)
    /// are gone, and the caller writes them again.
    External,
}

/// How tables are merged as they age: what is saved in writing is paid in reading or in space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compaction {
    /// Each part of the key space for itself as a cost model has it: what is read much is kept in
    /// one run a level, what is written much in several.
    Adaptive,
    /// One run a level: least to search and least space, most rewriting.
    Leveled,
    /// As many runs a level as lanes allow: least rewriting, most to search.
    Tiered {
        /// In the last level too, which then may take a multiple of the space.
        last: bool,
    },
    /// Nothing is brought in order; the oldest tables are dropped whole, and what was in them reads
    /// as not found. Operands stay where the value below them is dropped. Of runs of level 0 beyond
    /// `fresh_runs_min`, here at least 2, the two neighbours that are smallest are merged. What
    /// another style brought in order counts as older than all that is written since.
    Fifo {
        /// What tables may take, a run more while a job is under way.
        bytes_max: u64,
        /// Tables are dropped too once all that is in them was written this long ago, by the wall
        /// clock. What was flushed without a ttl is as old as the first opening with one.
        ttl: Option<Duration>,
    },
}

impl Options {
    /// These options with memtables and cache that take about `bytes` together: half is for the memtable
    /// that is written and up to three that wait for their flush, half for the cache, from which
    /// filters and indexes are taken too. What jobs under way and one batch take comes on top.
    ///
    /// # Panics
    /// With less than [`MEMORY_BYTES_MIN`](Self::MEMORY_BYTES_MIN).
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        assert!(
            bytes >= Self::MEMORY_BYTES_MIN,
            "a store takes MEMORY_BYTES_MIN of memory at least"
        );
        Self {
            memtable_bytes: bytes / 8,
            memtables_waiting_max: 3,
            cache_bytes: bytes / 2,
            ..self
        }
    }

    /// The least that [`with_memory`](Self::with_memory) can share out.
    pub const MEMORY_BYTES_MIN: u64 = 64 << 10;

    /// # Panics
    /// When a figure is outside its documented range.
    pub(crate) fn check(&self) {
        assert!(
            self.memtables_waiting_max >= 1,
            "memtables_waiting_max is at least 1"
        );
        assert!(self.fresh_runs_min >= 1, "fresh_runs_min is at least 1");
        assert!(
            self.fresh_runs_max > self.fresh_runs_min,
            "fresh_runs_max is above fresh_runs_min"
        );
        // A single run of all that is there could not be dropped by age.
        let is_fifo = matches!(self.compaction, Compaction::Fifo { .. });
        assert!(
            !is_fifo || self.fresh_runs_min >= 2,
            "with Fifo fresh_runs_min is at least 2"
        );
        assert!(self.level_ratio >= 2, "level_ratio is at least 2");
        assert!(self.level_base_bytes >= 1, "level_base_bytes is at least 1");
        assert!(
            self.batch_bytes_max <= BATCH_BYTES_MAX,
            "batch_bytes_max is at most BATCH_BYTES_MAX"
        );
    }
}

impl Default for Options {
    /// A log of its own; memtables of 64 MiB, four of them waiting; level 0 compacted at 4 runs,
    /// stalled at 20; level 1 of 256 MiB, ratio 10; tables of 64 MiB; 64 MiB of cache; two threads;
    /// group sync.
    fn default() -> Self {
        Self {
            mode: OpenMode::ReadWrite,
            log: Log::Inside,
            memtable_bytes: 64 << 20,
            memtables_waiting_max: 4,
            fresh_runs_min: 4,
            fresh_runs_max: 20,
            level_base_bytes: 256 << 20,
            level_ratio: 10,
            table_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            compaction: Compaction::Adaptive,
            table: TableOptions::default(),
            value_separation: None,
            manifest_bytes: 4 << 20,
            sync: SyncPolicy::Group,
            log_segment_bytes: 128 << 20,
            log_compress_min: None,
            batch_bytes_max: BATCH_BYTES_MAX,
            retry: Duration::from_millis(250),
            keyspaces: BTreeMap::new(),
            expiry: Expiry::Wall,
            owner: None,
            threads: 2,
            compaction_bytes_per_second: 0,
            scrub_bytes_per_second: 0,
        }
    }
}
