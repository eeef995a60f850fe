//! One replica: a Raft and what waits for it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use nori_raft::{Replica, Role};
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term, Version};

use super::errand::ErrandId;
use super::replicas::Belonging;
use super::retention::Retention;

/// A replica of a group on this node.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) raft: Replica,
    /// As Raft's last event said; may lag within one drain, which Raft's answers correct.
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) leader: Option<NodeId>,
    /// The last entry applied.
    pub(crate) applied: Version,
    /// What is known of its belonging to the group; `None`: what is written down for all that sleep.
    pub(crate) belonging: Option<Box<Belonging>>,
    /// Proposals in the log, by where they stand. One index may have several, of different terms.
    pub(crate) proposals: BTreeMap<(LogIndex, Term), ErrandId>,
    /// Reads that wait until an index is applied.
    pub(crate) reads: BTreeSet<(LogIndex, ErrandId)>,
    pub(crate) retention: Retention,
    /// What of it is counted in the node's unflushed bytes.
    pub(crate) unflushed_bytes: u64,
    /// As its Raft last said, registered with the node; the end of time: none.
    pub(crate) deadline: Mono,
    pub(crate) asleep: bool,
    /// The node that leads it and is watched for it while it sleeps; node 0: none.
    pub(crate) watches: NodeId,
}

impl Group {
    pub(crate) fn leads(&self) -> bool {
        self.role == Role::Leader
    }

    /// Whether it has a leader that has committed in its term, as far as this replica has applied.
    pub(crate) fn ready(&self) -> bool {
        self.leader.is_some() && self.applied.term == self.term
    }

    /// Gives back the room that nothing needs while it sleeps.
    pub(crate) fn trim(&mut self) {
        if self.proposals.is_empty() {
            self.proposals = BTreeMap::new();
        }
        if self.reads.is_empty() {
            self.reads = BTreeSet::new();
        }
        self.retention.trim();
        if self.belonging().is_usual() {
            self.belonging = None;
        }
    }

    /// Reads that may be served now, in the order of their indexes.
    pub(crate) fn readable(&mut self) -> Vec<ErrandId> {
        let next = (self.applied.index.next(), ErrandId(0));
        let rest = match self.reads.last() {
            Some(last) if *last >= next => self.reads.split_off(&next),
            // Splitting would leave room for what is not there.
            _ => BTreeSet::new(),
        };
        core::mem::replace(&mut self.reads, rest)
            .into_iter()
            .map(|(_, id)| id)
            .collect()
    }

    /// Proposals at or below `index`, with where they stood.
    pub(crate) fn settled(&mut self, index: LogIndex) -> BTreeMap<(LogIndex, Term), ErrandId> {
        let next = (index.next(), Term(0));
        let rest = match self.proposals.last_key_value() {
            Some((last, _)) if *last >= next => self.proposals.split_off(&next),
            _ => BTreeMap::new(),
        };
        core::mem::replace(&mut self.proposals, rest)
    }
}
