//! What came of a run of the storage world.

use core::fmt;

use norikv_testkit::DiskCounters;
use norikv_types::Mono;

use super::fault::FaultKind;
use super::world::World;
use super::{StorageConfig, StorageViolation};
use crate::Tally;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageReport {
    /// Its seed.
    pub seed: u64,
    /// Its trace hash: the same on every host.
    pub hash: u64,
    /// Operations carried out.
    pub steps: u64,
    /// Virtual time.
    pub at: Mono,
    /// What happened.
    pub counters: StorageCounters,
    /// What the disk did and suffered.
    pub disk: DiskCounters,
    /// The promise that was broken, if one was.
    pub violation: Option<StorageViolation>,
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageCounters {
    /// Faults that struck.
    pub faults: Tally<FaultKind>,
    /// Batches acknowledged.
    pub writes: u64,
    /// Batches whose write failed.
    pub writes_failed: u64,
    /// Such batches that were there afterwards.
    pub writes_surfaced: u64,
    /// Values compared with the model.
    pub reads: u64,
    /// Openings.
    pub opens: u64,
    /// Openings refused because of damage that was there.
    pub refusals: u64,
    /// Reads refused because of damage that was there.
    pub read_errors: u64,
    /// Acknowledged batches that harm to the disk took.
    pub lost: u64,
    /// Memtables flushed.
    pub flushes: u64,
    /// Compactions.
    pub compactions: u64,
    /// Conflicts, each with somebody.
    pub conflicts: u64,
    /// Transactions that were committed.
    pub transactions: u64,
    /// Checkpoints and backups that were read.
    pub copies: u64,
    /// Times that everything was settled and counted.
    pub settled: u64,
}

/// Carries `config` out.
#[must_use]
pub fn run(config: &StorageConfig) -> StorageReport {
    let mut world = World::new(config);
    let violation = world.run().err();
    world.report(violation)
}

impl StorageCounters {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.faults.add(&other.faults);
        self.writes += other.writes;
        self.writes_failed += other.writes_failed;
        self.writes_surfaced += other.writes_surfaced;
        self.reads += other.reads;
        self.opens += other.opens;
        self.refusals += other.refusals;
        self.read_errors += other.read_errors;
        self.lost += other.lost;
        self.flushes += other.flushes;
        self.compactions += other.compactions;
        self.conflicts += other.conflicts;
        self.transactions += other.transactions;
        self.copies += other.copies;
        self.settled += other.settled;
        self
    }
}

impl fmt::Display for StorageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            hash,
            steps,
            at,
            counters,
            ..
        } = self;
        let faults = counters.faults.total();
        let refused = counters.refusals;
        write!(
            f,
            "storage seed {seed} hash {hash:016x} steps {steps} at {at} writes {} reads {} opens {} refused {refused} faults {faults}",
            counters.writes, counters.reads, counters.opens,
        )?;
        match &self.violation {
            None => f.write_str(" ok"),
            Some(violation) => write!(f, " VIOLATION {violation}"),
        }
    }
}
