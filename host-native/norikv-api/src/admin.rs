//! The JSON bodies of changes to who holds and leads a group.

use norikv_node::Replicas;
use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

/// `POST /admin/groups/{group}/replicas`: `{"add":[4],"remove":[1]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeReplicasBody {
    /// Nodes that are to hold a replica that votes.
    pub add: Vec<u64>,
    /// Nodes that are to hold nothing of the group.
    pub remove: Vec<u64>,
}

/// `POST /admin/groups/{group}/leader`: `{"node":2}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// Who is to lead the group.
    pub node: u64,
}

/// Who holds a group: the answer to both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicasBody {
    /// Nodes that vote.
    pub voters: Vec<u64>,
    /// Nodes that voted before a change that is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outgoing: Vec<u64>,
    /// Nodes that get entries and do not vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<u64>,
    /// Who leads it, where known.
    pub leader: Option<u64>,
}

impl From<&Replicas> for ReplicasBody {
    fn from(replicas: &Replicas) -> Self {
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        Self {
            voters: numbers(&replicas.voters),
            outgoing: numbers(&replicas.outgoing),
            learners: numbers(&replicas.learners),
            leader: replicas.leader.map(|node| node.0),
        }
    }
}
