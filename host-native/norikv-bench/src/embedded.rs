//! Embedded engines side by side: filled, read, scanned and synced, each in processes of its own.

mod args;
mod cell;
mod engine;
mod engines;
mod group;
mod groups;
mod plot;
mod rounds;
mod session;
mod summary;
mod tables;
mod workload;

pub use args::EmbeddedArgs;
pub use cell::{KEYS_MIN, run_cell};
pub use engine::{Durability, ENGINES, Engine, EngineKind, Sizes, VARIANTS};
pub use group::{GROUPS, Group, Measured};
pub use groups::VALUE_BYTES;
pub use session::KEY_BYTES;
pub use summary::{Failure, LoadRow, Memory, Row, Spread, SyncCount};
pub use workload::Load;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::machine::Machine;
use crate::scratch::Scratch;

/// What is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Engines by name; all of this build when there is none.
    pub engines: Vec<String>,
    /// Workloads, groups of them, or beginnings of their names; all when there is none.
    pub workloads: Vec<String>,
    /// How often each engine runs each group.
    pub rounds: u32,
    /// Keys of a store.
    pub keys: u64,
    /// How long each timed workload takes; counted ones are cut short after five times as long.
    pub seconds: f64,
    /// Sizes of a store.
    pub sizes: Sizes,
    /// Whether to count syncs with `perf`, where it is there.
    pub counts_syncs: bool,
    /// The arguments that make this program call [`run_cell`] with the argument after them.
    pub cell_command: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of NoriKV.
    pub version: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// The machine's load while it ran: smallest, median and largest.
    pub load: Option<Spread>,
    /// Engines and their versions.
    pub engines: Vec<(String, String)>,
    /// Rounds.
    pub rounds: u32,
    /// Keys of a store.
    pub keys: u64,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value, where the workload does not say otherwise.
    pub value_bytes: usize,
    /// How long each timed workload was measured, in seconds.
    pub seconds: f64,
    /// Sizes of a store.
    pub sizes: Sizes,
    /// A row for each workload and engine.
    pub rows: Vec<Row>,
    /// Syncs for each commit.
    pub syncs: Vec<SyncCount>,
    /// Peak memory.
    pub memory: Vec<Memory>,
    /// What failed: an engine that answered wrongly is among them.
    pub failures: Vec<Failure>,
}

impl Default for Settings {
    /// Everything, three rounds of 300,000 keys: about ten minutes with five engines.
    fn default() -> Self {
        Self {
            engines: Vec::new(),
            workloads: Vec::new(),
            rounds: 3,
            keys: 300_000,
            seconds: 0.6,
            sizes: Sizes::default(),
            counts_syncs: true,
            cell_command: vec!["cell".to_owned()],
        }
    }
}

impl Settings {
    /// The engines that are asked for.
    fn engines(&self) -> Result<Vec<EngineKind>> {
        if self.engines.is_empty() {
            return Ok(ENGINES.to_vec());
        }
        let by_name = |name: &String| {
            let known = ENGINES.iter().chain(VARIANTS);
            let known: Vec<_> = known.map(|engine| engine.name).collect();
            EngineKind::by_name(name)
                .with_context(|| format!("this build has no {name}, but {}", known.join(", ")))
        };
        self.engines.iter().map(by_name).collect()
    }

    /// The groups with the workloads that are asked for.
    fn groups(&self) -> Result<Vec<Group>> {
        let is_wanted = |group: &&Group| {
            let names = || std::iter::once(&group.name).chain(group.workloads);
            let mut wanted = self.workloads.iter();
            self.workloads.is_empty()
                || wanted.any(|wanted| names().any(|name| name.starts_with(wanted.as_str())))
        };
        let groups: Vec<Group> = GROUPS.iter().filter(is_wanted).copied().collect();
        ensure!(
            !groups.is_empty(),
            "no workload is called {}",
            self.workloads.join(" or ")
        );
        Ok(groups)
    }
}

/// Measures engines in `scratch`; `progress` hears what begins, and which share is done.
///
/// # Errors
/// When there is nothing to run. What fails while it runs is in the report.
pub fn run(
    settings: &Settings,
    scratch: &Scratch,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Report> {
    cell::check(settings.keys, settings.seconds)?;
    let machine = Machine::of(scratch.path());
    let results = rounds::run(settings, scratch, progress)?;
    let engines = settings.engines()?.into_iter();
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        machine,
        load: Spread::of(results.loads.iter().copied()),
        engines: engines
            .map(|engine| (engine.name.to_owned(), engine.version.to_owned()))
            .collect(),
        rounds: settings.rounds,
        keys: settings.keys,
        key_bytes: KEY_BYTES,
        value_bytes: VALUE_BYTES,
        seconds: settings.seconds,
        sizes: settings.sizes,
        rows: results.rows(),
        memory: results.memory(),
        syncs: results.syncs,
        failures: results.failures,
    })
}
