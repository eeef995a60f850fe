//! What a run of the gossip world must never show.

use norikv_types::NodeId;

use nori_swim::{Incarnation, MemberState};

/// A promise that was broken. A run ends at the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GossipViolation {
    /// Everybody who is well is seen alive by all who are, and nobody else is.
    #[error(
        "{wrong} of {pairs} views are wrong {after_ms} ms after the last fault: {observer} holds {subject} for {seen:?}"
    )]
    NotConverged {
        /// Views that are wrong.
        wrong: u64,
        /// Views that there are.
        pairs: u64,
        /// How long they had.
        after_ms: u64,
        /// One who is wrong,
        observer: NodeId,
        /// about this one,
        subject: NodeId,
        /// whom it takes for this.
        seen: Option<MemberState>,
    },
    /// A dead member is declared faulty by everybody within the bound.
    #[error("{subject} died, and {left} others do not know it {after_ms} ms later")]
    NotNoticed {
        /// Who died.
        subject: NodeId,
        /// Who do not know.
        left: u32,
        /// How long they had.
        after_ms: u64,
    },
    /// What a member tells of another only moves up: (incarnation, state).
    #[error("{observer} went back about {subject}: {before:?}, then {after:?}")]
    WentBack {
        /// Who tells.
        observer: NodeId,
        /// Of whom.
        subject: NodeId,
        /// What it told before.
        before: (Incarnation, MemberState),
        /// What it tells now.
        after: (Incarnation, MemberState),
    },
    /// A member's own incarnation only grows within a life.
    #[error("{node} lowered its incarnation from {before} to {after}")]
    IncarnationFell {
        /// Who.
        node: NodeId,
        /// Before.
        before: Incarnation,
        /// After.
        after: Incarnation,
    },
    /// A member never doubts itself.
    #[error("{node} holds itself for {state}")]
    DoubtsItself {
        /// Who.
        node: NodeId,
        /// For what.
        state: MemberState,
    },
    /// Packets are small.
    #[error("{node} sent a packet of {bytes} bytes, at most {max}")]
    PacketTooLarge {
        /// Who.
        node: NodeId,
        /// Its bytes.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// A table holds those who exist, once.
    #[error("{node} knows {members} members of {max}")]
    TableTooLarge {
        /// Who.
        node: NodeId,
        /// How many it knows.
        members: u64,
        /// How many there are.
        max: u64,
    },
    /// One input makes a bounded number of packets.
    #[error("one input made {node} send {packets} packets, at most {max}")]
    TooManyPackets {
        /// Who.
        node: NodeId,
        /// How many.
        packets: u64,
        /// The bound.
        max: u64,
    },
    /// A setting of the members is out of range.
    #[error("the settings are refused: {error}")]
    Settings {
        /// Why.
        error: nori_swim::Error,
    },
}
