//! The machine: one member of the cluster.
//!
//! **Invariant: this node's incarnation and every record it holds only move up, and it never believes
//! anything about itself but that it is alive (or, after [`Input::Leave`], that it left).**

mod dissemination;
mod exchange;
mod probing;

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;
use norikv_types::{Mono, NodeId, Prng};
use serde::{Deserialize, Serialize};

use self::exchange::Joining;
use crate::gossip::{Gossip, retransmissions};
use crate::health::Health;
use crate::packet::{self, Builder, Header, Message, Packet};
use crate::probe::Prober;
use crate::proxy::Proxies;
use crate::suspicion::Suspicions;
use crate::table::Table;
use crate::{Config, Error, Event, Incarnation, Member, MemberState, PacketError};

/// One member of a SWIM cluster, without I/O, clock or thread.
///
/// The host's duties:
/// 1. Hand every packet, with its sender as the transport knows it, to
///    [`handle_input`](Self::handle_input), with the time read when it is handed over.
/// 2. After each call drain [`poll_output`](Self::poll_output) until `None` and send what it says;
///    packets may be lost, doubled, delayed and reordered.
/// 3. Call with [`Input::Timeout`] at [`poll_timeout`](Self::poll_timeout), read anew after each call.
#[derive(Debug, Clone)]
pub struct Swim {
    config: Config,
    table: Table,
    prober: Prober,
    proxies: Proxies,
    suspicions: Suspicions,
    health: Health,
    gossip: Gossip,
    joining: Joining,
    prng: Prng,
    sequence: u32,
    gossip_at: Option<Mono>,
    sync_at: Mono,
    recover_at: Mono,
    outputs: VecDeque<Output>,
    stats: Stats,
}

/// What a host tells the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A packet came.
    Packet {
        /// From whom, as the transport knows it.
        from: NodeId,
        /// The packet.
        bytes: Bytes,
    },
    /// Become a member of the cluster that any of the seeds belongs to. Asked again until one answers.
    Join {
        /// Nodes that may be members. This node itself among them is ignored.
        seeds: alloc::vec::Vec<NodeId>,
    },
    /// Say good-bye. Others then know that this node left and did not fail.
    Leave,
    /// The deadline came.
    Timeout,
}

/// What the machine wants of its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Send a packet; losing it is allowed.
    Send {
        /// To whom.
        to: NodeId,
        /// At most [`Config::packet_bytes_max`] bytes.
        packet: Bytes,
    },
    /// Something happened.
    Event(Event),
}

/// Packets so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Packets handed out.
    pub sent: u64,
    /// Packets taken in.
    pub received: u64,
    /// Packets dropped because they belong to another cluster, protocol version or address.
    pub foreign: u64,
    /// Packets dropped because their bytes are damaged.
    pub malformed: u64,
}

impl Swim {
    /// A member that knows only itself. It probes from within one period on.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Left`]: a setting is out of range. Nothing was made.
    pub fn new(config: Config, now: Mono) -> Result<Self, Error> {
        config.check()?;
        let mut prng = Prng::new(config.seed);
        let first_period = now + prng.duration(Duration::ZERO, config.probe_interval);
        let sequence = u32::try_from(prng.below(1 << 32)).unwrap_or(0);
        let own = Member {
            node: config.id,
            state: MemberState::Alive,
            incarnation: config.incarnation,
            metadata: config.metadata.clone(),
        };
        Ok(Self {
            table: Table::new(own),
            prober: Prober::new(first_period),
            proxies: Proxies::default(),
            suspicions: Suspicions::default(),
            health: Health::new(config.health_max),
            gossip: Gossip::default(),
            joining: Joining::default(),
            sequence,
            gossip_at: None,
            sync_at: now + prng.duration(Duration::ZERO, config.sync_interval),
            recover_at: now + config.recover_interval,
            outputs: VecDeque::new(),
            stats: Stats::default(),
            prng,
            config,
        })
    }

