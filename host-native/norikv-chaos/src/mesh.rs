//! Every link between nodes, and what is wrong with it now.
//!
//! Nodes reach each other through sockets of this process: in node `a`'s configuration stands, for
//! its peer `b`, the address of a relay that passes packets on to `b`, and `b`'s answers back.
//!
//! **Invariant: each packet is judged by its own direction,** whoever opened the connection; so a
//! link can be cut one way, and no privilege is needed.

mod relay;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use norikv_types::Prng;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::net::UdpSocket;

pub(crate) use self::relay::Relays;
use crate::fault::Trouble;

/// One direction between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The sender.
    pub from: u64,
    /// The receiver.
    pub to: u64,
}

/// All links.
#[derive(Debug)]
pub(crate) struct Mesh(Mutex<State>);

/// A trouble that was begun and is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TroubleId(u64);

/// What became of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PacketCounters {
    /// Passed on, at once or later.
    pub passed: u64,
    /// Dropped by a cut, a loss, or a flap.
    pub dropped: u64,
    /// Passed on later.
    pub delayed: u64,
    /// Passed on twice.
    pub duplicated: u64,
    /// Held back by a clog.
    pub held: u64,
}

#[derive(Debug)]
struct State {
    links: BTreeMap<Link, LinkState>,
    next: u64,
    prng: Prng,
    counters: PacketCounters,
}

#[derive(Debug, Default)]
struct LinkState {
    troubles: Vec<Active>,
    held: Vec<Packet>,
}

#[derive(Debug, Clone, Copy)]
struct Active {
    id: TroubleId,
    trouble: Trouble,
    since: Instant,
}

/// A packet and where it goes.
#[derive(Debug, Clone)]
struct Packet {
    via: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Bytes,
}

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass { after: Duration, copies: u32 },
    Drop,
    Hold,
}

impl Mesh {
    /// The links between nodes 1 to `nodes`, all of them well.
    #[must_use]
    pub(crate) fn new(nodes: u64, seed: u64) -> Self {
        let links = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| Link { from, to }));
        Self(Mutex::new(State {
            links: links
                .filter(|link| link.from != link.to)
                .map(|link| (link, LinkState::default()))
                .collect(),
            next: 0,
            prng: Prng::new(seed),
            counters: PacketCounters::default(),
        }))
    }

    /// Begins a trouble of some links.
    pub(crate) fn begin(&self, links: &[Link], trouble: Trouble) -> TroubleId {
        let mut state = self.0.lock();
        let id = TroubleId(state.next);
        state.next += 1;
        let active = Active {
            id,
            trouble,
            since: Instant::now(),
        };
        for link in links {
            if let Some(own) = state.links.get_mut(link) {
                own.troubles.push(active);
            }
        }
        id
    }

    /// Ends a trouble; what it held back is passed on.
    pub(crate) fn end(&self, id: TroubleId) {
        self.end_where(|active| active.id == id);
    }

    /// Ends every trouble.
    pub(crate) fn heal(&self) {
        self.end_where(|_| true);
    }

    /// Whether nothing is wrong with any link.
    #[must_use]
    pub(crate) fn is_well(&self) -> bool {
        let state = self.0.lock();
        state.links.values().all(|link| link.troubles.is_empty())
    }

    /// What became of the packets so far.
    #[must_use]
    pub(crate) fn counters(&self) -> PacketCounters {
        self.0.lock().counters
    }

    fn end_where(&self, ends: impl Fn(&Active) -> bool) {
        let mut released = Vec::new();
        let mut state = self.0.lock();
        for link in state.links.values_mut() {
            link.troubles.retain(|active| !ends(active));
            let clogged = |active: &Active| active.trouble == Trouble::Clog;
            if !link.troubles.iter().any(clogged) {
                released.append(&mut link.held);
            }
        }
        state.counters.passed += released.len() as u64;
        drop(state);
        for packet in released {
            packet.send();
        }
    }

    /// Does with a packet what its link does with packets now.
    fn carry(&self, link: Link, packet: Packet) {
        let mut state = self.0.lock();
        match state.fate(link) {
            Fate::Drop => state.counters.dropped += 1,
            Fate::Hold => {
                state.counters.held += 1;
                if let Some(own) = state.links.get_mut(&link)
                    && own.held.len() < HELD_MAX
                {
                    own.held.push(packet);
                }
            }
            Fate::Pass { after, copies } => {
                state.counters.passed += 1;
                state.counters.duplicated += u64::from(copies > 1);
                state.counters.delayed += u64::from(!after.is_zero());
                drop(state);
                for _ in 0..copies {
                    if after.is_zero() {
                        packet.send();
                    } else {
                        let packet = packet.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(after).await;
                            packet.send();
                        });
                    }
                }
            }
        }
    }
}

impl State {
    fn fate(&mut self, link: Link) -> Fate {
        let Some(state) = self.links.get(&link) else {
            return Fate::Drop;
        };
        let (mut after, mut copies, mut hold) = (Duration::ZERO, 1, false);
        for active in &state.troubles {
            match active.trouble {
                Trouble::Cut => return Fate::Drop,
                Trouble::Flap { every } => {
                    let turn = active.since.elapsed().as_nanos() / every.as_nanos().max(1);
                    if turn.is_multiple_of(2) {
                        return Fate::Drop;
                    }
                }
                Trouble::Lose { ppm } => {
                    if self.prng.chance_ppm(ppm) {
                        return Fate::Drop;
                    }
                }
                Trouble::Duplicate { ppm } => copies += u32::from(self.prng.chance_ppm(ppm)),
                Trouble::Delay { max } => {
                    let tail = if self.prng.below(20) == 0 { 10 } else { 1 };
                    after += self.prng.duration(Duration::ZERO, max * tail);
                }
                Trouble::Clog => hold = true,
            }
        }
        if hold {
            Fate::Hold
        } else {
            Fate::Pass { after, copies }
        }
    }
}

impl Packet {
    fn send(&self) {
        // A full buffer or a receiver that is gone: lost, as on any network.
        let _lost = self.via.try_send_to(&self.bytes, self.to);
    }
}

/// Packets that a clogged link holds; more are lost.
const HELD_MAX: usize = 20_000;

#[cfg(test)]
mod tests;
