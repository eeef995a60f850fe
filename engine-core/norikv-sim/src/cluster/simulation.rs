//! The world: machines, network, clients and faults, one event after another.
//!
//! **Invariant: an event is the earliest of what is scheduled, what arrives and what a node waits
//! for, ties in that order and nodes by id**; nothing else decides what happens next, so a seed
//! decides all of it.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use norikv_node::adapters::PlacementRouter;
use norikv_node::{Input, PortErrorKind, Router};
use norikv_testkit::{Message, Network, Schedule};
use norikv_types::{GroupId, Mono, NodeId, Prng};

use crate::cluster::client::{ClientHappening, ClientSide};
use crate::cluster::host::{Host, Worker};
use crate::cluster::invariant::{Convergence, Invariants, content};
use crate::cluster::nemesis::{Nemesis, NemesisHappening};
use crate::cluster::operator::Operator;
use crate::cluster::packet::Packet;
use crate::cluster::view::EventLog;
use crate::cluster::workload::Tags;
use crate::cluster::{SimConfig, Violation};
use crate::trace::Trace;

/// A cluster in one deterministic world.
///
/// ```
/// use norikv_sim::{SimConfig, Simulation};
/// use norikv_types::{Mono, NodeId};
/// use core::time::Duration;
///
/// let mut world = Simulation::new(SimConfig::calm(7, 3));
/// world.run_until(Mono::ZERO + Duration::from_secs(2));
/// world.kill(NodeId(1));
/// world.run_until(Mono::ZERO + Duration::from_secs(4));
/// let view = world.view();
/// assert!(!view.nodes[0].alive && view.nodes[1].alive);
/// assert_eq!(world.violation(), None);
/// ```
#[derive(Debug)]
pub struct Simulation {
    pub(crate) config: SimConfig,
    pub(crate) now: Mono,
    pub(crate) steps: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network<Packet>,
    pub(crate) schedule: Schedule<Happening>,
    pub(crate) prng: Prng,
    pub(crate) router: PlacementRouter,
    pub(crate) tags: Tags,
    pub(crate) invariants: Invariants,
    pub(crate) convergence: Convergence,
    pub(crate) trace: Trace,
    pub(crate) clients: ClientSide,
    pub(crate) nemesis: Nemesis,
    pub(crate) operator: Operator,
    pub(crate) events: EventLog,
    pub(crate) violation: Option<Violation>,
    /// A key at which the checker met its limit.
    pub(crate) undecided_key: Option<u32>,
    /// When every fault of the plan has ended.
    pub(crate) faults_end: Mono,
    pub(crate) delivered: u64,
    /// How often replicas fell asleep, and woke.
    pub(crate) slept: u64,
    pub(crate) woke: u64,
    /// How often snapshots were installed, and went on where they had stood still on their way.
    pub(crate) snapshots_installed: u64,
    pub(crate) snapshots_resumed: u64,
}

/// What one [`Simulation::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// Counts from 1.
    pub number: u64,
    /// When.
    pub at: Mono,
    /// At which node, where at one.
    pub node: Option<NodeId>,
    /// What.
    pub kind: StepKind,
}

/// The kinds of [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A frame or packet arrived.
    Delivered,
    /// A node's deadline came.
    Timeout,
    /// A worker finished.
    Worked(Worker),
    /// A connection came up or went down.
    Connection,
    /// Something at a client.
    Client,
    /// A fault began or ended, or a process started.
    Fault,
}

/// What is scheduled.
#[derive(Debug)]
pub(crate) enum Happening {
    Work {
        host: usize,
        life: u64,
        worker: Worker,
    },
    /// What arrived while the receiver stood still.
    Deliver(Message<Packet>),
    /// A connection may come up or go down, as `host` sees it.
    Connection {
        host: usize,
        peer: NodeId,
        up: bool,
    },
    Client(ClientHappening),
    /// An entry of the plan, by its place.
    Entry(usize),
    Nemesis(NemesisHappening),
}

impl Simulation {
    /// A world in which every machine has just been switched on.
    ///
    /// # Panics
    /// When the configuration cannot be one: no nodes, or more replicas than nodes.
    #[must_use]
    pub fn new(config: SimConfig) -> Self {
        let mut prng = Prng::new(config.seed);
        let ids: Vec<NodeId> = (1..=u64::from(config.nodes)).map(NodeId).collect();
        let router = match PlacementRouter::new(&ids, config.groups, config.replication) {
            Ok(router) => router,
            Err(error) => panic!("no such cluster: {error}"),
        };
        let hosts = ids
            .iter()
            .map(|id| Host::new(*id, &config, &mut prng))
            .collect();
        let mut world = Self {
            now: Mono::ZERO,
            steps: 0,
            hosts,
            network: Network::new(config.links, prng.fork()),
            schedule: Schedule::new(),
            tags: Tags::new(|key| router.group_of(router.shard_of(key))),
            router,
            invariants: Invariants::default(),
            convergence: Convergence::default(),
            trace: Trace::new(&config),
            clients: ClientSide::new(&config, prng.fork()),
            nemesis: Nemesis::new(prng.fork()),
            operator: Operator::new(&config),
            events: EventLog::new(config.watched),
            violation: None,
            undecided_key: None,
            faults_end: Mono::ZERO + Duration::from_millis(config.faults_end_ms()),
            delivered: 0,
            slept: 0,
            woke: 0,
            snapshots_installed: 0,
            snapshots_resumed: 0,
            prng,
            config,
        };
        for host in 0..world.hosts.len() {
            world.start(host);
        }
        world.begin_clients();
        world.begin_plan();
        world
    }

