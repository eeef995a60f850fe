//! What came of a run of the gossip world.

use core::fmt;
use core::time::Duration;

use norikv_testkit::NetworkCounters;
use norikv_types::Mono;

use super::fault::GossipKind;
use super::figures::Figures;
use super::world::World;
use super::{GossipConfig, GossipViolation};
use crate::Tally;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipReport {
    /// Its seed.
    pub seed: u64,
    /// Its trace hash: the same on every host.
    pub hash: u64,
    /// Inputs that members took.
    pub steps: u64,
    /// Virtual time.
    pub at: Mono,
    /// How long after the last fault all views were right.
    pub settled_after: Duration,
    /// What happened.
    pub counters: GossipCounters,
    /// What the network did.
    pub network: NetworkCounters,
    /// How fast news of deaths travelled.
    pub figures: Figures,
    /// The promise that was broken, if one was.
    pub violation: Option<GossipViolation>,
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GossipCounters {
    /// Faults that struck.
    pub faults: Tally<GossipKind>,
    /// Packets handed out.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Suspicions told, by all members together.
    pub suspicions: u64,
    /// Verdicts told about members that ran.
    pub false_verdicts: u64,
    /// Refutations.
    pub refutations: u64,
}

/// Carries `config` out.
#[must_use]
pub fn run(config: &GossipConfig) -> GossipReport {
    let mut world = World::new(config);
    let violation = world.run().err();
    world.report(violation)
}

impl GossipCounters {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.faults.add(&other.faults);
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.suspicions += other.suspicions;
        self.false_verdicts += other.false_verdicts;
        self.refutations += other.refutations;
        self
    }
}

impl fmt::Display for GossipReport {
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
        write!(
            f,
            "gossip seed {seed} hash {hash:016x} steps {steps} at {at} packets {} faults {faults} false verdicts {} settled after {} ms; {}",
            counters.packets,
            counters.false_verdicts,
            self.settled_after.as_millis(),
            self.figures,
        )?;
        match &self.violation {
            None => f.write_str(" ok"),
            Some(violation) => write!(f, " VIOLATION {violation}"),
        }
    }
}
