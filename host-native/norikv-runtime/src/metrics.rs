//! What the host counts; the node counts its own.

use std::collections::BTreeMap;

use nori_observe::{Counter, Gauge, Histogram, Meter};
use norikv_node::Lane;
use norikv_transport_quic::PeerStats;
use norikv_types::NodeId;
use parking_lot::Mutex;

/// The host's meters; each is moved by one thread and read by whoever scrapes.
#[derive(Debug)]
pub(crate) struct HostMetrics {
    /// Time of one group commit, its sync included.
    pub(crate) log_sync: Histogram,
    /// Writes that one group commit served.
    pub(crate) log_batch: Histogram,
    /// Times that an idle log was sealed.
    pub(crate) log_seals: Counter,
    /// Times that what was in memory reached the storage's files.
    pub(crate) flushes: Counter,
    /// Inputs that one turn of the event loop took.
    pub(crate) loop_inputs: Histogram,
    peers_up: Gauge,
    dropped: BTreeMap<Lane, Counter>,
    /// Frames dropped so far, by peer and lane: counters only grow by what is new.
    known: Mutex<BTreeMap<(NodeId, Lane), u64>>,
}

impl HostMetrics {
    /// Registers the host's meters in `meter`.
    ///
    /// # Panics
    /// When they are registered there already.
    pub(crate) fn register(meter: &Meter) -> Self {
        let help = "Frames that this node did not send: pushed out of a full queue, refused, or lost with a connection.";
        let dropped = Lane::ALL.map(|lane| {
            let labels = [("lane", lane.word())];
            (
                lane,
                required(meter.counter("norikv_frames_dropped", help, &labels)),
            )
        });
        Self {
            log_sync: required(meter.timer(
                "norikv_log_sync_seconds",
                "Time of one group commit of the log, its sync included.",
                &[],
            )),
            log_batch: required(meter.histogram(
                "norikv_log_batch",
                "Writes that one group commit of the log served.",
                &[],
            )),
            log_seals: required(meter.counter(
                "norikv_log_seals",
                "Times that an idle log was sealed: its end is proven from then on.",
                &[],
            )),
            flushes: required(meter.counter(
                "norikv_flushes",
                "Times that what was in memory reached the storage's files.",
                &[],
            )),
            loop_inputs: required(meter.histogram(
                "norikv_loop_inputs",
                "Inputs that one turn of the event loop took.",
                &[],
            )),
            peers_up: required(meter.gauge(
                "norikv_peers_up",
                "Peers that this node has a connection with.",
                &[],
            )),
            dropped: dropped.into(),
            known: Mutex::default(),
        }
    }

    /// Takes in what the transport counts itself.
    pub(crate) fn refresh(&self, peers: &[PeerStats]) {
        let up = peers.iter().filter(|peer| peer.up).count();
        self.peers_up.set(i64::try_from(up).unwrap_or(i64::MAX));
        let mut known = self.known.lock();
        for peer in peers {
            for (lane, count) in peer.dropped {
                let before = known.insert((peer.peer, lane), count).unwrap_or(0);
                if let Some(counter) = self.dropped.get(&lane) {
                    counter.add(count.saturating_sub(before));
                }
            }
        }
    }
}

/// Names, labels and kinds here are constants, so a refusal is a mistake in this file.
fn required<T>(registered: Result<T, nori_observe::Error>) -> T {
    match registered {
        Ok(handle) => handle,
        Err(error) => unreachable!("a meter of the host is refused: {error}"),
    }
}
