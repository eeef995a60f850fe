//! A look at a replica from outside.

use alloc::vec::Vec;

use norikv_types::{LogIndex, Mono, NodeId, Term, Version};
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;

/// What a replica is in its group (Raft §5.1; pre-candidates: dissertation §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes the leader's log.
    Follower,
    /// Asks whether a campaign could succeed.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Its log is the group's.
    Leader,
}

/// How a leader treats a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Looks for the place where the logs agree, one message at a time.
    Probe,
    /// Streams entries without waiting.
    Replicate,
    /// Waits for a snapshot to arrive there.
    Snapshot,
}

/// A replica at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The replica.
    pub id: NodeId,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Whom it voted for in that term.
    pub voted_for: Option<NodeId>,
    /// The leader of that term, where known.
    pub leader: Option<NodeId>,
    /// Who belongs to the group, where known.
    pub configuration: Option<Configuration>,
    /// The log starts after this position.
    pub log_start: Version,
    /// The log's last entry.
    pub last: Version,
    /// Up to here the log survives a crash.
    pub durable_index: LogIndex,
    /// Up to here it is committed.
    pub commit_index: LogIndex,
    /// Up to here entries were handed out.
    pub handed_out_index: LogIndex,
    /// Up to here the host has applied.
    pub applied_index: LogIndex,
    /// When a leader's lease ends, if it has one.
    pub lease_until: Option<Mono>,
    /// A leader's view of its peers, by id.
    pub peers: Vec<PeerStatus>,
}

/// A leader's view of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The peer.
    pub id: NodeId,
    /// How it is treated.
    pub state: PeerState,
    /// Up to here its durable log is this one's.
    pub match_index: LogIndex,
    /// The next entry to send to it.
    pub next_index: LogIndex,
    /// When it last answered, or when this reign began.
    pub last_contact: Mono,
}
