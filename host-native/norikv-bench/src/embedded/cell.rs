//! One engine, one group of workloads, one process.
//!
//! **Invariant: a cell's process does nothing else**, so that its memory, its processor time and its
//! bytes are the engine's (and the checks').

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::engine::{Durability, EngineKind, Sizes};
use super::group::{Cell, Group, Measured};
use super::groups::VALUE_BYTES;
use super::workload;
use crate::measure::Times;
use crate::usage::peak_memory_bytes;

/// What a cell is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CellSpec {
    pub(super) engine: String,
    pub(super) work: Work,
    pub(super) folder: PathBuf,
    pub(super) keys: u64,
    pub(super) seconds: f64,
    pub(super) sizes: Sizes,
    pub(super) workloads: Vec<String>,
}

/// What a cell does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Work {
    /// Measures a group of workloads.
    Group(String),
    /// Opens a store and puts this many keys from this many threads, synced, while somebody outside
    /// counts its syncs.
    Puts { count: u64, threads: u32 },
}

/// What a cell answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CellReport {
    pub(super) measured: Measured,
    pub(super) peak_memory_bytes: u64,
}

/// Does what `spec` says, a line of JSON that [`run`](super::run) made, and writes the answer to
/// `out`: the hidden command that a cell's process is started with.
///
/// # Errors
/// When the engine fails or answers wrongly: there are no figures then.
pub fn run_cell(spec: &str, out: &mut dyn Write) -> Result<()> {
    let spec: CellSpec = serde_json::from_str(spec).context("reading what to do")?;
    let engine = EngineKind::by_name(&spec.engine);
    let engine = engine.with_context(|| format!("this build has no {}", spec.engine))?;
    let measured = match &spec.work {
        Work::Group(name) => {
            let group = Group::by_name(name).with_context(|| format!("there is no {name}"))?;
            group.run(&spec.cell(engine, group.name))?
        }
        Work::Puts { count, threads } => {
            let store = engine.open(&spec.folder, Durability::Synced, &spec.sizes)?;
            workload::put_synced(store.as_ref(), *count, *threads, VALUE_BYTES)?;
            Measured::default()
        }
    };
    let report = CellReport {
        measured,
        peak_memory_bytes: peak_memory_bytes(),
    };
    serde_json::to_writer(&mut *out, &report)?;
    writeln!(out)?;
    Ok(())
}

impl CellSpec {
    fn cell(&self, engine: EngineKind, group: &'static str) -> Cell {
        Cell {
            group,
            engine,
            folder: self.folder.clone(),
            keys: self.keys,
            times: Times {
                measured: Duration::from_secs_f64(self.seconds),
                warm_up: Duration::from_secs_f64(self.seconds / 5.0),
            },
            limit: Duration::from_secs_f64(self.seconds * LIMIT),
            sizes: self.sizes,
            workloads: self.workloads.clone(),
        }
    }
}

/// Checks what a user asks for before anything runs.
pub(super) fn check(keys: u64, seconds: f64) -> Result<()> {
    ensure!(keys >= KEYS_MIN, "at least {KEYS_MIN} keys");
    ensure!(
        (0.01..=3_600.0).contains(&seconds),
        "seconds are between 0.01 and 3600"
    );
    Ok(())
}

/// How often longer than a timed workload a counted one may take before it is cut short.
const LIMIT: f64 = 5.0;
/// Fewest keys that are worth a measurement.
pub const KEYS_MIN: u64 = 1_000;
