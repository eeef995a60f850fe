//! `/meta/cluster`: one node's view of itself and its cluster.

use nori_raft::{PeerState, PeerStatus, Role};
use norikv_node::{GroupStatus, Member, NodeStatus, ReplicaStatus};
use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::{NodeAddress, ReplicasBody};

/// One node's view of itself and its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterBody {
    /// The node that answers.
    pub node: u64,
    /// Its cluster, 16 hexadecimal digits.
    pub cluster: String,
    /// Whether it can serve now.
    pub ready: bool,
    /// Whether it stopped for a failure of its disk.
    pub halted: bool,
    /// The nodes of the cluster as this one sees them, in order of ids.
    pub members: Vec<MemberBody>,
    /// The groups of the cluster, in order of ids.
    pub groups: Vec<GroupBody>,
}

/// A node as the answering one sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBody {
    /// The node.
    pub node: u64,
    /// `unknown`, `alive`, `suspect`, `faulty` or `left`.
    pub state: String,
    /// How often it had to say that it is alive.
    pub incarnation: u32,
    /// Where clients reach it, where known.
    pub http: Option<String>,
    /// Where peers reach it, where known.
    pub quic: Option<String>,
}

/// A group as the answering node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupBody {
    /// The group.
    pub group: u32,
    /// The nodes that hold it.
    pub replicas: Vec<u64>,
    /// Who leads it, where known.
    pub leader: Option<u64>,
    /// The answering node's replica; absent when it holds none.
    pub replica: Option<ReplicaBody>,
}

/// The answering node's replica of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaBody {
    /// `leader`, `follower`, `candidate` or `pre_candidate`.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// The last entry of its log.
    pub last_index: u64,
    /// The last entry known to be committed.
    pub commit_index: u64,
    /// The last entry applied.
    pub applied_index: u64,
    /// The last entry that survives a crash without the log.
    pub flushed_index: u64,
    /// The last entry released from the log.
    pub released_index: u64,
    /// Whether it can serve.
    pub ready: bool,
    /// Who belongs to the group, by its log, where it tells yet.
    #[serde(default)]
    pub configuration: Option<ReplicasBody>,
    /// A leader's view of the other members, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerBody>,
}

/// A member of a group as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerBody {
    /// The member.
    pub node: u64,
    /// Up to here its log is the leader's, durably.
    pub match_index: u64,
    /// `probe`, `replicate` or `snapshot`.
    pub state: String,
}

impl From<&NodeStatus> for ClusterBody {
    fn from(status: &NodeStatus) -> Self {
        Self {
            node: status.node.0,
            cluster: format!("{:016x}", status.cluster),
            ready: status.ready,
            halted: status.halted,
            members: status.members.iter().map(MemberBody::from).collect(),
            groups: status.groups.iter().map(GroupBody::from).collect(),
        }
    }
}

impl From<&Member> for MemberBody {
    fn from(member: &Member) -> Self {
        let address = core::str::from_utf8(&member.metadata)
            .ok()
            .and_then(|text| text.parse::<NodeAddress>().ok());
        Self {
            node: member.node.0,
            state: member.state.word().to_owned(),
            incarnation: member.incarnation,
            http: address.map(|address| address.http.to_string()),
            quic: address.map(|address| address.quic.to_string()),
        }
    }
}

impl From<&GroupStatus> for GroupBody {
    fn from(group: &GroupStatus) -> Self {
        Self {
            group: group.group.0,
            replicas: group.replicas.iter().map(|node| node.0).collect(),
            leader: group.leader.map(|node| node.0),
            replica: group.replica.as_ref().map(ReplicaBody::from),
        }
    }
}

impl From<&ReplicaStatus> for ReplicaBody {
    fn from(replica: &ReplicaStatus) -> Self {
        Self {
            role: role_word(replica.role).to_owned(),
            term: replica.term.0,
            last_index: replica.last_index.0,
            commit_index: replica.commit_index.0,
            applied_index: replica.applied_index.0,
            flushed_index: replica.flushed_index.0,
            released_index: replica.released_index.0,
            ready: replica.ready,
            configuration: replica.configuration.as_ref().map(|configuration| {
                let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
                ReplicasBody {
                    voters: numbers(configuration.voters()),
                    outgoing: numbers(configuration.outgoing()),
                    learners: numbers(configuration.learners()),
                    leader: None,
                }
            }),
            peers: replica.peers.iter().map(PeerBody::from).collect(),
        }
    }
}

impl From<&PeerStatus> for PeerBody {
    fn from(peer: &PeerStatus) -> Self {
        let state = match peer.state {
            PeerState::Probe => "probe",
            PeerState::Replicate => "replicate",
            PeerState::Snapshot => "snapshot",
        };
        Self {
            node: peer.id.0,
            match_index: peer.match_index.0,
            state: state.to_owned(),
        }
    }
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre_candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}
