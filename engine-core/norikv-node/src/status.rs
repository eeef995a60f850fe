//! What a node can say about itself.

use alloc::vec::Vec;

use nori_raft::{Configuration, PeerStatus, Role};
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term};
use serde::{Deserialize, Serialize};

use crate::Member;

/// A node's view of itself and its cluster, for `cluster status`, `/meta/cluster` and the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// This node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: u64,
    /// The random number of its start.
    pub boot: u64,
    /// Whether it can serve: see [`Node::ready`](crate::Node::ready).
    pub ready: bool,
    /// Whether it stopped for a failure of its disk.
    pub halted: bool,
    /// Calls under way, forwarded ones included.
    pub calls: u32,
    /// The groups of the cluster, in order of ids.
    pub groups: Vec<GroupStatus>,
    /// The nodes of the cluster, in order of ids.
    pub members: Vec<Member>,
}

/// A group as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// The group.
    pub group: GroupId,
    /// The nodes that hold it.
    pub replicas: Vec<NodeId>,
    /// Who leads it, where known.
    pub leader: Option<NodeId>,
    /// This node's replica; `None` when it holds none.
    pub replica: Option<ReplicaStatus>,
}

/// A replica of a group on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// What it is.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The last entry of its log.
    pub last_index: LogIndex,
    /// The last entry known to be committed.
    pub commit_index: LogIndex,
    /// The last entry applied.
    pub applied_index: LogIndex,
    /// The last entry that survives a crash without the log.
    pub flushed_index: LogIndex,
    /// The last entry released from the log.
    pub released_index: LogIndex,
    /// Whether it can serve.
    pub ready: bool,
    /// Whether it sleeps: there is nothing to do.
    pub asleep: bool,
    /// Who belongs to the group, by the newest configuration in its log; `None`: no leader has told
    /// yet.
    pub configuration: Option<Configuration>,
    /// When a leader's lease ends, by its own clock, if it has one.
    pub lease_until: Option<Mono>,
    /// A leader's view of its peers, by id.
    pub peers: Vec<PeerStatus>,
}
