//! What travels between nodes, and how it leaves and arrives.
//!
//! **Invariant: the transport proves what it carries.** What the wire harmed never reaches a node: a
//! packet is dropped, and a connection ends.

use bytes::Bytes;
use norikv_node::{Input, Lane};
use norikv_testkit::{Channel, Message, Payload};
use norikv_types::{Mono, NodeId, Prng};

use crate::cluster::Simulation;
use crate::cluster::invariant::bounded;
use crate::cluster::simulation::{Happening, StepKind};

/// What a node sent.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// `None`: a SWIM packet.
    pub(crate) lane: Option<Lane>,
    pub(crate) bytes: Bytes,
    /// The start of the receiver that the connection was made to.
    pub(crate) to_life: u64,
}

impl Payload for Packet {
    fn truncate(&mut self, prng: &mut Prng) -> bool {
        Payload::truncate(&mut self.bytes, prng)
    }

    fn flip_bit(&mut self, prng: &mut Prng) -> bool {
        Payload::flip_bit(&mut self.bytes, prng)
    }
}

impl Simulation {
    pub(crate) fn next_arrival(&mut self) -> (Option<NodeId>, StepKind) {
        let Some((_, message)) = self.network.pop() else {
            return (None, StepKind::Delivered);
        };
        let to = message.to;
        let paused_until = self
            .host_of(to)
            .map_or(Mono::ZERO, |host| self.hosts[host].paused_until);
        if paused_until > self.now {
            self.schedule
                .push(paused_until, Happening::Deliver(message));
        } else {
            self.deliver(message);
        }
        (Some(to), StepKind::Delivered)
    }

    pub(crate) fn deliver(&mut self, message: Message<Packet>) {
        let Some(host) = self.host_of(message.to) else {
            return;
        };
        let Packet {
            lane,
            mut bytes,
            to_life,
        } = message.payload;
        // A connection never delivers to a later start of the receiver; a datagram may.
        let machine = &self.hosts[host];
        if machine.process.is_none() || (lane.is_some() && machine.life != to_life) {
            return;
        }
        let from = message.from;
        if message.harmed.is_some() {
            // The transport proves what it carries: a packet is dropped, a connection ends.
            if lane.is_some() {
                self.connection_breaks(host, from);
            }
            return;
        }
        self.delivered += 1;
        if self.config.flip == Some(self.delivered) {
            let mut flipped = bytes.to_vec();
            if let Some(last) = flipped.last_mut() {
                *last ^= 1;
            }
            bytes = flipped.into();
        }
        self.feed(
            host,
            match lane {
                Some(lane) => Input::Frame { from, lane, bytes },
                None => Input::Datagram { from, bytes },
            },
        );
    }

    pub(crate) fn send(&mut self, host: usize, to: NodeId, lane: Option<Lane>, bytes: Bytes) {
        let machine = &self.hosts[host];
        // A frame needs a connection; a datagram dials.
        let connection = machine.connected.get(&to).copied();
        if lane.is_some() && connection.is_none() {
            return;
        }
        let packet = Packet {
            lane,
            bytes,
            to_life: connection.unwrap_or_default(),
        };
        // Raft tolerates what streams would not do, so its lanes are worse here than they need be.
        let channel = match lane {
            None => Channel::loose(0),
            Some(Lane::Control) => Channel::loose(1),
            Some(Lane::Append) => Channel::loose(2),
            Some(Lane::Forward) => Channel::strict(3),
            Some(Lane::Snapshot) => Channel::strict(4),
        };
        let id = machine.id;
        self.network.send(self.now, id, to, channel, packet);
        let in_flight = self.network.in_flight_count();
        self.check(bounded::check_network(id, in_flight));
    }
}
