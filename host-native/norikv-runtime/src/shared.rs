//! What the threads of a node share.

use std::net::SocketAddr;

use nori_observe::Meter;
use norikv_node::Event;
use norikv_transport_quic::{DownReason, Refusal};
use norikv_types::NodeId;
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use crate::metrics::HostMetrics;

/// Something that happened on a node, for those who watch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// In the node.
    Node(Event),
    /// A connection stands.
    PeerUp {
        /// With whom.
        peer: NodeId,
        /// That node's start.
        boot: u64,
    },
    /// A connection is gone.
    PeerDown {
        /// With whom.
        peer: NodeId,
        /// Why.
        reason: DownReason,
    },
    /// A connection was not to be: a foreign cluster, a wrong certificate, another version.
    PeerRefused {
        /// With whom, where known.
        peer: Option<NodeId>,
        /// The other side's address.
        address: SocketAddr,
        /// Whether this node dialled.
        dialled: bool,
        /// Why.
        reason: Refusal,
    },
}

/// What every thread of a node may touch.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) meter: Meter,
    pub(crate) metrics: HostMetrics,
    notices: broadcast::Sender<Notice>,
    failure: Mutex<Option<String>>,
    failed: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let meter = Meter::new();
        Self {
            metrics: HostMetrics::register(&meter),
            meter,
            notices: broadcast::Sender::new(NOTICES_MAX),
            failure: Mutex::new(None),
            failed: watch::Sender::new(false),
        }
    }

    /// Tells those who watch; who is too slow misses the oldest.
    pub(crate) fn notify(&self, notice: Notice) {
        let _nobody = self.notices.send(notice);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Remembers why the node does not serve any more; the first reason stays.
    pub(crate) fn fail(&self, why: String) {
        self.failure.lock().get_or_insert(why);
        self.failed.send_replace(true);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    pub(crate) fn failed(&self) -> watch::Receiver<bool> {
        self.failed.subscribe()
    }
}

/// Notices kept for a slow watcher.
const NOTICES_MAX: usize = 4_096;
