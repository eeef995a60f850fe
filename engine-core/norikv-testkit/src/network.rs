//! A network that delays, loses, doubles, reorders, replays, harms, holds back and parts.
//!
//! **Invariant: the same seed and the same calls give the same deliveries, in the order of
//! (time, sequence).** What is sent on one channel of a link keeps its order, but for the reorder
//! and replay faults, which strict channels do not have. A cut link delivers nothing, neither what is
//! sent while it is cut nor what was in flight; a clogged link and a slow receiver lose nothing.

mod faults;
mod memory;
mod payload;
mod receiver;
mod topology;

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use norikv_types::{Mono, NodeId, Prng};

use self::faults::chance;
pub use self::faults::{Delay, LinkFaults};
use self::memory::Memory;
pub use self::payload::{Harm, Payload};
use self::receiver::Receiver;
use crate::counters::counters;
use crate::schedule::{Schedule, Slot};

/// Messages of type `T` on their way between nodes.
#[derive(Debug, Clone)]
pub struct Network<T> {
    faults: LinkFaults,
    prng: Prng,
    in_flight: Schedule<InFlight<T>>,
    cuts: BTreeSet<(NodeId, NodeId)>,
    flaps: BTreeMap<(NodeId, NodeId), Flap>,
    /// Links that let nothing through until then.
    clogs: BTreeMap<(NodeId, NodeId), Mono>,
    receivers: BTreeMap<NodeId, Receiver>,
    /// Links that behave otherwise than the rest.
    links: BTreeMap<(NodeId, NodeId), LinkFaults>,
    /// When the last message in order arrives on each channel of each link.
    last_arrival: BTreeMap<(NodeId, NodeId, Channel), Mono>,
    /// Entries of `last_arrival` at which those of the past are dropped.
    prune_at: usize,
    memory: Memory<T>,
    /// Whether any link replays.
    replays: bool,
    counters: NetworkCounters,
}

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T> {
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is for.
    pub to: NodeId,
    /// On which channel.
    pub channel: Channel,
    /// When it was sent.
    pub sent: Mono,
    /// What the wire did to it.
    pub harmed: Option<Harm>,
    /// What it says.
    pub payload: T,
}

/// One of the independent ways from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Tells the channels of a link apart.
    pub number: u8,
    /// Never doubles, reorders or replays, as a stream of a connection. Loss and harm stay possible.
    pub strict: bool,
}

counters! {
    /// What a network has done since it was made.
    pub struct NetworkCounters {
        work {
            /// Messages handed in.
            sent,
            /// Messages handed out, second copies included.
            delivered,
        }
        faults {
            /// Messages whose delay is of the tail.
            tailed,
            /// Messages lost by chance.
            lost,
            /// Second copies made.
            duplicated,
            /// Messages that did not keep their place.
            reordered,
            /// Old messages put on their way again.
            replayed,
            /// Messages that lost their end.
            truncated,
            /// Messages of which a bit flipped.
            flipped,
            /// Messages that a cut link swallowed.
            cut,
            /// Messages that a flapping link swallowed while it was down.
            flapped,
            /// Messages that a clogged link held back.
            clogged,
            /// Messages that had to wait for a slow receiver.
            slowed,
        }
    }
}

#[derive(Debug, Clone)]
struct InFlight<T> {
    message: Message<T>,
    /// It has arrived and waits for its slow receiver: no link can take it away any more.
    arrived: bool,
}

/// A link that is up for half a period and down for the other.
#[derive(Debug, Clone, Copy)]
struct Flap {
    half_nanos: u64,
    until: Mono,
}

impl<T: Payload> Network<T> {
    /// A whole network whose links all behave like `faults`.
    #[must_use]
    pub fn new(faults: LinkFaults, prng: Prng) -> Self {
        Self {
            faults,
            prng,
            in_flight: Schedule::new(),
            cuts: BTreeSet::new(),
            flaps: BTreeMap::new(),
            clogs: BTreeMap::new(),
            receivers: BTreeMap::new(),
            links: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            prune_at: PRUNE_MIN,
            memory: Memory::new(),
            replays: faults.replay_ppm > 0,
            counters: NetworkCounters::default(),
        }
    }

