//! What came of a run.

use core::fmt;

use norikv_testkit::{DiskCounters, NetworkCounters};
use norikv_types::Mono;
use serde::Serialize;

use crate::cluster::client::ClientCounters;
use crate::cluster::{Coverage, OperatorCounters, Salvaged, SimConfig, Simulation, Violation};

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Its trace hash: the same on every host.
    pub hash: u64,
    /// Steps.
    pub steps: u64,
    /// What went into nodes and what came out of them.
    pub trace_events: u64,
    /// Virtual time, in nanoseconds.
    pub at: Mono,
    /// How operations ended.
    pub clients: ClientCounters,
    /// Faults that struck, and in which states.
    pub coverage: Coverage,
    /// Strikes that were held back, since too few good copies would have been left.
    pub held_back: u64,
    /// Nodes that found that their disks had lost something for good.
    pub detected: u64,
    /// What came of damage in logs.
    pub salvaged: Salvaged,
    /// How many milliseconds after everything needed was healed the last group had a leader that
    /// commits; the longest time where a run is healed twice, `None` where nothing was.
    pub leader_after_ms: Option<u64>,
    /// How often replicas fell asleep.
    pub slept: u64,
    /// How often they woke.
    pub woke: u64,
    /// How often snapshots were installed.
    pub snapshots_installed: u64,
    /// How often one went on where it had stood still on its way.
    pub snapshots_resumed: u64,
    /// What the operator got done.
    pub operator: OperatorCounters,
    /// What the network did.
    pub network: NetworkCounters,
    /// What the disks of all nodes did and suffered.
    pub disks: DiskCounters,
    /// A key at which the checker met its limit: neither right nor wrong.
    pub undecided_key: Option<u32>,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
}

/// Runs the standard swarm of a seed to its end. The one function that every host calls.
#[must_use]
pub fn run_seed(seed: u64) -> Report {
    run(SimConfig::standard(seed))
}

/// Runs a configuration to its end: through its plan, until the cluster has come to rest, and
/// judges it. Clients do what they like only as long as the plan goes.
#[must_use]
pub fn run(config: SimConfig) -> Report {
    let mut world = Simulation::new(config);
    world.run_to_the_end();
    world.report()
}

impl Simulation {
    /// What came of the run so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut disks = DiskCounters::default();
        for host in &self.hosts {
            disks += host.log_disk.counters();
            disks += host.data_disk.counters();
        }
        Report {
            seed: self.config.seed,
            hash: self.trace_hash(),
            steps: self.steps,
            trace_events: self.trace.events(),
            at: self.now,
            clients: self.clients.counters,
            coverage: self.nemesis.coverage.clone(),
            held_back: self.nemesis.held_back,
            detected: self.nemesis.detected,
            salvaged: self.nemesis.salvaged,
            leader_after_ms: self.convergence.after_ms.iter().copied().max(),
            slept: self.slept,
            woke: self.woke,
            snapshots_installed: self.snapshots_installed,
            snapshots_resumed: self.snapshots_resumed,
            operator: self.operator.counters,
            network: self.network.counters(),
            disks,
            undecided_key: self.undecided_key,
            violation: self.violation.clone(),
        }
    }
}

impl fmt::Display for Report {
    /// One line, and where a promise was broken, which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} hash {:016x}: {} steps in {} s, {} operations ({} refused, {} unknown)",
            self.seed,
            self.hash,
            self.steps,
            self.at,
            self.clients.invoked,
            self.clients.refused,
            self.clients.unknown
        )?;
        for (kind, count) in self.coverage.faults.iter() {
            write!(f, ", {count} {kind:?}")?;
        }
        if let Some(after_ms) = self.leader_after_ms {
            write!(f, ", leaders in {after_ms} ms")?;
        }
        if let Some(key) = self.undecided_key {
            write!(f, "; key {key} undecided")?;
        }
        if let Some(violation) = &self.violation {
            write!(f, "\nVIOLATION: {violation}")?;
        }
        Ok(())
    }
}
