//! What a member tells its host about.

use bytes::Bytes;
use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::{Incarnation, MemberState, PacketError};

/// Something that happened. In the order it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// Another member is new, or stands otherwise than before.
    MemberChanged {
        /// Who.
        node: NodeId,
        /// How it stands now.
        state: MemberState,
        /// At which incarnation.
        incarnation: Incarnation,
        /// What it says about itself.
        metadata: Bytes,
    },
    /// A seed answered: this node is in the cluster.
    Joined {
        /// The seed that was first.
        seed: NodeId,
    },
    /// No seed has answered yet; they are asked again.
    JoinUnanswered {
        /// Attempts so far.
        attempts: u32,
    },
    /// Somebody doubted this node, or remembered an earlier life of it; it contradicted.
    Refuted {
        /// The doubt.
        state: MemberState,
        /// This node's incarnation from now on.
        incarnation: Incarnation,
    },
    /// A member answered neither directly nor through others within a protocol period.
    ProbeFailed {
        /// Who.
        node: NodeId,
    },
    /// The local health score changed; 0 is well.
    HealthChanged {
        /// The score.
        score: u32,
    },
    /// The host called so late that judgements based on time were put off.
    Overslept {
        /// How late, milliseconds.
        late_ms: u64,
    },
    /// A packet was dropped.
    PacketDropped {
        /// Where the transport says it came from.
        from: NodeId,
        /// Why.
        reason: PacketError,
    },
    /// The good-bye was told as often as it will be; the host may stop.
    LeaveFinished,
}
