//! What the transport tells its host.

use core::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use norikv_types::NodeId;
use tokio::sync::OwnedSemaphorePermit;

use crate::Lane;

/// Something that happened between this node and another.
///
/// Of one peer: `Up` comes before the first frame of a connection, `Down` once for every `Up`. A few
/// frames that were under way may still come after `Down`.
#[derive(Debug)]
pub enum Inbound {
    /// A frame, whole and in the order of its lane.
    Frame {
        /// Who sent it; proven by its certificate.
        from: NodeId,
        /// The lane it came in.
        lane: Lane,
        /// The frame.
        bytes: Bytes,
        /// Room in the lane's window; drop it once the frame is dealt with.
        credit: Credit,
    },
    /// A packet, whole; may be lost, doubled or out of order.
    Datagram {
        /// Who sent it; proven by its certificate.
        from: NodeId,
        /// The packet.
        bytes: Bytes,
    },
    /// A connection stands.
    Up {
        /// With whom.
        peer: NodeId,
        /// That node's start: another number means that it restarted.
        boot: u64,
    },
    /// The connection is gone; what was on its way is lost or not.
    Down {
        /// With whom.
        peer: NodeId,
        /// Why.
        reason: DownReason,
    },
    /// A connection was not to be. Told once for the same peer and reason until it is up again.
    Refused {
        /// The peer that was dialled, or that the hello named; `None` when it never came so far.
        peer: Option<NodeId>,
        /// The other side's address.
        address: SocketAddr,
        /// Whether this node dialled.
        dialled: bool,
        /// Why.
        reason: Refusal,
    },
}

/// Why a connection is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownReason {
    /// The peer said goodbye: it is shutting down.
    #[error("the peer shut down")]
    Closed,
    /// The peer came back with another boot id.
    #[error("the peer restarted")]
    Restarted,
    /// Nothing was heard for the idle timeout.
    #[error("nothing was heard from the peer for the idle timeout")]
    Silent,
    /// The peer broke the protocol, or says that this node did.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// This transport was closed.
    #[error("this node shut down")]
    Ours,
    /// Anything else.
    #[error("connection lost: {0}")]
    Lost(String),
}

/// Why two nodes do not talk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The other side's certificate was not issued by this cluster's authority, has expired, or is
    /// another node's.
    #[error("its certificate is not accepted here: {0}")]
    Certificate(String),
    /// The other side does not accept this node's certificate.
    #[error("it does not accept this node's certificate: {0}")]
    OurCertificate(String),
    /// The hello names a node that the certificate was not issued for.
    #[error("it says it is {claimed}, but its certificate was not issued for that node")]
    Identity {
        /// The node in the hello.
        claimed: NodeId,
    },
    /// The other side belongs to another cluster.
    #[error("it belongs to cluster {theirs:#018x}, this node to {ours:#018x}")]
    Cluster {
        /// This node's cluster.
        ours: u64,
        /// The one in the hello.
        theirs: u64,
    },
    /// The other side speaks another version of the protocol.
    #[error("it speaks protocol version {theirs}, this node {ours}")]
    Version {
        /// This node's version.
        ours: u16,
        /// The one in the hello.
        theirs: u16,
    },
    /// A node that is not among the configured peers, or this node itself.
    #[error("{0} is not among this node's peers")]
    UnknownNode(NodeId),
    /// Not a NoriKV server.
    #[error("it does not speak this protocol")]
    NotAPeer,
    /// The other side refused; in its own words.
    #[error("it refused this node: {0}")]
    ByPeer(String),
}

/// A frame's share of its lane's window: the sender is held back while the host keeps too many.
pub struct Credit {
    /// `None` for a frame that was never on the wire.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Credit {
    /// A credit that holds nothing back, for frames that come from elsewhere.
    #[must_use]
    pub const fn none() -> Self {
        Self { _permit: None }
    }

    pub(crate) const fn new(permit: OwnedSemaphorePermit) -> Self {
        Self {
            _permit: Some(permit),
        }
    }
}

impl fmt::Debug for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credit")
    }
}
