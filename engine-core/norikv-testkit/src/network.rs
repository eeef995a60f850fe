//! A network that delays, loses, doubles, reorders and parts.
//!
//! **Invariant: the same seed and the same sends give the same deliveries, in the order of
//! (time, sequence).** What is sent on one channel of a link keeps its order, but for the reorder
//! fault, which strict channels do not have. A cut link delivers nothing, neither what is sent while
//! it is cut nor what was in flight.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use norikv_types::{Mono, NodeId, Prng};

use crate::schedule::{Schedule, Slot};

/// Messages of type `T` on their way between nodes.
#[derive(Debug, Clone)]
pub struct Network<T> {
    faults: LinkFaults,
    prng: Prng,
    in_flight: Schedule<Message<T>>,
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// Links that behave otherwise than the rest.
    links: BTreeMap<(NodeId, NodeId), LinkFaults>,
    /// When the last message in order arrives on each channel of each link.
    last_arrival: BTreeMap<(NodeId, NodeId, Channel), Mono>,
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
    /// What it says.
    pub payload: T,
}

/// One of the independent ways from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// Tells the channels of a link apart.
    pub number: u8,
    /// Never doubles and never reorders, as a stream of a connection. Loss stays possible.
    pub strict: bool,
}

/// What can happen on a link, each drawn for every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkFaults {
    /// How long a message takes.
    pub delay: Delay,
    /// Messages in a million that never arrive.
    pub loss_ppm: u32,
    /// Messages in a million that arrive a second time, later.
    pub duplicate_ppm: u32,
    /// Messages in a million that do not keep their place: they may be overtaken and overtake.
    pub reorder_ppm: u32,
}

/// A distribution of delays: uniform, with a heavy tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// The least.
    pub min: Duration,
    /// The most outside the tail.
    pub max: Duration,
    /// Draws in a million that fall into the tail.
    pub tail_ppm: u32,
    /// The most in the tail; half of the tail's draws lie below an eighth of it.
    pub tail_max: Duration,
}

/// What a network has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// Messages handed in.
    pub sent: u64,
    /// Messages handed out, second copies included.
    pub delivered: u64,
    /// Messages lost by chance.
    pub lost: u64,
    /// Second copies made.
    pub duplicated: u64,
    /// Messages that did not keep their place.
    pub reordered: u64,
    /// Messages that a cut link swallowed.
    pub cut: u64,
}

impl<T: Clone> Network<T> {
    /// A whole network whose links all behave like `faults`.
    #[must_use]
    pub fn new(faults: LinkFaults, prng: Prng) -> Self {
        Self {
            faults,
            prng,
            in_flight: Schedule::new(),
            cuts: BTreeSet::new(),
            links: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            counters: NetworkCounters::default(),
        }
    }

    /// Puts a message on its way.
    pub fn send(&mut self, now: Mono, from: NodeId, to: NodeId, channel: Channel, payload: T) {
        self.counters.sent += 1;
        if self.is_cut(from, to) {
            self.counters.cut += 1;
            return;
        }
        let faults = self.links.get(&(from, to)).copied().unwrap_or(self.faults);
        if self.prng.chance_ppm(faults.loss_ppm) {
            self.counters.lost += 1;
            return;
        }
        let mut arrives = now + faults.delay.draw(&mut self.prng);
        if !channel.strict && self.prng.chance_ppm(faults.reorder_ppm) {
            self.counters.reordered += 1;
        } else {
            let last = self.last_arrival.entry((from, to, channel)).or_default();
            arrives = arrives.max(*last);
            *last = arrives;
        }
        let message = Message {
            from,
            to,
            channel,
            sent: now,
            payload,
        };
        if !channel.strict && self.prng.chance_ppm(faults.duplicate_ppm) {
            self.counters.duplicated += 1;
            let again = arrives + faults.delay.draw(&mut self.prng);
            self.in_flight.push(again, message.clone());
        }
        self.in_flight.push(arrives, message);
    }
}

impl<T> Network<T> {
    /// Takes the next message out that arrives. What cut links swallow is skipped.
    pub fn pop(&mut self) -> Option<(Slot, Message<T>)> {
        self.drop_cut();
        let next = self.in_flight.pop();
        self.counters.delivered += u64::from(next.is_some());
        next
    }

    /// When the next message arrives.
    pub fn next_at(&mut self) -> Option<Mono> {
        self.drop_cut();
        self.in_flight.next_at()
    }

    /// Drops everything on its way to or from `node`, as when its process dies. A new life of the
    /// node starts with fresh links.
    pub fn drop_node(&mut self, node: NodeId) {
        self.in_flight
            .retain(|message| message.from != node && message.to != node);
        self.last_arrival
            .retain(|(from, to, _), _| *from != node && *to != node);
    }

    /// Lets every link without behaviour of its own behave like `faults`.
    pub const fn set_faults(&mut self, faults: LinkFaults) {
        self.faults = faults;
    }

    /// Lets one direction of one link behave like `faults`; `None` makes it ordinary again.
    pub fn set_link(&mut self, from: NodeId, to: NodeId, faults: Option<LinkFaults>) {
        match faults {
            Some(faults) => self.links.insert((from, to), faults),
            None => self.links.remove(&(from, to)),
        };
    }

    /// Cuts one direction of one link.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.insert((from, to));
    }

    /// Cuts every link between nodes of different groups. A node in no group keeps all its links.
    pub fn partition(&mut self, groups: &[&[NodeId]]) {
        for (nth, group) in groups.iter().enumerate() {
            for (mth, other) in groups.iter().enumerate() {
                if nth == mth {
                    continue;
                }
                for from in *group {
                    for to in *other {
                        self.cut(*from, *to);
                    }
                }
            }
        }
    }

    /// Mends every cut.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Whether nothing passes from `from` to `to`.
    #[must_use]
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// The cut directions, in order.
    pub fn cuts(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.cuts.iter().copied()
    }

    /// Everything on its way, in the order of arrival.
    pub fn in_flight(&self) -> impl Iterator<Item = (Slot, &Message<T>)> {
        self.in_flight.iter()
    }

    /// What the network has done.
    #[must_use]
    pub const fn counters(&self) -> NetworkCounters {
        self.counters
    }

    fn drop_cut(&mut self) {
        if self.cuts.is_empty() {
            return;
        }
        while let Some((_, message)) = self.in_flight.peek() {
            if !self.cuts.contains(&(message.from, message.to)) {
                break;
            }
            self.in_flight.pop();
            self.counters.cut += 1;
        }
    }
}

impl Delay {
    /// Always the same.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self {
            min: delay,
            max: delay,
            tail_ppm: 0,
            tail_max: delay,
        }
    }

    /// One delay.
    pub fn draw(&self, prng: &mut Prng) -> Duration {
        if self.tail_ppm > 0 && prng.chance_ppm(self.tail_ppm) {
            // Halving the bound 0 to 6 times gives each octave of the tail equal weight.
            let bound = self.tail_max / (1 << prng.below(7));
            return prng.duration(Duration::ZERO, bound).max(self.min);
        }
        prng.duration(self.min, self.max)
    }
}

impl Channel {
    /// Doubles and reorders if the link does.
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

impl LinkFaults {
    /// Nothing goes wrong, and every message takes `delay`.
    #[must_use]
    pub const fn none(delay: Delay) -> Self {
        Self {
            delay,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
        }
    }
}

#[cfg(test)]
mod tests;
