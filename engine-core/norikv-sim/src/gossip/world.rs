//! The run: a heap of deadlines, the network, and the faults.
//!
//! **Invariant: what happens next is the earliest of the next fault, the next arrival and the next
//! deadline**, in this order when they fall together.

mod disaster;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nori_swim::{Event, Incarnation, Input, MemberState, Output, Swim};
use norikv_testkit::{Channel, Network, Schedule, Slot};
use norikv_types::{Mono, NodeId, Prng};
use xxhash_rust::xxh3::Xxh3;

use self::disaster::{Cut, Due};
use super::eyes::{Eyes, Truth};
use super::figures::Figures;
use super::invariant::{bounds, convergence, incarnations};
use super::report::{GossipCounters, GossipReport};
use super::{GossipConfig, GossipViolation};

/// A run under way.
pub(super) struct World<'a> {
    config: &'a GossipConfig,
    now: Mono,
    network: Network<Bytes>,
    members: Vec<Member>,
    /// The deadline of each member.
    deadlines: Schedule<u32>,
    /// What is to go wrong, or to end.
    due: Schedule<Due>,
    /// Links that are cut for a while.
    cuts: Vec<Cut>,
    cuts_made: u64,
    eyes: Eyes,
    deaths: Vec<Death>,
    prng: Prng,
    steps: u64,
    settled_after: Duration,
    counters: GossipCounters,
    figures: Figures,
    trace: Xxh3,
}

/// One member.
struct Member {
    id: NodeId,
    swim: Option<Swim>,
    deadline: Option<Slot>,
    /// Until when it stands still.
    paused_until: Option<Mono>,
    /// What arrived meanwhile.
    inbox: VecDeque<(NodeId, Bytes)>,
    left: bool,
    incarnation: Incarnation,
}

/// A member that died for good, and who knows it.
struct Death {
    subject: usize,
    at: Mono,
    suspected: bool,
    convicted: bool,
    /// Others that were up and held it for live when it died and do not know yet.
    unaware: u32,
}

type Checked = Result<(), GossipViolation>;

impl<'a> World<'a> {
    pub(super) fn new(config: &'a GossipConfig) -> Self {
        let mut prng = Prng::new(config.seed);
        let network = Network::new(config.network.faults(true), prng.fork());
        let mut trace = Xxh3::new();
        trace.update(&config.seed.to_le_bytes());
        let members = (1..=config.members).map(|id| Member {
            id: NodeId(u64::from(id)),
            swim: None,
            deadline: None,
            paused_until: None,
            inbox: VecDeque::new(),
            left: false,
            incarnation: Incarnation(0),
        });
        let mut world = Self {
            config,
            now: Mono::ZERO,
            network,
            members: members.collect(),
            deadlines: Schedule::new(),
            due: Schedule::new(),
            cuts: Vec::new(),
            cuts_made: 0,
            eyes: Eyes::new(config.members),
            deaths: Vec::new(),
            prng,
            steps: 0,
            settled_after: Duration::ZERO,
            counters: GossipCounters::default(),
            figures: Figures::default(),
            trace,
        };
        world.plan();
        world
    }

    /// Through all faults, and then until all is well or the time for it is over.
    pub(super) fn run(&mut self) -> Checked {
        let until = Mono::ZERO + Duration::from_millis(self.config.until_ms);
        self.run_until(until, |_| false)?;
        self.heal()?;
        if let Some(liar) = self.config.misjudge {
            let index = usize::try_from(liar).unwrap_or(0);
            self.eyes.set_truth(index.saturating_sub(1), Truth::Down);
        }
        let bound = match self.config.lossy_to_the_end {
            true => convergence::detection(self.config),
            false => convergence::settling(self.config),
        };
        let judged = |world: &Self| match world.config.lossy_to_the_end {
            true => world.deaths.iter().all(|death| death.unaware == 0),
            false => world.eyes.wrong() == 0,
        };
        self.run_until(until + bound, judged)?;
        self.settled_after = self.now.since(until);
        if !self.config.lossy_to_the_end && self.eyes.wrong() > 0 {
            return Err(self.not_converged());
        }
        self.all_noticed(until)?;
        for nth in 0..self.members.len() {
            let member = &self.members[nth];
            if let Some(swim) = &member.swim {
                bounds::member(member.id, swim, member.left, self.config.members)?;
            }
        }
        Ok(())
    }

