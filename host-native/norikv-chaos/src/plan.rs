//! What will be done when.
//!
//! **Invariant: a plan is a function of the seed and the options.** The run is not: real processes
//! have their own clocks, so the same plan gives another history each time.

use std::fmt;
use std::time::Duration;

use norikv_types::Prng;

use crate::fault::{Fault, Kind, Lane};

/// Everything that will be done, in four lanes that run side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Faults of processes and disks, one after the other.
    pub processes: Vec<Planned>,
    /// Faults of links; those of one lane overlap with those of the other.
    pub network: [Vec<Planned>; 2],
    /// What an operator moves.
    pub moves: Vec<Planned>,
}

/// One fault of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it begins, since the run began. Later, when the one before it took longer.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What is done.
    pub fault: Fault,
}

/// What a plan is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Nodes.
    pub nodes: u64,
    /// Raft groups.
    pub groups: u32,
    /// How long faults go on.
    pub duration: Duration,
    /// How they follow each other.
    pub pace: Pace,
    /// Whether disks can be filled.
    pub disks: bool,
}

/// How long faults and the pauses between them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    lasts: (Duration, Duration),
    gap: (Duration, Duration),
    /// How long a disk stays full at least, when its node does not end of it.
    pub(crate) full: Duration,
}

impl Pace {
    /// For a run of minutes: 1.2–7 s each, pauses of 0.5–5 s. A node may stand still for longer
    /// than leases, elections and connections last.
    pub const STEADY: Self = Self {
        lasts: (Duration::from_millis(1_200), Duration::from_millis(7_000)),
        gap: (Duration::from_millis(500), Duration::from_millis(5_000)),
        full: Duration::from_secs(12),
    };
    /// For a run of seconds: each kind once in about twenty.
    pub const SHORT: Self = Self {
        lasts: (Duration::from_millis(900), Duration::from_millis(1_300)),
        gap: (Duration::from_millis(200), Duration::from_millis(700)),
        full: Duration::from_secs(4),
    };
}

impl Plan {
    /// The plan of a seed. The first faults are one of each kind, in an order that the seed draws.
    #[must_use]
    pub fn draw(seed: u64, scope: &Scope) -> Self {
        let mut prng = Prng::new(seed);
        let mut kinds_of = |lane: Lane| {
            let mut kinds: Vec<Kind> = Kind::ALL
                .into_iter()
                .filter(|kind| kind.lane() == lane)
                .filter(|kind| scope.disks || *kind != Kind::FillDisk)
                .collect();
            prng.shuffle(&mut kinds);
            kinds
        };
        let processes = kinds_of(Lane::Processes);
        let mut network = kinds_of(Lane::Network);
        let moves = kinds_of(Lane::Moves);
        let second = network.split_off(network.len() / 2);
        let all: Vec<Kind> = network.iter().chain(&second).copied().collect();
        Self {
            network: [
                lane(&mut prng.fork(), scope, &network, &all),
                lane(&mut prng.fork(), scope, &second, &all),
            ],
            processes: lane(&mut prng.fork(), scope, &processes, &processes),
            moves: lane(&mut prng.fork(), scope, &moves, &moves),
        }
    }

    /// Every fault, in the order of their beginnings.
    #[must_use]
    pub fn faults(&self) -> Vec<Planned> {
        let mut all: Vec<Planned> = self
            .network
            .iter()
            .chain([&self.processes, &self.moves])
            .flatten()
            .copied()
            .collect();
        all.sort_by_key(|planned| planned.at);
        all
    }
}

/// The faults of one lane: `first`, then some of `kinds` by their rates.
fn lane(prng: &mut Prng, scope: &Scope, first: &[Kind], kinds: &[Kind]) -> Vec<Planned> {
    let mut faults = Vec::new();
    let mut at = prng.duration(scope.pace.gap.0, scope.pace.gap.1);
    let mut first = first.iter();
    loop {
        let kind = first.next().copied().unwrap_or_else(|| pick(prng, kinds));
        let fault = Fault::draw(kind, prng, scope.nodes, scope.groups);
        let lasts = prng.duration(scope.pace.lasts.0, scope.pace.lasts.1);
        if at + lasts > scope.duration {
            return faults;
        }
        faults.push(Planned { at, lasts, fault });
        at += lasts + prng.duration(scope.pace.gap.0, scope.pace.gap.1);
    }
}

fn pick(prng: &mut Prng, kinds: &[Kind]) -> Kind {
    let sum = kinds.iter().map(|kind| u64::from(kind.rate())).sum();
    let mut drawn = prng.below(sum);
    for kind in kinds {
        let rate = u64::from(kind.rate());
        if drawn < rate {
            return *kind;
        }
        drawn -= rate;
    }
    kinds[0]
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for planned in self.faults() {
            writeln!(f, "{planned}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9.3} s  for {:>6.3} s  {}",
            self.at.as_secs_f64(),
            self.lasts.as_secs_f64(),
            self.fault
        )
    }
}

#[cfg(test)]
mod tests;
