//! An ordered key-value engine on block storage.
//!
//! **Invariant: what was acknowledged is read back until it is overwritten or deleted, or a typed
//! error says why not; never an older value, never "not found" for a damaged one.** The engine owns
//! no threads: background work is handed out as [`Job`]s.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod access;
mod backup;
mod batch;
mod checkpoint;
mod collect;
mod compaction;
mod compaction_filter;
mod conflict;
mod cover;
mod cursor;
mod durability;
mod engine;
mod error;
mod event;
mod expiry;
mod fifo;
mod flush;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod guards;
mod heat;
mod ingest;
mod iter;
mod jobs;
mod keyspace;
mod keyspaces;
mod levels;
mod lsm;
mod manifest;
mod memtable;
mod merge;
mod merge_operator;
mod open;
mod options;
mod picking;
#[cfg(feature = "std")]
mod pool;
mod pressure;
mod range_set;
mod rate;
mod reconcile;
mod replace;
mod resolve;
mod rules;
mod run_writer;
mod scrub;
mod shape;
mod size;
mod snapshot;
mod source;
mod space;
mod stats;
mod table_file;
mod transaction;
mod transfer;
mod value_use;
mod value_writer;
mod values;
mod varint;
mod verify;
mod version_edit;
mod view;
mod write;
mod writes;

pub use backup::{Backups, Generation, Pruned};
pub use batch::WriteBatch;
pub use compaction_filter::{CompactionFilter, FilterDecision};
pub use cursor::Cursor;
pub use error::{Damage, Error};
pub use event::Event;
pub use expiry::Expiry;
pub use ingest::Ingestion;
pub use iter::Iter;
pub use jobs::{Job, JobKind, JobState};
pub use keyspace::Keyspace;
pub use lsm::Lsm;
pub use manifest::{EditInfo, ManifestContent, ManifestPart, TableInfo, inspect_manifest};
pub use merge_operator::{MergeOperator, MergeRefused};
pub use nori_sstable::{Compression, SeqNo, TableOptions, VALUE_BYTES_MAX};
pub use nori_wal::SyncPolicy;
pub use options::{Compaction, Log, OpenMode, Options};
pub use pressure::{Pressure, PressureLevel};
pub use resolve::Versioned;
pub use rules::KeyspaceOptions;
pub use scrub::Scrubbed;
pub use snapshot::Snapshot;
pub use stats::{LevelStats, Stats, ValueStats};
pub use transaction::Transaction;
pub use transfer::Progress;
pub use verify::{Finding, Verified, verify_store};

/// Longest batch in bytes: its keys and values and a few bytes for each (8 MiB less 4 KiB).
pub const BATCH_BYTES_MAX: u32 = (8 << 20) - (4 << 10);
/// Longest key in bytes.
pub const KEY_BYTES_MAX: u32 = nori_sstable::KEY_BYTES_MAX - 2;
/// The name of the keyspace that [`Lsm::put`] and its like write to.
pub const DEFAULT_KEYSPACE: &str = "default";
/// The format version of the manifest.
pub const FORMAT_VERSION: u32 = 1;

/// Levels, level 0 included.
const LEVEL_COUNT: usize = 7;
/// The last level.
const LEVEL_MAX: u8 = 6;
/// Lanes of a level below level 0, at most.
const LANES_MAX: u64 = 8;

const _: () = assert!(LEVEL_MAX as usize + 1 == LEVEL_COUNT);