    /// Puts a message on its way. `now` never goes back from one call to the next.
    pub fn send(&mut self, now: Mono, from: NodeId, to: NodeId, channel: Channel, payload: T) {
        self.counters.sent += 1;
        let link = (from, to);
        if self.swallows(link, now) {
            return;
        }
        let faults = self.faults_of(link);
        if !channel.strict && chance(faults.replay_ppm, &mut self.prng) {
            self.replay(now, link, &faults);
        }
        if chance(faults.loss_ppm, &mut self.prng) {
            self.counters.lost += 1;
            return;
        }
        let mut arrives = self.arrival(now, link, &faults);
        if !channel.strict && chance(faults.reorder_ppm, &mut self.prng) {
            self.counters.reordered += 1;
        } else {
            self.prune(now);
            let last = self.last_arrival.entry((from, to, channel)).or_default();
            arrives = arrives.max(*last);
            *last = arrives;
        }
        let mut message = Message {
            from,
            to,
            channel,
            sent: now,
            harmed: None,
            payload,
        };
        if !channel.strict && chance(faults.duplicate_ppm, &mut self.prng) {
            self.counters.duplicated += 1;
            let again = self.arrival(arrives, link, &faults);
            self.put(again, message.clone());
        }
        self.harm(&mut message, &faults);
        self.put(arrives, message);
    }

    /// Takes the next message out that arrives. What cut links swallow is skipped.
    pub fn pop(&mut self) -> Option<(Slot, Message<T>)> {
        self.settle();
        let (slot, InFlight { message, arrived }) = self.in_flight.pop()?;
        self.counters.delivered += 1;
        if !arrived
            && let Some(receiver) = self.receivers.get_mut(&message.to)
            && receiver.take(slot.at)
        {
            self.receivers.remove(&message.to);
        }
        if self.replays && !message.channel.strict && message.harmed.is_none() {
            let faults = self.faults_of((message.from, message.to));
            if faults.replay_ppm > 0 {
                self.memory.keep(&message, &mut self.prng);
            }
        }
        Some((slot, message))
    }

    fn replay(&mut self, now: Mono, link: (NodeId, NodeId), faults: &LinkFaults) {
        if let Some(message) = self.memory.draw(link, &mut self.prng) {
            self.counters.replayed += 1;
            let arrives = self.arrival(now, link, faults);
            self.put(arrives, message);
        }
    }

    fn harm(&mut self, message: &mut Message<T>, faults: &LinkFaults) {
        let prng = &mut self.prng;
        if chance(faults.truncate_ppm, prng) && message.payload.truncate(prng) {
            self.counters.truncated += 1;
            message.harmed = Some(Harm::Truncated);
        } else if chance(faults.flip_ppm, prng) && message.payload.flip_bit(prng) {
            self.counters.flipped += 1;
            message.harmed = Some(Harm::Flipped);
        }
    }
}

impl<T> Network<T> {
    /// When the next message arrives.
    pub fn next_at(&mut self) -> Option<Mono> {
        self.settle();
        self.in_flight.next_at()
    }

    /// Drops everything on its way to or from `node`, as when its process dies. A new life of the
    /// node starts with fresh links; what may be replayed stays, as it would on a real network.
    pub fn drop_node(&mut self, node: NodeId) {
        self.in_flight
            .retain(|own| own.message.from != node && own.message.to != node);
        self.last_arrival
            .retain(|(from, to, _), _| *from != node && *to != node);
        if let Some(receiver) = self.receivers.get_mut(&node) {
            receiver.reset();
        }
    }

    /// Lets every link without behaviour of its own behave like `faults`.
    pub fn set_faults(&mut self, faults: LinkFaults) {
        self.faults = faults;
        self.forget_if_nothing_replays();
    }

    /// Lets one direction of one link behave like `faults`; `None` makes it ordinary again.
    pub fn set_link(&mut self, from: NodeId, to: NodeId, faults: Option<LinkFaults>) {
        match faults {
            Some(faults) => self.links.insert((from, to), faults),
            None => self.links.remove(&(from, to)),
        };
        self.forget_if_nothing_replays();
    }

    /// Lets nothing through from `from` to `to` until `until`; then everything comes at once, in
    /// order. What is in flight is held back too. Clogging a clogged link can only make it longer.
    pub fn clog(&mut self, from: NodeId, to: NodeId, until: Mono) {
        let clogged = self.clogs.entry((from, to)).or_default();
        *clogged = until.max(*clogged);
        // One that arrives just then has to stay behind those that are held back until then.
        let held = self.in_flight.extract(|slot, own| {
            let link = (own.message.from, own.message.to);
            slot.at <= until && !own.arrived && link == (from, to)
        });
        for (slot, own) in held {
            self.counters.clogged += u64::from(slot.at < until);
            self.in_flight.push(until, own);
        }
    }

    /// Lets the way from `from` to `to` be up in the first half of each `period`, counted from time
    /// zero, and down in the second, until `until`. While it is down it swallows what is sent and
    /// what arrives, as a cut link does.
    ///
    /// # Panics
    /// When `period` is below two nanoseconds.
    pub fn flap(&mut self, from: NodeId, to: NodeId, period: Duration, until: Mono) {
        let half_nanos = u64::try_from(period.as_nanos() / 2).unwrap_or(u64::MAX);
        assert!(half_nanos > 0, "half a period is some time");
        self.flaps.insert((from, to), Flap { half_nanos, until });
    }

