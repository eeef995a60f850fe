//! Which faults struck, and in which states of the protocol.
//!
//! **Invariant: a pair counts only what happened**: the state is the one in which the fault found
//! the cluster.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use nori_raft::Role;
use serde::{Deserialize, Serialize};

use crate::Tally;
use crate::cluster::plan::FaultKind;
use crate::cluster::{Simulation, Worker};

/// Counts of faults and of (fault, state) pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// How often each kind struck.
    pub faults: Tally<FaultKind>,
    /// How often each kind struck in each state.
    pub pairs: Tally<(FaultKind, Phase)>,
}

/// A state in which a fault can find the cluster, or the node at which it strikes. Several hold at
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The node leads a group.
    Leading,
    /// The node follows in a group.
    Following,
    /// The node asks for votes, or whether it would get them.
    Campaigning,
    /// No process runs on the node.
    Down,
    /// Some group has no leader that anybody knows.
    Leaderless,
    /// The log of the node is being written.
    Writing,
    /// Entries wait to be applied.
    Applying,
    /// A flush, a compaction or a release of log is under way.
    Maintaining,
    /// A follower needs a snapshot.
    Snapshot,
    /// Links are cut.
    Parted,
    /// A process stands still.
    Paused,
    /// A follower lacks entries that the leader has.
    Lagging,
    /// A replica on the node sleeps.
    Asleep,
}

impl Coverage {
    pub(crate) const fn new() -> Self {
        Self {
            faults: Tally::new(),
            pairs: Tally::new(),
        }
    }

    pub(crate) fn struck(&mut self, kind: FaultKind, phases: Vec<Phase>) {
        self.faults.count(kind);
        for phase in phases {
            self.pairs.count((kind, phase));
        }
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: &Self) {
        self.faults.add(&other.faults);
        self.pairs.add(&other.pairs);
    }

    /// Pairs that never came about, in order.
    #[must_use]
    pub fn missing(&self) -> Vec<(FaultKind, Phase)> {
        let all = FaultKind::ALL
            .into_iter()
            .flat_map(|kind| Phase::ALL.into_iter().map(move |phase| (kind, phase)));
        all.filter(|pair| self.pairs.of(*pair) == 0).collect()
    }
}

impl Phase {
    /// Every state.
    pub const ALL: [Self; 13] = [
        Self::Leading,
        Self::Following,
        Self::Campaigning,
        Self::Down,
        Self::Leaderless,
        Self::Writing,
        Self::Applying,
        Self::Maintaining,
        Self::Snapshot,
        Self::Parted,
        Self::Paused,
        Self::Lagging,
        Self::Asleep,
    ];
}

impl Simulation {
    /// The states that hold now, at `host` or, without one, at any.
    pub(crate) fn phases(&self, host: Option<usize>) -> Vec<Phase> {
        let mut phases = Vec::new();
        let mut holds = |phase| {
            if !phases.contains(&phase) {
                phases.push(phase);
            }
        };
        let mut leaders = BTreeMap::new();
        for (nth, machine) in self.hosts.iter().enumerate() {
            let own = host.is_none_or(|host| host == nth);
            let Some(process) = &machine.process else {
                if own {
                    holds(Phase::Down);
                }
                continue;
            };
            if machine.paused_until > self.now {
                holds(Phase::Paused);
            }
            if own {
                let queues = &process.queues;
                for (worker, phase) in [
                    (Worker::Log, Phase::Writing),
                    (Worker::Apply, Phase::Applying),
                    (Worker::Job, Phase::Maintaining),
                    (Worker::Snapshot, Phase::Snapshot),
                ] {
                    if queues.busy & worker.bit() != 0 {
                        holds(phase);
                    }
                }
            }
            for group in process.node.status().groups {
                *leaders.entry(group.group).or_insert(false) |= group.leader.is_some();
                let Some(replica) = group.replica else {
                    continue;
                };
                if own {
                    holds(match replica.role {
                        Role::Leader => Phase::Leading,
                        Role::Candidate | Role::PreCandidate => Phase::Campaigning,
                        Role::Follower => Phase::Following,
                    });
                }
                if own && replica.asleep {
                    holds(Phase::Asleep);
                }
                let behind =
                    |peer: &nori_raft::PeerStatus| peer.match_index.0 + LAG < replica.last_index.0;
                let installs =
                    |peer: &nori_raft::PeerStatus| peer.state == nori_raft::PeerState::Snapshot;
                if replica.peers.iter().any(installs) {
                    holds(Phase::Snapshot);
                }
                if replica.peers.iter().any(behind) {
                    holds(Phase::Lagging);
                }
            }
        }
        if leaders.values().any(|known| !known) {
            holds(Phase::Leaderless);
        }
        if self.network.cuts().next().is_some() {
            holds(Phase::Parted);
        }
        phases
    }
}

/// Entries that a follower may lack without being behind.
const LAG: u64 = 8;