    pub(super) fn report(self, violation: Option<GossipViolation>) -> GossipReport {
        GossipReport {
            seed: self.config.seed,
            hash: self.trace.digest(),
            steps: self.steps,
            at: self.now,
            settled_after: self.settled_after,
            counters: self.counters.clone(),
            network: self.network.counters(),
            figures: self.figures,
            violation,
        }
    }

    fn run_until(&mut self, until: Mono, done: impl Fn(&Self) -> bool) -> Checked {
        while !done(self) {
            let arrival = self.network.next_at();
            let deadline = self.deadlines.next_at();
            let due = self.due.next_at();
            let Some(next) = [due, arrival, deadline].into_iter().flatten().min() else {
                break;
            };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            if due == Some(next) {
                if let Some((_, due)) = self.due.pop() {
                    self.happen(due)?;
                }
            } else if arrival == Some(next) {
                if let Some((_, message)) = self.network.pop() {
                    self.arrive(index(message.to), message.from, message.payload)?;
                }
            } else if let Some((_, nth)) = self.deadlines.pop() {
                let nth = usize::try_from(nth).unwrap_or(0);
                self.members[nth].deadline = None;
                self.input(nth, Input::Timeout)?;
            }
        }
        if !done(self) {
            self.now = until;
        }
        Ok(())
    }

    fn arrive(&mut self, nth: usize, from: NodeId, bytes: Bytes) -> Checked {
        let member = &mut self.members[nth];
        if member.paused_until.is_some() {
            // A socket holds so much for a process that does not read.
            if member.inbox.len() < INBOX_MAX {
                member.inbox.push_back((from, bytes));
            }
            return Ok(());
        }
        if member.swim.is_none() {
            return Ok(());
        }
        self.input(nth, Input::Packet { from, bytes })
    }

    /// Hands an input to a running member and takes what it wants.
    fn input(&mut self, nth: usize, input: Input) -> Checked {
        let now = self.now;
        let member = &mut self.members[nth];
        let Some(swim) = &mut member.swim else {
            return Ok(());
        };
        self.steps += 1;
        self.trace.update(&now.as_nanos().to_le_bytes());
        self.trace.update(&member.id.0.to_le_bytes());
        if let Input::Packet { bytes, .. } = &input {
            self.trace.update(bytes);
        }
        swim.handle_input(now, input)
            .map_err(|error| GossipViolation::Settings { error })?;
        let id = member.id;
        let mut packets = 0;
        let mut told = Vec::new();
        let mut ended = false;
        while let Some(output) = swim.poll_output() {
            match output {
                Output::Send { to, packet } => {
                    packets += 1;
                    self.counters.packets += 1;
                    self.counters.bytes += packet.len() as u64;
                    bounds::packet(id, packet.len())?;
                    self.network.send(now, id, to, CHANNEL, packet);
                }
                Output::Event(Event::MemberChanged {
                    node,
                    state,
                    incarnation,
                    ..
                }) => told.push((node, incarnation, state)),
                Output::Event(Event::Refuted { .. }) => self.counters.refutations += 1,
                Output::Event(Event::LeaveFinished) => ended = true,
                Output::Event(_) => {}
            }
        }
        bounds::burst(id, packets, self.config.members)?;
        let incarnation = swim.incarnation();
        incarnations::own(id, member.incarnation, incarnation)?;
        member.incarnation = incarnation;
        let own = swim.member(id).map(|own| own.state);
        if own.is_some_and(|state| matches!(state, MemberState::Suspect | MemberState::Faulty)) {
            bounds::member(id, swim, member.left, self.config.members)?;
        }
        if ended {
            member.swim = None;
        }
        self.set_deadline(nth);
        for (node, incarnation, state) in told {
            self.tell(nth, index(node), (incarnation, state))?;
        }
        Ok(())
    }

