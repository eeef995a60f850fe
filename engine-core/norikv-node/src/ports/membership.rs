//! Who is alive.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use norikv_types::{Mono, NodeId};
use serde::{Deserialize, Serialize};

/// Finds out which nodes are alive, by packets that the host carries. Sans-IO: it lives inside the
/// node core.
pub trait Membership: Send + fmt::Debug {
    /// A packet came in. Malformed ones are dropped.
    fn handle_packet(&mut self, now: Mono, from: NodeId, bytes: Bytes);

    /// Its deadline has come.
    fn handle_timeout(&mut self, now: Mono);

    /// This node is about to stop: tell the others that it did not fail.
    fn leave(&mut self, now: Mono);

    /// The next thing to do or to know; drain after every call.
    fn poll_output(&mut self) -> Option<MembershipOutput>;

    /// Its next deadline.
    fn poll_timeout(&self) -> Option<Mono>;

    /// Every node known, in order of ids, this one included.
    fn members(&self) -> Vec<Member>;
}

/// What a [`Membership`] wants done or known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipOutput {
    /// Send a packet.
    Send {
        /// To whom.
        to: NodeId,
        /// At most 1,100 bytes.
        packet: Bytes,
    },
    /// A node's state or metadata changed.
    Changed(Member),
}

/// A node as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Whether it is there.
    pub state: MemberState,
    /// How often it had to say that it is alive.
    pub incarnation: u32,
    /// What it says about itself: its address.
    pub metadata: Bytes,
}

/// Whether a node is there, as far as its peers can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Configured, but never heard of.
    Unknown,
    /// It answers.
    Alive,
    /// It did not answer; it may still object.
    Suspect,
    /// It did not object in time.
    Faulty,
    /// It said good-bye.
    Left,
}

impl MemberState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Alive,
        Self::Suspect,
        Self::Faulty,
        Self::Left,
    ];

    /// The word that stands for it in tables and labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Faulty => "faulty",
            Self::Left => "left",
        }
    }
}
