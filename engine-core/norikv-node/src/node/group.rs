//! One replica: a Raft and what waits for it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use nori_raft::{Raft, Role};
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term, Version};

use super::errand::ErrandId;
use super::retention::Retention;
use crate::SessionId;

/// A replica of a group on this node.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) raft: Raft,
    /// As Raft's last event said; may lag within one drain, which Raft's answers correct.
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) leader: Option<NodeId>,
    /// The last entry applied.
    pub(crate) applied: Version,
    /// Applies under way.
    pub(crate) applying: u32,
    /// Proposals in the log, by where they stand. One index may have several, of different terms.
    pub(crate) proposals: BTreeMap<(LogIndex, Term), ErrandId>,
    /// Reads that wait until an index is applied.
    pub(crate) reads: BTreeSet<(LogIndex, ErrandId)>,
    pub(crate) retention: Retention,
    /// What of it is counted in the node's unflushed bytes.
    pub(crate) unflushed_bytes: u64,
    /// As its Raft last said, registered with the node.
    pub(crate) deadline: Option<Mono>,
    pub(crate) asleep: bool,
    /// The node that leads it and is watched for it while it sleeps.
    pub(crate) watches: Option<NodeId>,
    /// The snapshot coming in, if any.
    pub(crate) inbound: Option<SessionId>,
}

impl Group {
    pub(crate) fn leads(&self) -> bool {
        self.role == Role::Leader
    }

    /// Whether it has a leader that has committed in its term, as far as this replica has applied.
    pub(crate) fn ready(&self) -> bool {
        self.leader.is_some() && self.applied.term == self.term
    }

    /// Reads that may be served now, in the order of their indexes.
    pub(crate) fn readable(&mut self) -> Vec<ErrandId> {
        let rest = self
            .reads
            .split_off(&(self.applied.index.next(), ErrandId(0)));
        core::mem::replace(&mut self.reads, rest)
            .into_iter()
            .map(|(_, id)| id)
            .collect()
    }

    /// Proposals at or below `index`, with where they stood.
    pub(crate) fn settled(&mut self, index: LogIndex) -> BTreeMap<(LogIndex, Term), ErrandId> {
        let rest = self.proposals.split_off(&(index.next(), Term(0)));
        core::mem::replace(&mut self.proposals, rest)
    }
}
