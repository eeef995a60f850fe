//! One peer: its queues, its connection if there is one, its latest packet if there is none.
//!
//! **Invariant: both sides of a pair keep the same connection.** Of two from the same start of the
//! peer the one that the node with the lower id dialled wins, and of two dialled by the same node
//! the newer; a connection from another start always wins.

use core::sync::atomic::{AtomicBool, Ordering};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use norikv_types::NodeId;
use parking_lot::Mutex;
use quinn::Connection;
use tokio::sync::{Notify, watch};

use crate::lane;
use crate::queue::LaneQueue;
use crate::{DownReason, Inbound, Lane, Limits, Refusal, SendError};

pub(crate) type Sink = Arc<dyn Fn(Inbound) + Send + Sync>;

pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) queues: [LaneQueue; 4],
    state: Mutex<State>,
    connected: AtomicBool,
    /// Whether there is a connection, for the dialler to wait on.
    pub(crate) up: watch::Sender<bool>,
    /// Something wants to be sent and there is no connection.
    pub(crate) wanted: Notify,
    datagram_bytes_max: usize,
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    /// The latest packet for a peer that cannot be reached yet.
    datagram: Option<Bytes>,
    /// The last refusal told, so that it is told once.
    refusal: Option<Refusal>,
}

struct Link {
    connection: Connection,
    boot: u64,
    dialled_by: NodeId,
    stop: watch::Sender<bool>,
}

/// A connection that became the peer's.
pub(crate) struct Joined {
    /// Turns true when another connection takes over.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Peer {
    pub(crate) fn new(id: NodeId, address: SocketAddr, limits: &Limits) -> Self {
        let frames_max = usize::try_from(limits.queue_frames_max).unwrap_or(usize::MAX);
        let bytes_max = usize::try_from(limits.queue_bytes_max).unwrap_or(usize::MAX);
        Self {
            id,
            address,
            queues: lane::ALL
                .map(|lane| LaneQueue::new(frames_max, bytes_max, lane::drops_oldest(lane))),
            state: Mutex::default(),
            connected: AtomicBool::new(false),
            up: watch::Sender::new(false),
            wanted: Notify::new(),
            datagram_bytes_max: usize::from(limits.datagram_bytes_max),
        }
    }

    pub(crate) fn queue(&self, lane: Lane) -> &LaneQueue {
        let [control, append, snapshot, forward] = &self.queues;
        match lane {
            Lane::Control => control,
            Lane::Append => append,
            Lane::Snapshot => snapshot,
            Lane::Forward => forward,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    pub(crate) fn send(&self, lane: Lane, frame: Bytes) -> Result<(), SendError> {
        if !self.is_up() {
            self.wanted.notify_one();
            // A vote may wait for the connection; entries are sent again anyway, and a call must
            // not be held back without a word.
            if lane != Lane::Control {
                self.queue(lane).count_dropped();
                return Err(SendError::NotConnected(self.id));
            }
        }
        self.queue(lane)
            .push(frame)
            .map_err(|_full| SendError::Full(self.id))
    }

    pub(crate) fn send_datagram(&self, packet: Bytes) -> Result<(), SendError> {
        let mut state = self.state.lock();
        let size = packet.len();
        let Some(link) = &state.link else {
            if size > self.datagram_bytes_max {
                return Err(SendError::TooLarge {
                    size,
                    limit: self.datagram_bytes_max,
                });
            }
            state.datagram = Some(packet);
            drop(state);
            self.wanted.notify_one();
            return Ok(());
        };
        let path = link.connection.max_datagram_size().unwrap_or(0);
        let limit = path.min(self.datagram_bytes_max);
        if size > limit {
            return Err(SendError::TooLarge { size, limit });
        }
        link.connection
            .send_datagram(packet)
            .map_err(|_lost| SendError::NotConnected(self.id))
    }

    /// Makes `connection` the peer's, unless the one that is there wins. Who is replaced drains its
    /// streams and is closed a little later.
    pub(crate) fn join(
        &self,
        connection: &Connection,
        boot: u64,
        dialled_by: NodeId,
        own: NodeId,
        sink: &Sink,
    ) -> Option<Joined> {
        let mut state = self.state.lock();
        let lower = own.min(self.id);
        if let Some(link) = &state.link {
            let alive = link.connection.close_reason().is_none();
            let keeps = link.dialled_by == lower && dialled_by != lower;
            if alive && link.boot == boot && keeps {
                return None;
            }
        }
        let (stop, stopped) = watch::channel(false);
        let link = Link {
            connection: connection.clone(),
            boot,
            dialled_by,
            stop,
        };
        if let Some(packet) = state.datagram.take() {
            // Lost like any packet when the path is narrower than the packet.
            let _lost = connection.send_datagram(packet);
        }
        // Before anyone is told: who hears of the connection may use it at once.
        self.connected.store(true, Ordering::Release);
        match state.link.replace(link) {
            Some(old) if old.boot == boot => {
                let _gone = old.stop.send(true);
                tokio::spawn(async move {
                    let _closed = tokio::time::timeout(LINGER, old.connection.closed()).await;
                    old.connection.close(close::DUPLICATE.into(), b"replaced");
                });
            }
            Some(old) => {
                let _gone = old.stop.send(true);
                old.connection
                    .close(close::DUPLICATE.into(), b"replaced by another start");
                sink(Inbound::Down {
                    peer: self.id,
                    reason: DownReason::Restarted,
                });
                sink(Inbound::Up {
                    peer: self.id,
                    boot,
                });
            }
            None => sink(Inbound::Up {
                peer: self.id,
                boot,
            }),
        }
        state.refusal = None;
        self.up.send_replace(true);
        Some(Joined { stop: stopped })
    }

    /// Says that `connection` is gone, if it was still the peer's.
    pub(crate) fn leave(&self, connection: &Connection, reason: DownReason, sink: &Sink) {
        let mut state = self.state.lock();
        let current = |link: &Link| link.connection.stable_id() == connection.stable_id();
        if !state.link.as_ref().is_some_and(current) {
            return;
        }
        state.link = None;
        self.connected.store(false, Ordering::Release);
        for lane in lane::ALL {
            self.queue(lane).clear();
        }
        sink(Inbound::Down {
            peer: self.id,
            reason,
        });
        self.up.send_replace(false);
    }

    /// Tells a refusal, once until the next connection or another reason.
    pub(crate) fn refused(&self, address: SocketAddr, dialled: bool, reason: Refusal, sink: &Sink) {
        let mut state = self.state.lock();
        if state.refusal.as_ref() != Some(&reason) {
            state.refusal = Some(reason.clone());
            tracing::warn!(peer = self.id.0, %address, dialled, %reason, "connection refused");
            sink(Inbound::Refused {
                peer: Some(self.id),
                address,
                dialled,
                reason,
            });
        }
    }
}

/// How long a replaced connection may go on delivering what was written to it.
pub(crate) const LINGER: core::time::Duration = core::time::Duration::from_secs(1);

/// What a connection is closed with.
pub(crate) mod close {
    /// Goodbye.
    pub(crate) const SHUTDOWN: u32 = 0;
    /// The pair has another connection.
    pub(crate) const DUPLICATE: u32 = 1;
    /// The first frame of a stream was refused; the reason is in words.
    pub(crate) const REFUSED: u32 = 2;
    /// A frame over the limit, or a second stream for a lane.
    pub(crate) const PROTOCOL: u32 = 3;
}
