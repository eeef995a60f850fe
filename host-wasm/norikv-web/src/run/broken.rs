//! The promise that was broken, in parts that a page can name.

use norikv_sim::Violation;
use norikv_types::{GroupId, Mono, NodeId};
use serde::Serialize;

/// A broken promise: which, when, and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Broken {
    /// Its name, as `norikv sim --until` takes it.
    invariant: &'static str,
    text: String,
    group: Option<GroupId>,
    nodes: Vec<NodeId>,
    at: Mono,
    steps: u64,
}

impl Broken {
    pub(super) fn new(violation: &Violation, at: Mono, steps: u64) -> Self {
        let (group, nodes) = concerned(violation);
        Self {
            invariant: violation.name(),
            text: violation.to_string(),
            group,
            nodes,
            at,
            steps,
        }
    }
}

/// The group and the nodes, where the promise is about some.
fn concerned(violation: &Violation) -> (Option<GroupId>, Vec<NodeId>) {
    match *violation {
        Violation::TwoLeaders {
            group,
            first,
            second,
            ..
        }
        | Violation::ReplicasDiffer {
            group,
            first,
            second,
        } => (Some(group), vec![first, second]),
        Violation::LeaseOverlaps { group, holder, .. } => (Some(group), vec![holder]),
        Violation::Misuse {
            node, group, from, ..
        } => (Some(group), vec![node, from]),
        Violation::HardStateWentBack { node, group, .. }
        | Violation::LogMismatch { node, group, .. }
        | Violation::AppliedAnother { node, group, .. }
        | Violation::OutcomesDiffer { node, group, .. }
        | Violation::LeaderIncomplete { node, group, .. }
        | Violation::DurableLost { node, group, .. }
        | Violation::LacksWhatItPromised { node, group }
        | Violation::SaidTooEarly { node, group, .. }
        | Violation::VotedTwice { node, group, .. }
        | Violation::CommittedOldTerm { node, group, .. }
        | Violation::LeaderOverwrote { node, group, .. } => (Some(group), vec![node]),
        Violation::AcknowledgedTooEarly { group, .. }
        | Violation::AppliedTwice { group, .. }
        | Violation::NoLeader { group, .. } => (Some(group), Vec::new()),
        Violation::Unbounded { node, .. }
        | Violation::CannotOpen { node, .. }
        | Violation::Halted { node, .. } => (None, vec![node]),
        _ => (None, Vec::new()),
    }
}
