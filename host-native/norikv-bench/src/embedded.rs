//! The embedded store: filled, read and scanned by threads of this process.

mod engine;
mod jobs;
mod nori;
mod workload;

pub use engine::{Durability, Engine};
pub use nori::Nori;
pub use workload::{KEY_BYTES, SCAN_KEYS, VALUE_BYTES};

use anyhow::Result;
use serde::Serialize;

use crate::measure::{Figure, Times};
use crate::scratch::Scratch;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Keys that are stored; at least 1,000.
    pub keys: u64,
    /// How long each reading workload and each synced fill takes.
    pub times: Times,
    /// Sizes of the store.
    pub sizes: Sizes,
}

/// Sizes of a store, the same for every engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Bytes of writes held in memory before they are written to a table.
    pub memtable_bytes: u64,
    /// Bytes of the cache of blocks.
    pub cache_bytes: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The engine.
    pub engine: &'static str,
    /// Keys that were stored.
    pub keys: u64,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Sizes of the store.
    pub sizes: Sizes,
    /// Each workload.
    pub figures: Vec<Figure>,
    /// What the fill left behind.
    pub load: Load,
}

/// What filling the store cost beyond the puts, and what it takes on disk.
#[derive(Debug, Clone, Serialize)]
pub struct Load {
    /// Bytes of all keys and values.
    pub logical_bytes: u64,
    /// How long flushes and compactions went on after the last put.
    pub settle_seconds: f64,
    /// Processor time of that for one put, in microseconds.
    pub settle_cpu_us: f64,
    /// Bytes handed to write calls for the fill until the store was settled.
    pub written_bytes: u64,
    /// The same, divided by the logical bytes.
    pub write_amplification: f64,
    /// Bytes on disk once settled.
    pub space_bytes: u64,
    /// The same, divided by the logical bytes.
    pub space_amplification: f64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            memtable_bytes: 64 << 20,
            cache_bytes: 64 << 20,
        }
    }
}

/// Measures `E` in `scratch`; `progress` hears what begins.
///
/// # Errors
/// When the engine fails or answers wrongly: there are no figures then.
///
/// # Panics
/// When there are fewer than 1,000 keys.
pub fn run<E: Engine>(
    settings: &Settings,
    scratch: &Scratch,
    progress: &mut dyn FnMut(&str),
) -> Result<Report> {
    assert!(settings.keys >= KEYS_MIN, "too few keys to draw from");
    let folder = scratch.join("embedded");
    std::fs::create_dir(&folder)?;
    progress("nothing");
    let mut figures = vec![workload::nothing(settings)?];
    let engine = E::open(&folder, Durability::Unsynced, &settings.sizes)?;
    progress("fillrandom");
    let (fill, load) = workload::fill_random(&engine, &folder, settings)?;
    figures.push(fill);
    progress("readrandom");
    figures.push(workload::read_random(&engine, settings)?);
    progress("readmissing");
    figures.push(workload::read_missing(&engine, settings)?);
    progress("readhot");
    figures.push(workload::read_hot(&engine, settings)?);
    progress("scan100");
    figures.push(workload::scan(&engine, settings)?);
    drop(engine);
    std::fs::remove_dir_all(&folder)?;
    progress("rawsync");
    figures.push(workload::raw_sync(scratch.path(), settings)?);
    progress("fillsync");
    figures.extend(workload::fill_sync_each::<E>(scratch.path(), settings)?);
    Ok(Report {
        engine: E::NAME,
        keys: settings.keys,
        key_bytes: KEY_BYTES,
        value_bytes: VALUE_BYTES,
        sizes: settings.sizes.clone(),
        figures,
        load,
    })
}

/// Fewest keys that are worth a measurement.
pub const KEYS_MIN: u64 = 1_000;