    /// Lets `node` take a message only every `service`; what arrives meanwhile waits, in order.
    /// With zero it is as fast again as all others, once it has taken what waits.
    pub fn slow_receiver(&mut self, node: NodeId, service: Duration) {
        let receiver = self.receivers.entry(node).or_insert_with(Receiver::new);
        receiver.set(service);
    }

    /// Whether a message would be swallowed at `at`: the link is cut, or flaps and is down.
    #[must_use]
    pub fn is_down(&self, from: NodeId, to: NodeId, at: Mono) -> bool {
        let flap = self.flaps.get(&(from, to));
        self.is_cut(from, to) || flap.is_some_and(|flap| flap.is_down(at))
    }

    /// How many messages are on their way.
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        self.in_flight.len()
    }

    /// Everything on its way, in the order of arrival.
    pub fn in_flight(&self) -> impl Iterator<Item = (Slot, &Message<T>)> {
        self.in_flight
            .iter()
            .map(|(slot, own)| (slot, &own.message))
    }

    /// What the network has done.
    #[must_use]
    pub const fn counters(&self) -> NetworkCounters {
        self.counters
    }

    fn faults_of(&self, link: (NodeId, NodeId)) -> LinkFaults {
        if self.links.is_empty() {
            return self.faults;
        }
        self.links.get(&link).copied().unwrap_or(self.faults)
    }

    fn put(&mut self, at: Mono, message: Message<T>) {
        let arrived = false;
        self.in_flight.push(at, InFlight { message, arrived });
    }

    /// When something arrives that the link takes up at `now`.
    fn arrival(&mut self, now: Mono, link: (NodeId, NodeId), faults: &LinkFaults) -> Mono {
        let (delay, tail) = faults.delay.draw_and_tell(&mut self.prng);
        self.counters.tailed += u64::from(tail);
        let arrives = now + delay;
        if self.clogs.is_empty() {
            return arrives;
        }
        match self.clogs.get(&link) {
            Some(until) if *until <= now => {
                self.clogs.remove(&link);
                arrives
            }
            Some(until) if *until > arrives => {
                self.counters.clogged += 1;
                *until
            }
            _ => arrives,
        }
    }

    /// Whether the link swallows what it carries at `at`; counts it.
    fn swallows(&mut self, link: (NodeId, NodeId), at: Mono) -> bool {
        if !self.cuts.is_empty() && self.cuts.contains(&link) {
            self.counters.cut += 1;
            return true;
        }
        if self.flaps.is_empty() {
            return false;
        }
        let down = self.flaps.get(&link).is_some_and(|flap| flap.is_down(at));
        self.counters.flapped += u64::from(down);
        down
    }

    /// Makes the first message in flight one that will be handed out when it is due.
    fn settle(&mut self) {
        if self.cuts.is_empty() && self.flaps.is_empty() && self.receivers.is_empty() {
            return;
        }
        while let Some((slot, own)) = self.in_flight.peek() {
            let (link, arrived) = ((own.message.from, own.message.to), own.arrived);
            if arrived {
                return;
            }
            if self.swallows(link, slot.at) {
                self.in_flight.pop();
                continue;
            }
            let Some(receiver) = self.receivers.get_mut(&link.1) else {
                return;
            };
            let due = receiver.due(slot.at);
            if due == slot.at {
                return;
            }
            receiver.take(due);
            self.counters.slowed += 1;
            if let Some((_, mut own)) = self.in_flight.pop() {
                own.arrived = true;
                self.in_flight.push(due, own);
            }
        }
    }

    /// Drops what `last_arrival` says of the past, seldom enough to cost nothing.
    fn prune(&mut self, now: Mono) {
        if self.last_arrival.len() >= self.prune_at {
            self.last_arrival.retain(|_, at| *at > now);
            self.prune_at = PRUNE_MIN.max(self.last_arrival.len() * 2);
        }
    }

    fn forget_if_nothing_replays(&mut self) {
        let replays = |faults: &LinkFaults| faults.replay_ppm > 0;
        self.replays = replays(&self.faults) || self.links.values().any(replays);
        if !self.replays {
            self.memory.clear();
        }
    }
}

impl Flap {
    const fn is_down(self, at: Mono) -> bool {
        let nth_half = at.as_nanos() / self.half_nanos;
        at.as_nanos() < self.until.as_nanos() && nth_half % 2 == 1
    }
}

impl Channel {
    /// Doubles, reorders and replays if the link does.
    #[must_use]
    pub const fn loose(number: u8) -> Self {
        Self {
            number,
            strict: false,
        }
    }

    /// Keeps its order and doubles nothing.
    #[must_use]
    pub const fn strict(number: u8) -> Self {
        Self {
            number,
            strict: true,
        }
    }
}

/// No `last_arrival` shorter than this is looked through.
const PRUNE_MIN: usize = 256;

#[cfg(test)]
mod tests;
