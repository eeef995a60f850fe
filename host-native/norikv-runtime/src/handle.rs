//! What the rest of a server holds of a running node.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nori_env::Clock;
use nori_observe::Meter;
use norikv_node::{Answer, Call, Failure, NodeStatus};
use norikv_transport_quic::{PeerStats, Transport};
use norikv_types::{Applied, ErrorKind, NodeId};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, oneshot};

use crate::Notice;
use crate::inbox::{Inbox, Message};
use crate::shared::Shared;

/// A way to a running node; clone it freely. Of a node that has stopped it answers with failures.
#[derive(Debug, Clone)]
pub struct RuntimeHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: NodeId,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// Given up at the end, so that the port is free though handles are still held.
    transport: Mutex<Option<Arc<Transport>>>,
    address: SocketAddr,
    net: Handle,
    closing: AtomicBool,
    calls: AtomicU32,
    calls_max: u32,
}

/// Counts a call as long as someone waits for it.
struct Counted<'a>(&'a AtomicU32);

impl RuntimeHandle {
    pub(crate) fn new(
        id: NodeId,
        inbox: Inbox,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
        transport: Arc<Transport>,
        net: Handle,
        calls_max: u32,
    ) -> Self {
        Self(Arc::new(Inner {
            id,
            inbox,
            clock,
            shared,
            address: transport.address(),
            transport: Mutex::new(Some(transport)),
            net,
            closing: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            calls_max,
        }))
    }

    /// Has the cluster carry out `call`: here, or through the node that leads. A caller that goes
    /// away takes nothing back.
    ///
    /// # Errors
    /// The [`Failure`] says whether the write was applied. After `patience` it is `TimedOut`, for a
    /// write that was proposed with `Unknown`.
    pub async fn call(&self, call: Call, patience: Duration) -> Result<Answer, Failure> {
        let inner = &*self.0;
        let write = call.is_write();
        let stopped = |applied| {
            let why = inner
                .shared
                .failure()
                .unwrap_or_else(|| "it is shutting down".to_owned());
            let message = format!("{} does not serve: {why}", inner.id);
            Failure::new(ErrorKind::Internal, applied, message)
        };
        if inner.closing.load(Ordering::Acquire) {
            return Err(stopped(Applied::No));
        }
        let before = inner.calls.fetch_add(1, Ordering::AcqRel);
        let _counted = Counted(&inner.calls);
        if before >= inner.calls_max {
            let message = format!("{before} calls are under way at {}", inner.id);
            return Err(Failure::refused(ErrorKind::Overloaded, message));
        }
        let (reply, answer) = oneshot::channel();
        let deadline = inner.clock.now() + patience;
        inner.inbox.put(Message::Call {
            call,
            deadline,
            reply,
        });
        match answer.await {
            Ok(result) => result,
            // The loop ended with the call in it, or before it.
            Err(_gone) => Err(stopped(if write { Applied::Unknown } else { Applied::No })),
        }
    }

    /// The node's view of itself and its cluster; `None` when it has stopped or does not answer
    /// within a second.
    pub async fn status(&self) -> Option<NodeStatus> {
        let (reply, status) = oneshot::channel();
        self.0.inbox.put(Message::Status(reply));
        let bounded = {
            let _entered = self.0.net.enter();
            tokio::time::timeout(STATUS_PATIENCE, status)
        };
        bounded.await.ok()?.ok()
    }

    /// Whether the node can serve now.
    pub async fn ready(&self) -> bool {
        self.failure().is_none() && self.status().await.is_some_and(|status| status.ready)
    }

    /// Why the node does not serve any more: its disk failed, or a thread of it panicked. `None` as
    /// long as it does.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.shared.failure()
    }

    /// Waits until the node does not serve any more and says why.
    pub async fn failed(&self) -> String {
        let mut failed = self.0.shared.failed();
        // The sender lives as long as this handle.
        let _open = failed.wait_for(|failed| *failed).await;
        self.failure().unwrap_or_default()
    }

    /// The meters of the node and its host, up to date.
    #[must_use]
    pub fn metrics(&self) -> &Meter {
        self.0.shared.metrics.refresh(&self.peers());
        &self.0.shared.meter
    }

    /// What happens on the node from now on. Who reads too slowly misses the oldest.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.shared.subscribe()
    }

    /// What goes on with each peer's connection; empty once the node has ended.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStats> {
        self.0
            .transport
            .lock()
            .as_ref()
            .map(|transport| transport.stats())
            .unwrap_or_default()
    }

    /// Where the node listens for its peers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// No call is taken from now on, and the loop ends. Gives the transport up.
    pub(crate) fn close(&self) -> Option<Arc<Transport>> {
        self.0.closing.store(true, Ordering::Release);
        self.0.inbox.put(Message::Stop);
        self.0.transport.lock().take()
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A loop that is slower than this does not serve.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);
