//! What can be wrong with a call, and with a packet.

use core::time::Duration;

use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::Incarnation;

/// A refused call. The machine is as it was, or was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 0 is never a node.
    #[error("0 is not a node")]
    NodeZero,
    /// Beyond [`Incarnation::MAX`].
    #[error("incarnation {0} is beyond the highest there is")]
    Incarnation(Incarnation),
    /// Metadata longer than 128 bytes.
    #[error("metadata of {got} bytes, at most 128 are allowed")]
    MetadataSize {
        /// Bytes given.
        got: u64,
    },
    /// An interval outside of 1 ms to 1 h.
    #[error("an interval of {got:?} is outside of 1 ms to 1 h")]
    Interval {
        /// The interval given.
        got: Duration,
    },
    /// A probe would not time out before its period ends.
    #[error("a probe timeout of {timeout:?} is not below the period of {interval:?}")]
    ProbeTimeout {
        /// The timeout given.
        timeout: Duration,
        /// The period given.
        interval: Duration,
    },
    /// A count or multiplier out of its range.
    #[error("a count of {got} is outside of its range, which ends at {max}")]
    Count {
        /// The count given.
        got: u32,
        /// The greatest allowed.
        max: u32,
    },
    /// A packet size outside of 400 to 65,507 bytes.
    #[error("packets of {got} bytes are outside of 400 to 65507")]
    PacketSize {
        /// Bytes given.
        got: u32,
    },
    /// This member has left; make a new one to return.
    #[error("this member has left the cluster")]
    Left,
}

/// Why a packet was dropped. Nothing of it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PacketError {
    /// It ends before what it announces.
    #[error("the packet ends at byte {at} of what it announces")]
    Truncated {
        /// Its length, bytes.
        at: u64,
    },
    /// It is not of this protocol.
    #[error("the packet does not begin with the magic number")]
    Magic,
    /// It speaks another version.
    #[error("the packet speaks protocol version {got}")]
    Version {
        /// The version it names.
        got: u8,
    },
    /// Its bytes changed on the way.
    #[error("checksum {expected:#010x} expected, {got:#010x} computed")]
    Checksum {
        /// The checksum it carries.
        expected: u32,
        /// The checksum of its bytes.
        got: u32,
    },
    /// It belongs to another cluster.
    #[error("the packet belongs to cluster {got:#x}")]
    Cluster {
        /// The cluster it names.
        got: u64,
    },
    /// It says it comes from another node than the transport says.
    #[error("the packet claims to be from {claimed}")]
    Sender {
        /// The node it names.
        claimed: NodeId,
    },
    /// It is meant for another node.
    #[error("the packet is meant for {meant}")]
    Recipient {
        /// The node it names.
        meant: NodeId,
    },
    /// An unknown kind of message.
    #[error("no message has kind {got}")]
    Kind {
        /// The kind it names.
        got: u8,
    },
    /// An unknown member state.
    #[error("no member state has number {got}")]
    State {
        /// The number it names.
        got: u8,
    },
    /// It names node 0, which never is.
    #[error("the packet names node 0")]
    NodeZero,
    /// It names an incarnation beyond the highest.
    #[error("the packet names an incarnation beyond the highest")]
    Incarnation,
    /// It carries metadata longer than 128 bytes.
    #[error("metadata of {got} bytes")]
    MetadataSize {
        /// Bytes announced.
        got: u8,
    },
    /// A flag that is neither 0 nor 1, or a range that ends before it begins.
    #[error("a field of the message makes no sense")]
    Field,
    /// Bytes follow what it announces.
    #[error("{extra} bytes follow the last record")]
    Trailing {
        /// Their number.
        extra: u64,
    },
}

impl PacketError {
    /// Whether the packet is fine but of another cluster, protocol version or address.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        matches!(
            self,
            Self::Magic
                | Self::Version { .. }
                | Self::Cluster { .. }
                | Self::Sender { .. }
                | Self::Recipient { .. }
        )
    }
}
