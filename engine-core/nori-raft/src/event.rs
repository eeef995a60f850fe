//! What is worth telling about a replica. Nothing depends on it.

use norikv_types::{LogIndex, NodeId, Term};
use serde::{Deserialize, Serialize};

use crate::entry::SnapshotMeta;
use crate::status::{PeerState, Role};

/// A change inside a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// It took another role.
    RoleChanged {
        /// The new one.
        role: Role,
        /// In this term.
        term: Term,
    },
    /// It moved to another term.
    TermChanged {
        /// The new one.
        term: Term,
    },
    /// It knows another leader, or none.
    LeaderChanged {
        /// The new one.
        leader: Option<NodeId>,
        /// In this term.
        term: Term,
    },
    /// It decided to vote (said only once durable).
    VoteCast {
        /// For whom.
        candidate: NodeId,
        /// In this term.
        term: Term,
    },
    /// More of the log is committed.
    CommitAdvanced {
        /// Up to here.
        commit_index: LogIndex,
    },
    /// Entries that conflicted with the leader's were dropped.
    LogTruncated {
        /// From here on.
        from: LogIndex,
    },
    /// Another configuration is in force, as [`Raft::configuration`](crate::Raft::configuration)
    /// says.
    ConfigurationChanged {
        /// Its entry, or the snapshot that brought it.
        index: LogIndex,
    },
    /// A leader treats a peer differently.
    PeerStateChanged {
        /// The peer.
        peer: NodeId,
        /// How now.
        state: PeerState,
    },
    /// It fell asleep: nothing is to be done in this group.
    Quiesced {
        /// In this term.
        term: Term,
    },
    /// It woke.
    Woke {
        /// In this term.
        term: Term,
    },
    /// Entries that were stored cannot be read any more. Peers are asked for them.
    EntriesDamaged {
        /// The first one.
        from: LogIndex,
        /// The last one.
        up_to: LogIndex,
    },
    /// Everything that was lacking is there again, durably.
    Repaired,
    /// A snapshot took the place of state, and of the log unless that contained its position.
    SnapshotInstalled {
        /// What it covers.
        snapshot: SnapshotMeta,
        /// Whether the log was kept.
        log_kept: bool,
    },
}