    /// Takes one input in; then drain the outputs.
    ///
    /// # Errors
    /// [`Error::Left`] for [`Input::Join`] and [`Input::Leave`] after this member left; nothing
    /// changed. A bad packet is no error: it is counted and told as [`Event::PacketDropped`].
    pub fn handle_input(&mut self, now: Mono, input: Input) -> Result<(), Error> {
        match input {
            Input::Packet { from, bytes } => self.receive(now, from, &bytes),
            Input::Join { .. } | Input::Leave if self.has_left() => return Err(Error::Left),
            Input::Join { seeds } => self.join(now, seeds),
            Input::Leave => self.leave(now),
            Input::Timeout => self.tick(now),
        }
        Ok(())
    }

    /// What to do next, in order; `None` when all is told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call with [`Input::Timeout`]; `None` once this member left and told so.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        // Asked after every input: absent moments count as the last one there is, to be quick.
        let at = |moment: Option<Mono>| moment.unwrap_or(Mono::MAX);
        let mut next = at(self.gossip_at)
            .min(at(self.proxies.next_deadline()))
            .min(at(self.suspicions.next_deadline()));
        if !self.has_left() {
            let probe = self.prober.current.as_ref();
            next = next
                .min(self.prober.period_end)
                .min(at(probe.and_then(|probe| probe.direct_until)))
                .min(at(self.joining.retry_at))
                .min(self.sync_at)
                .min(self.recover_at);
        }
        (next < Mono::MAX).then_some(next)
    }

    /// Everybody this node knows of, itself included, ascending.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.table.iter()
    }

    /// What this node knows of `node`.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        self.table.get(node)
    }

    /// This node's own incarnation.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.table.own().incarnation
    }

    /// The local health score; 0 is well.
    #[must_use]
    pub const fn health(&self) -> u32 {
        self.health.score()
    }

    /// A hash over all members' states and incarnations: equal tables, equal digests.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.table.digest()
    }

    /// Packets so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn has_left(&self) -> bool {
        self.table.own().state == MemberState::Left
    }

    fn receive(&mut self, now: Mono, from: NodeId, bytes: &[u8]) {
        match packet::decode(bytes).and_then(|packet| self.admit(from, packet)) {
            Ok(packet) => {
                self.stats.received += 1;
                self.accept(now, packet);
            }
            Err(reason) => {
                if reason.is_foreign() {
                    self.stats.foreign += 1;
                } else {
                    self.stats.malformed += 1;
                }
                self.tell(Event::PacketDropped { from, reason });
            }
        }
    }

    /// Lets only packets through that are of this cluster, from whom they claim, and for this node.
    fn admit(&self, from: NodeId, packet: Packet) -> Result<Packet, PacketError> {
        let header = packet.header;
        if header.cluster != self.config.cluster {
            return Err(PacketError::Cluster {
                got: header.cluster,
            });
        }
        if header.from != from || from == self.config.id {
            return Err(PacketError::Sender {
                claimed: header.from,
            });
        }
        if header.to != self.config.id {
            return Err(PacketError::Recipient { meant: header.to });
        }
        Ok(packet)
    }

    fn accept(&mut self, now: Mono, packet: Packet) {
        let Packet {
            header,
            message,
            mut records,
        } = packet;
        if matches!(message, Message::Table { .. }) {
            self.doubt_verdicts(header.from, &mut records);
        }
        // Records first, so that the reply already tells what they taught: a refutation travels in
        // the very ack to the ping that brought the doubt.
        for record in &records {
            self.hear(now, record);
        }
        let from = header.from;
        let behind = |known: &Member| {
            (known.incarnation, known.state) > (header.incarnation, MemberState::Alive)
        };
        let remind = self.table.get(from).is_some_and(behind);
        let ahead = |known: &Member| header.incarnation > known.incarnation;
        let stranger = self.table.get(from).is_none_or(ahead);
        match message {
            Message::Ping { sequence } => self.send(from, Message::Ack { sequence }, remind),
            Message::Ack { sequence } => self.acknowledged(from, sequence),
            Message::PingReq { sequence, target } => self.probe_for(now, from, sequence, target),
            Message::Nack { sequence } => self.nacked(from, sequence),
            Message::Gossip => {}
            Message::Join => self.welcome(from),
            Message::Digest { digest } => self.compare(from, digest),
            Message::Table {
                first,
                last,
                answer,
            } => {
                self.table_came(now, from);
                if !answer {
                    self.complete(from, first, last, &records);
                }
            }
        }
        // One whose own word is ahead of what is known of it: ask for the rest.
        let asks = matches!(
            message,
            Message::Ping { .. } | Message::Ack { .. } | Message::Gossip
        );
        if stranger && asks && !self.has_left() {
            let digest = self.table.digest();
            self.send(from, Message::Digest { digest }, false);
        }
    }

    /// Does everything whose time has come.
    fn tick(&mut self, now: Mono) {
        let late = self
            .poll_timeout()
            .map_or(Duration::ZERO, |due| now.since(due));
        if late > self.config.probe_interval {
            self.wake(now, late);
        }
        while let Some(proxied) = self.proxies.unanswered(now) {
            self.send(
                proxied.asker,
                Message::Nack {
                    sequence: proxied.sequence,
                },
                false,
            );
        }
        if !self.has_left() {
            self.tick_probe(now);
            self.tick_exchange(now);
        }
        // After the probe: a judgement may be the confirmation that ends a suspicion.
        while let Some(node) = self.suspicions.expired(now) {
            self.convict(now, node);
        }
        if self.gossip_at.is_some_and(|at| at <= now) {
            self.gossip_to(self.config.gossip_fanout);
            self.gossip_at = (!self.gossip.is_empty()).then(|| now + self.config.gossip_interval);
            self.finish_leaving();
        }
    }

    /// This node did not listen for `late` (paused, or starved): what it missed proves nothing about
    /// others, so nobody is judged by that time.
    fn wake(&mut self, now: Mono, late: Duration) {
        self.suspicions.postpone(late);
        self.prober.current = None;
        self.prober.period_end = now;
        let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        self.tell(Event::Overslept { late_ms });
        self.judge_health(|health| health.worsen(1));
    }

    /// Sends `message` with as many rumours as fit. One who is doubted is told so first (Lifeguard
    /// §III, the buddy system), and so is one to `remind` of what is known of it.
    fn send(&mut self, to: NodeId, message: Message, remind: bool) {
        let Self {
            config,
            table,
            gossip,
            suspicions,
            ..
        } = self;
        let mut builder = Builder::new(header(config, table, to), message, config.packet_bytes_max);
        let me = config.id;
        let about = table
            .get(to)
            .filter(|known| remind || known.state != MemberState::Alive);
        if let Some(known) = about {
            builder.push(known, suspicions.accuser(to).unwrap_or(me));
        }
        if message == Message::Join {
            builder.push(table.own(), me);
        }
        let told = about.is_some();
        let bound = retransmissions(config.retransmit_multiplier, table.live());
        gossip.take(bound, |node, accuser| {
            let member = table.get(node).filter(|_| !(told && node == to));
            member.is_some_and(|member| builder.push(member, accuser.unwrap_or(me)))
        });
        self.output_packet(to, builder);
    }

    fn output_packet(&mut self, to: NodeId, builder: Builder) {
        self.stats.sent += 1;
        self.outputs.push_back(Output::Send {
            to,
            packet: builder.finish(),
        });
    }

    fn judge_health(&mut self, change: impl FnOnce(&mut Health)) {
        let before = self.health.score();
        change(&mut self.health);
        let score = self.health.score();
        if score != before {
            self.tell(Event::HealthChanged { score });
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

fn header(config: &Config, table: &Table, to: NodeId) -> Header {
    Header {
        cluster: config.cluster,
        from: config.id,
        to,
        incarnation: table.own().incarnation,
    }
}

#[cfg(test)]
mod tests;
