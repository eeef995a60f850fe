//! The engines, each behind the same trait.
//!
//! **Invariant: the settings mean the same everywhere.** Unsynced: a write is handed to the
//! operating system before it returns. Synced: an `fdatasync` (or what the engine takes for it) lies
//! between a write and its return. Memtable, cache, table and block sizes, LZ4, filters of 10 bits
//! and two threads of background work are given to every engine that has them.

#[cfg(feature = "fjall")]
pub(super) mod fjall;
#[cfg(feature = "lmdb")]
pub(super) mod lmdb;
pub(super) mod nori;
#[cfg(feature = "redb")]
pub(super) mod redb;
#[cfg(feature = "rocksdb")]
pub(super) mod rocksdb;

/// Threads for flushes and compactions.
const BACKGROUND_THREADS: u32 = 2;
/// Bytes of a data block.
#[cfg(any(feature = "fjall", feature = "rocksdb"))]
const BLOCK_BYTES: u32 = 4096;
/// Filter bits for each key.
#[cfg(any(feature = "fjall", feature = "rocksdb"))]
const FILTER_BITS: f32 = 10.0;
/// Runs of level 0 at which they are compacted.
#[cfg(any(feature = "fjall", feature = "rocksdb"))]
const FRESH_RUNS: u8 = 4;
