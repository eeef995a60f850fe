//! What happens inside a node, for those who watch.

use alloc::string::String;

use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, NodeId, Version};
use serde::{Deserialize, Serialize};

use crate::{Member, PortError};

/// Something that happened. A view of the node is a fold over these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// In a group's Raft.
    Raft {
        /// The group.
        group: GroupId,
        /// What.
        event: raft::Event,
    },
    /// A node's state or metadata changed, as SWIM sees it.
    Member(Member),
    /// Entries were applied.
    Applied {
        /// The group.
        group: GroupId,
        /// The last one.
        version: Version,
    },
    /// Entries were released from the log.
    Released {
        /// The group.
        group: GroupId,
        /// The last one.
        index: LogIndex,
    },
    /// A snapshot that stood still on its way in goes on from where it was.
    SnapshotResumed {
        /// The group.
        group: GroupId,
        /// Who sends it.
        from: NodeId,
        /// The chunk with which it goes on.
        chunk: u32,
    },
    /// A snapshot was sent whole, or not.
    SnapshotSent {
        /// The group.
        group: GroupId,
        /// To whom.
        to: NodeId,
        /// Whether the other side has all of it.
        ok: bool,
    },
    /// A snapshot took the place of a group's content.
    SnapshotInstalled {
        /// The group.
        group: GroupId,
        /// From whom it came.
        from: NodeId,
        /// The (term, index) it shows.
        version: Version,
    },
    /// An empty replica began here, by a leader's word.
    ReplicaBegun {
        /// The group.
        group: GroupId,
    },
    /// The replica here was removed from its group and is being erased.
    ReplicaRemoved {
        /// The group.
        group: GroupId,
    },
    /// A voter has no replica any more, as one with a fresh disk: the leader makes it a learner that
    /// gets a new one.
    ReplicaLost {
        /// The group.
        group: GroupId,
        /// The voter.
        node: NodeId,
    },
    /// A frame was dropped.
    FrameRefused {
        /// From whom it came.
        from: NodeId,
        /// Why.
        reason: FrameRefusal,
    },
    /// A peer sent what no correct peer sends, or the host told a replica what cannot be.
    Misuse {
        /// The group.
        group: GroupId,
        /// Who did it.
        from: NodeId,
        /// What its Raft says.
        detail: String,
    },
    /// The node stopped for a failure of its disk: it answers and acknowledges nothing any more.
    Halted(PortError),
}

/// Why a frame was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameRefusal {
    /// Its bytes are no frame.
    Malformed,
    /// Another protocol version.
    Version,
    /// Another cluster.
    Cluster,
    /// It names another sender or another receiver.
    Address,
}

impl FrameRefusal {
    /// The word that stands for it in labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Cluster => "cluster",
            Self::Address => "address",
        }
    }
}