    /// Lets the next thing happen; `None` when nothing ever will, or a promise was broken.
    pub fn step(&mut self) -> Option<Step> {
        if self.violation.is_some() {
            return None;
        }
        let scheduled = self.schedule.next_at().unwrap_or(Mono::MAX);
        let arriving = self.network.next_at().unwrap_or(Mono::MAX);
        let (due, host) = self.next_deadline();
        let at = scheduled.min(arriving).min(due);
        if at == Mono::MAX {
            return None;
        }
        self.now = self.now.max(at);
        self.steps += 1;
        let (node, kind) = if scheduled == at {
            self.next_scheduled()
        } else if arriving == at {
            self.next_arrival()
        } else {
            self.feed(host, Input::Timeout);
            (Some(self.hosts[host].id), StepKind::Timeout)
        };
        if self.steps.is_multiple_of(DIGEST_EVERY) {
            self.digest();
        }
        if self.convergence.waits() {
            self.look_for_leaders();
        }
        Some(Step {
            number: self.steps,
            at: self.now,
            node,
            kind,
        })
    }

    /// Lets everything happen that is due before `until`, and moves the time there.
    pub fn run_until(&mut self, until: Mono) {
        while self.violation.is_none() && self.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        if self.violation.is_none() {
            self.now = self.now.max(until);
        }
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&mut self) -> Option<Mono> {
        let scheduled = self.schedule.next_at().unwrap_or(Mono::MAX);
        let arriving = self.network.next_at().unwrap_or(Mono::MAX);
        let next = scheduled.min(arriving).min(self.next_deadline().0);
        (next < Mono::MAX).then_some(next)
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Mono {
        self.now
    }

    /// Steps so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// xxh3-64 of everything so far: of every (time, node, input, output) in little-endian bytes,
    /// and of each node's state and disks every 1,000 steps.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.trace.value()
    }

    /// The promise that was broken, if one was. The run stands still then.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Ends a node's process. Its disks keep what was not synced, as a page cache does.
    pub fn kill(&mut self, node: NodeId) {
        if let Some(host) = self.host_of(node) {
            self.stop(host, false);
        }
    }

    /// Takes a node's power: what was not synced is lost or torn.
    pub fn cut_power(&mut self, node: NodeId) {
        if let Some(host) = self.host_of(node) {
            self.stop(host, true);
        }
    }

    /// Starts a node's process, after ending it if it runs.
    pub fn restart(&mut self, node: NodeId) {
        if let Some(host) = self.host_of(node) {
            self.stop(host, false);
            self.start(host);
        }
    }

    /// Cuts every link between nodes of different groups.
    pub fn partition(&mut self, groups: &[&[NodeId]]) {
        for group in groups {
            let apart = groups.iter().filter(|other| *other != group);
            let others: Vec<NodeId> = apart.flat_map(|other| other.iter().copied()).collect();
            let cuts = group
                .iter()
                .flat_map(|from| others.iter().map(|to| (*from, *to)));
            self.cut_until(Mono::MAX, cuts);
        }
    }

