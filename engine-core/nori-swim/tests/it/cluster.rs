//! A deterministic cluster: a heap of packets in flight and one clock.
//!
//! After every step it checks what must always hold: packets keep within their bound, incarnations
//! only grow in every eye, and nobody doubts itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use nori_swim::{Config, Event, Incarnation, Input, MemberState, Output, Swim};
use norikv_types::{Mono, NodeId, Prng};

pub(crate) struct Cluster {
    pub(crate) now: Mono,
    pub(crate) loss_ppm: u32,
    pub(crate) duplicate_ppm: u32,
    pub(crate) delay: (Duration, Duration),
    /// What each node told, with the time and the node.
    pub(crate) events: Vec<(Mono, NodeId, Event)>,
    nodes: BTreeMap<NodeId, Swim>,
    /// Nodes that exist but do not run.
    paused: BTreeSet<NodeId>,
    /// Packets arrive only within a side; nodes without an entry are on side 0.
    sides: BTreeMap<NodeId, u32>,
    flying: BTreeMap<(Mono, u64), (NodeId, NodeId, Bytes)>,
    /// The highest incarnation that each running node has told of each other.
    highest: BTreeMap<(NodeId, NodeId), Incarnation>,
    prng: Prng,
    stamp: u64,
    trace: Vec<u64>,
}

pub(crate) const CLUSTER: u64 = 0xC0FFEE;