    /// `observer` tells something of `subject`.
    fn tell(
        &mut self,
        observer: usize,
        subject: usize,
        said: (Incarnation, MemberState),
    ) -> Checked {
        if subject >= self.members.len() {
            return Ok(());
        }
        let before = self.eyes.told(observer, subject);
        let (observer_id, subject_id) = (self.members[observer].id, self.members[subject].id);
        incarnations::told(observer_id, subject_id, before, said)?;
        self.trace.update(&said.0.0.to_le_bytes());
        self.trace.update(said.1.as_str().as_bytes());
        self.eyes.tell(observer, subject, said);
        match said.1 {
            MemberState::Suspect => self.counters.suspicions += 1,
            MemberState::Faulty if self.eyes.truth(subject) == Truth::Up => {
                self.counters.false_verdicts += 1;
            }
            MemberState::Faulty | MemberState::Alive | MemberState::Left => {}
        }
        let was_live = before.is_some_and(|(_, state)| state.is_live());
        let counts = self.eyes.truth(observer) == Truth::Up;
        let now = self.now;
        let Some(death) = self
            .deaths
            .iter_mut()
            .find(|death| death.subject == subject)
        else {
            return Ok(());
        };
        let after = now.since(death.at);
        if said.1 == MemberState::Suspect && !death.suspected {
            death.suspected = true;
            self.figures.first_suspect.add(after);
        }
        if said.1 == MemberState::Faulty && !death.convicted {
            death.convicted = true;
            self.figures.first_faulty.add(after);
        }
        match (was_live && counts, said.1.is_live()) {
            (true, false) => {
                death.unaware = death.unaware.saturating_sub(1);
                self.figures.all_know.add(after);
            }
            (false, true) if counts => death.unaware += 1,
            _ => {}
        }
        Ok(())
    }

    fn set_deadline(&mut self, nth: usize) {
        let member = &mut self.members[nth];
        let running = member
            .swim
            .as_ref()
            .filter(|_| member.paused_until.is_none());
        let due = running.and_then(Swim::poll_timeout);
        let set = member.deadline.map(|slot| slot.at);
        if due == set {
            return;
        }
        if let Some(slot) = member.deadline.take() {
            self.deadlines.remove(slot);
        }
        let nth = u32::try_from(nth).unwrap_or(u32::MAX);
        member.deadline = due.map(|due| self.deadlines.push(due, nth));
    }

    fn not_converged(&self) -> GossipViolation {
        let (observer, subject) = self.eyes.first_wrong().unwrap_or_default();
        GossipViolation::NotConverged {
            wrong: self.eyes.wrong(),
            pairs: self.eyes.pairs(),
            after_ms: u64::try_from(self.settled_after.as_millis()).unwrap_or(u64::MAX),
            observer: self.members[observer].id,
            subject: self.members[subject].id,
            seen: self.eyes.told(observer, subject).map(|(_, state)| state),
        }
    }

    /// Those who died for good are not live in anybody's eyes.
    fn all_noticed(&self, faults_until: Mono) -> Checked {
        for death in &self.deaths {
            let left = self.eyes.believers(death.subject);
            let after = self.now.since(death.at.max(faults_until));
            if left > 0 && after >= convergence::detection(self.config) {
                return Err(GossipViolation::NotNoticed {
                    subject: self.members[death.subject].id,
                    left,
                    after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
        Ok(())
    }
}

impl core::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

fn index(node: NodeId) -> usize {
    usize::try_from(node.0.saturating_sub(1)).unwrap_or(usize::MAX)
}

const CHANNEL: Channel = Channel::loose(0);
const INBOX_MAX: usize = 200;