    /// Cuts one direction of one link.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut_until(Mono::MAX, [(from, to)]);
    }

    /// Mends every cut.
    pub fn heal(&mut self) {
        self.heal_links();
    }

    pub(crate) fn host_of(&self, node: NodeId) -> Option<usize> {
        let host = usize::try_from(node.0.checked_sub(1)?).ok()?;
        (host < self.hosts.len()).then_some(host)
    }

    /// Gives an input to a node, and carries out what it says. Dropped when no process runs.
    pub(crate) fn feed(&mut self, host: usize, input: Input) {
        let machine = &mut self.hosts[host];
        let id = machine.id;
        let local = machine.read_clock(self.now);
        let wall = machine.wall();
        let Some(process) = &mut machine.process else {
            return;
        };
        self.trace.input(self.now, id, &input);
        match &input {
            Input::Durable { group, write } => self.invariants.durable(id, *group, *write),
            Input::Cleared {
                group,
                result: Ok(()),
            } => self.invariants.cleared(id, *group),
            _ => {}
        }
        if let Input::Installed {
            session,
            result: Ok(configuration),
        } = &input
        {
            let configuration = configuration.clone();
            self.invariants.installed(id, *session, configuration);
        }
        if process.is_due_the_time(local) {
            let wall = Input::Wall(wall);
            self.trace.input(self.now, id, &wall);
            process.node.handle_input(local, wall);
        }
        process.node.handle_input(local, input);
        if !machine.input_cost.is_zero() {
            let busy_until = self.now + machine.input_cost;
            machine.paused_until = machine.paused_until.max(busy_until);
        }
        self.drain(host);
    }

    /// Ends the run.
    pub(crate) fn break_off(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(crate) fn check(&mut self, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            self.break_off(violation);
        }
    }

    /// When the next node wants to hear of the time, and which.
    fn next_deadline(&self) -> (Mono, usize) {
        let mut next = (Mono::MAX, 0);
        for (nth, host) in self.hosts.iter().enumerate() {
            if let Some(deadline) = host.deadline {
                let due = deadline.max(host.paused_until);
                if due < next.0 {
                    next = (due, nth);
                }
            }
        }
        next
    }

    fn next_scheduled(&mut self) -> (Option<NodeId>, StepKind) {
        let Some((_, happening)) = self.schedule.pop() else {
            return (None, StepKind::Fault);
        };
        let paused_until = happening
            .host()
            .map_or(Mono::ZERO, |host| self.hosts[host].paused_until);
        if paused_until > self.now {
            let kind = happening.kind();
            self.schedule.push(paused_until, happening);
            return (None, kind);
        }
        let node = happening.host().map(|host| self.hosts[host].id);
        let kind = happening.kind();
        match happening {
            Happening::Work { host, life, worker } => self.work(host, life, worker),
            Happening::Deliver(message) => self.deliver(message),
            Happening::Connection { host, peer, up } => self.connection_changes(host, peer, up),
            Happening::Client(happening) => self.client(happening),
            Happening::Entry(nth) => self.carry_out_entry(nth),
            Happening::Nemesis(happening) => self.nemesis(happening),
        }
        (node, kind)
    }

    fn work(&mut self, host: usize, life: u64, worker: Worker) {
        let machine = &mut self.hosts[host];
        let id = machine.id;
        if machine.life != life {
            return;
        }
        machine.read_clock(self.now);
        let Some(process) = &mut machine.process else {
            return;
        };
        process.queues.busy &= !worker.bit();
        let worked = process.work(worker);
        for input in worked.inputs {
            if let (Input::Applied { group, results }, Some(task)) = (&input, &worked.applied) {
                let checked = self.invariants.decided(id, *group, &task.entries, results);
                self.check(checked);
                let last = task.entries.last();
                if last.is_some_and(|entry| content::is_due(entry.index)) {
                    self.look_at_content(host, *group);
                }
            }
            self.feed(host, input);
        }
        self.schedule_work(host);
    }

    /// Takes down what a replica holds; a disk that lost something may say so instead.
    pub(crate) fn look_at_content(&mut self, host: usize, group: GroupId) {
        let machine = &self.hosts[host];
        let (id, Some(process)) = (machine.id, &machine.process) else {
            return;
        };
        let checked = match content::digest(&*process.storage, group) {
            Ok((at, digest)) => self.invariants.content(id, group, at, digest),
            // The power may be gone, or about to go.
            Err(_) if machine.disk_failing || machine.data_disk.is_off() => Ok(()),
            Err(error) if error.kind == PortErrorKind::Corrupt && self.is_harmed(host) => Ok(()),
            Err(error) => Err(Violation::CannotOpen {
                node: id,
                error: error.to_string(),
            }),
        };
        self.check(checked);
    }

    fn look_for_leaders(&mut self) {
        let is_led = |group| {
            let up = self.hosts.iter().filter(|host| host.process.is_some());
            let heard = up.filter(|host| !self.nemesis.left_broken.contains(&host.id));
            self.invariants.is_led(group, heard.map(|host| host.id))
        };
        let checked = self.convergence.look(self.now, is_led);
        self.check(checked);
    }

    fn carry_out_entry(&mut self, nth: usize) {
        let action = self.config.plan[nth].action.clone();
        match action.client() {
            Some(client) => self.instruct(client, action),
            None => self.strike(&action),
        }
    }

    fn digest(&mut self) {
        for host in &self.hosts {
            let status = host.process.as_ref().map(|process| process.node.status());
            let bytes = postcard::to_allocvec(&status).unwrap_or_default();
            let state = xxhash_rust::xxh3::xxh3_64(&bytes);
            for digest in [state, host.log_disk.digest(), host.data_disk.digest()] {
                self.trace.digest(self.now, host.id, digest);
            }
        }
    }

    pub(crate) fn group_of(&self, key: &[u8]) -> GroupId {
        self.router.group_of(self.router.shard_of(key))
    }
}

impl Happening {
    fn host(&self) -> Option<usize> {
        match self {
            Self::Work { host, .. } | Self::Connection { host, .. } => Some(*host),
            Self::Deliver(message) => usize::try_from(message.to.0.checked_sub(1)?).ok(),
            Self::Client(happening) => happening.host(),
            Self::Entry(_) | Self::Nemesis(_) => None,
        }
    }

    const fn kind(&self) -> StepKind {
        match self {
            Self::Work { worker, .. } => StepKind::Worked(*worker),
            Self::Deliver(_) => StepKind::Delivered,
            Self::Connection { .. } => StepKind::Connection,
            Self::Client(_) => StepKind::Client,
            Self::Entry(_) | Self::Nemesis(_) => StepKind::Fault,
        }
    }
}

const DIGEST_EVERY: u64 = 1_000;