impl Cluster {
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self {
            now: Mono::ZERO,
            loss_ppm: 0,
            duplicate_ppm: 0,
            delay: (Duration::from_micros(200), Duration::from_millis(5)),
            events: Vec::new(),
            nodes: BTreeMap::new(),
            paused: BTreeSet::new(),
            sides: BTreeMap::new(),
            flying: BTreeMap::new(),
            highest: BTreeMap::new(),
            prng: Prng::new(seed),
            stamp: 0,
            trace: Vec::new(),
        }
    }

    /// `count` nodes that all know the first three as seeds, after `settle` of running.
    pub(crate) fn formed(seed: u64, count: u64, settle: Duration) -> Self {
        let mut cluster = Self::new(seed);
        for node in 1..=count {
            cluster.start(node, &[1, 2, 3]);
        }
        cluster.run(settle);
        cluster.assert_all_alive();
        cluster
    }

    pub(crate) fn start(&mut self, node: u64, seeds: &[u64]) {
        let config = Config::new(NodeId(node), CLUSTER, self.prng.next_u64());
        self.start_with(config, seeds);
    }

    /// Starts a node, for the first time or again: it remembers nothing.
    pub(crate) fn start_with(&mut self, config: Config, seeds: &[u64]) {
        let node = config.id;
        let mut swim = Swim::new(config, self.now).unwrap();
        let seeds = seeds.iter().copied().map(NodeId).collect();
        swim.handle_input(self.now, Input::Join { seeds }).unwrap();
        self.nodes.insert(node, swim);
        self.highest.retain(|(observer, _), _| *observer != node);
        self.drain(node);
    }

    pub(crate) fn crash(&mut self, node: u64) {
        self.nodes.remove(&NodeId(node));
    }

    pub(crate) fn pause(&mut self, node: u64) {
        self.paused.insert(NodeId(node));
    }

    pub(crate) fn resume(&mut self, node: u64) {
        self.paused.remove(&NodeId(node));
    }

    pub(crate) fn leave(&mut self, node: u64) {
        let swim = self.nodes.get_mut(&NodeId(node)).unwrap();
        swim.handle_input(self.now, Input::Leave).unwrap();
        self.drain(NodeId(node));
    }

    pub(crate) fn partition(&mut self, sides: &[&[u64]]) {
        self.sides.clear();
        for (side, nodes) in (1..).zip(sides) {
            self.sides
                .extend(nodes.iter().map(|node| (NodeId(*node), side)));
        }
    }

    pub(crate) fn heal(&mut self) {
        self.sides.clear();
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until `done` holds, and says how long that took; panics after `limit`.
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(
                self.step(start + limit),
                "not within {limit:?}: {:#?}",
                self.table()
            );
        }
        self.now.since(start)
    }

    pub(crate) fn state(&self, observer: u64, node: u64) -> Option<MemberState> {
        let member = self.nodes.get(&NodeId(observer))?.member(NodeId(node))?;
        Some(member.state)
    }

    pub(crate) fn swim(&self, node: u64) -> &Swim {
        &self.nodes[&NodeId(node)]
    }

    /// Whether every other running node holds `node` to be in `state`.
    pub(crate) fn all_see(&self, node: u64, state: MemberState) -> bool {
        let mut observers = self.nodes.keys().filter(|observer| observer.0 != node);
        observers.all(|observer| self.state(observer.0, node) == Some(state))
    }

    pub(crate) fn all_alive(&self) -> bool {
        self.nodes
            .keys()
            .all(|node| self.all_see(node.0, MemberState::Alive))
    }

    pub(crate) fn assert_all_alive(&self) {
        assert!(self.all_alive(), "{:#?}", self.table());
    }

    /// How often any node declared any other `state`.
    pub(crate) fn told(&self, state: MemberState) -> usize {
        let told = self.events.iter().filter(|(_, _, event)| {
            matches!(event, Event::MemberChanged { state: told, .. } if *told == state)
        });
        told.count()
    }

    /// Everything that was sent, in order, as numbers.
    pub(crate) fn trace(&self) -> &[u64] {
        &self.trace
    }

    fn table(&self) -> Vec<String> {
        let row = |(node, swim): (&NodeId, &Swim)| {
            let known = swim
                .members()
                .map(|m| format!("{}:{}@{}", m.node.0, m.state, m.incarnation));
            format!("{node} sees {}", known.collect::<Vec<_>>().join(" "))
        };
        self.nodes.iter().map(row).collect()
    }

    /// Does the earliest thing before `end`. False when there is none.
    fn step(&mut self, end: Mono) -> bool {
        let running = self
            .nodes
            .iter()
            .filter(|(node, _)| !self.paused.contains(node));
        let timeouts = running.filter_map(|(node, swim)| Some((swim.poll_timeout()?, *node)));
        let timeout = timeouts.min();
        let arrival = self.flying.keys().next().copied();
        let timeout_first = match (timeout, arrival) {
            (None, None) => return false,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((due, _)), Some((at, _))) => due <= at,
        };
        let at = if timeout_first {
            timeout.unwrap().0
        } else {
            arrival.unwrap().0
        };
        if at > end {
            return false;
        }
        self.now = self.now.max(at);
        if timeout_first {
            let node = timeout.unwrap().1;
            self.hand(node, Input::Timeout);
            let due = self.nodes[&node].poll_timeout();
            assert!(
                due.is_none_or(|due| due > self.now),
                "{node} is stuck at {}",
                self.now
            );
        } else {
            let (from, to, bytes) = self.flying.remove(&arrival.unwrap()).unwrap();
            let side = |node| self.sides.get(&node).copied().unwrap_or(0);
            if self.nodes.contains_key(&to) && !self.paused.contains(&to) && side(from) == side(to)
            {
                self.hand(to, Input::Packet { from, bytes });
            }
        }
        true
    }

    fn hand(&mut self, node: NodeId, input: Input) {
        let swim = self.nodes.get_mut(&node).unwrap();
        let (before, members) = (swim.incarnation(), swim.members().count());
        swim.handle_input(self.now, input).unwrap();
        assert!(
            swim.incarnation() >= before,
            "{node} went back from {before}"
        );
        assert!(swim.members().count() >= members, "{node} forgot a member");
        let own = swim.member(node).unwrap().state;
        assert!(
            matches!(own, MemberState::Alive | MemberState::Left),
            "{node} is {own} to itself"
        );
        self.drain(node);
    }

    fn drain(&mut self, node: NodeId) {
        while let Some(output) = self.nodes.get_mut(&node).unwrap().poll_output() {
            match output {
                Output::Send { to, packet } => self.send(node, to, &packet),
                Output::Event(event) => {
                    if let Event::MemberChanged {
                        node: about,
                        incarnation,
                        ..
                    } = &event
                    {
                        let highest = self.highest.entry((node, *about)).or_default();
                        assert!(*incarnation >= *highest, "{node} let {about} fall back");
                        *highest = *incarnation;
                    }
                    self.events.push((self.now, node, event));
                }
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, packet: &Bytes) {
        assert!(packet.len() <= 1_100, "a packet of {} bytes", packet.len());
        assert_ne!(from, to, "{from} talks to itself");
        let digest = packet
            .iter()
            .fold(0_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte));
        self.trace
            .extend([self.now.as_nanos(), from.0, to.0, digest]);
        let copies = 1 + u64::from(self.prng.chance_ppm(self.duplicate_ppm));
        for _ in 0..copies {
            if self.prng.chance_ppm(self.loss_ppm) {
                continue;
            }
            self.stamp += 1;
            let at = self.now + self.prng.duration(self.delay.0, self.delay.1);
            self.flying
                .insert((at, self.stamp), (from, to, packet.clone()));
        }
    }
}
