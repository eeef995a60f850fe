//! What every measured engine can do.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// An ordered key-value engine in this process. One implementation an engine; the workloads know
/// nothing else of it.
pub trait Engine: Send + Sync {
    /// Sets `key` to `value`: a transaction of its own.
    ///
    /// # Errors
    /// The engine's.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Sets many keys in one transaction: how a store is loaded where the load is not the figure.
    ///
    /// # Errors
    /// The engine's.
    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()>;

    /// Removes `key`: a transaction of its own.
    ///
    /// # Errors
    /// The engine's.
    fn delete(&self, key: &[u8]) -> Result<()>;

    /// Shows `seen` the value of `key`, copied as little as the engine allows; false when there is
    /// none.
    ///
    /// # Errors
    /// The engine's.
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Shows `seen` the first `limit` keys at or after `from` with their values, as of one moment.
    ///
    /// # Errors
    /// The engine's.
    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()>;

    /// Writes everything to tables (or whatever the engine has) and waits until no background
    /// work is left.
    ///
    /// # Errors
    /// The engine's, also of background work since the store was opened.
    fn settle(&self) -> Result<()>;
}

/// What a put that has returned survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process: every write is handed to the operating system before it returns.
    /// The loss of power may take it.
    Unsynced,
    /// The loss of power: a log is written and synced before a put returns.
    Synced,
}

/// Sizes of a store, the same for every engine that has what they speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Bytes of writes held in memory before they are written to a table.
    pub memtable_bytes: u64,
    /// Bytes of the cache of blocks, or of pages.
    pub cache_bytes: u64,
    /// Bytes of a table; the first level below the freshly flushed ones holds four of them, each
    /// further level ten times as much.
    pub table_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            memtable_bytes: 16 << 20,
            cache_bytes: 64 << 20,
            table_bytes: 16 << 20,
        }
    }
}

/// The engines that this build has.
#[derive(Debug, Clone, Copy)]
pub struct EngineKind {
    /// What the tables call it, and `--engines`.
    pub name: &'static str,
    /// Its version, as far as it is known.
    pub version: &'static str,
    /// Whether it is a log-structured merge tree: those have flushes and compactions to measure.
    pub is_lsm: bool,
    open: fn(&Path, Durability, &Sizes) -> Result<Box<dyn Engine>>,
}

impl EngineKind {
    /// A new store in the empty folder `folder`.
    ///
    /// # Errors
    /// The engine's.
    pub fn open(
        &self,
        folder: &Path,
        durability: Durability,
        sizes: &Sizes,
    ) -> Result<Box<dyn Engine>> {
        std::fs::create_dir_all(folder)?;
        (self.open)(folder, durability, sizes).with_context(|| format!("opening {}", self.name))
    }

    /// The engine that is called `name`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let known = ENGINES.iter().chain(VARIANTS);
        known.copied().find(|engine| engine.name == name)
    }
}

/// Engines that are measured only where `--engines` names them.
pub const VARIANTS: &[EngineKind] = &[EngineKind {
    name: "nori-values",
    version: env!("CARGO_PKG_VERSION"),
    is_lsm: true,
    open: super::engines::nori::open_separated,
}];

/// Every engine that this build has: ours first, others where their feature is on.
pub const ENGINES: &[EngineKind] = &[
    EngineKind {
        name: "nori",
        version: env!("CARGO_PKG_VERSION"),
        is_lsm: true,
        open: super::engines::nori::open,
    },
    #[cfg(feature = "fjall")]
    EngineKind {
        name: "fjall",
        version: "3.1",
        is_lsm: true,
        open: super::engines::fjall::open,
    },
    #[cfg(feature = "rocksdb")]
    EngineKind {
        name: "rocksdb",
        version: "of the system",
        is_lsm: true,
        open: super::engines::rocksdb::open,
    },
    #[cfg(feature = "redb")]
    EngineKind {
        name: "redb",
        version: "4.6",
        is_lsm: false,
        open: super::engines::redb::open,
    },
    #[cfg(feature = "lmdb")]
    EngineKind {
        name: "lmdb",
        version: "0.9 (heed 0.23)",
        is_lsm: false,
        open: super::engines::lmdb::open,
    },
];
