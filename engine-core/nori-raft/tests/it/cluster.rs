//! A group on a virtual clock, network and disk. The same seed runs the same way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use nori_raft::{
    Body, Config, Event, Input, Message, Mutant, Output, Persist, ProposalId, Raft, ReadId,
    ReadMode, Role, SnapshotMeta, Status, WriteId,
};
use norikv_types::{LogIndex, Mono, NodeId, Prng, Term};

use crate::checker::{Checker, Violation};
use crate::disk::Disk;

/// How bad the world is.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    pub(crate) loss_ppm: u32,
    pub(crate) duplicate_ppm: u32,
    /// Messages that take up to a second.
    pub(crate) straggle_ppm: u32,
    pub(crate) delay_max: Duration,
    /// On top for acknowledgements: a slow way back.
    pub(crate) reply_delay: Duration,
    pub(crate) disk_max: Duration,
    /// Mean time between crashes, and between changes of the partition.
    pub(crate) crash_every: Option<Duration>,
    pub(crate) partition_every: Option<Duration>,
}

impl Faults {
    /// A quiet local network.
    pub(crate) const fn none() -> Self {
        Self {
            loss_ppm: 0,
            duplicate_ppm: 0,
            straggle_ppm: 0,
            delay_max: Duration::from_millis(2),
            reply_delay: Duration::ZERO,
            disk_max: Duration::from_millis(2),
            crash_every: None,
            partition_every: None,
        }
    }
}

#[derive(Debug)]
struct Node {
    config: Config,
    raft: Option<Raft>,
    boot: u64,
    rate_ppm: i64,
    disk: Disk,
    mirror: Disk,
    writes: VecDeque<Persist>,
    /// Durable, and not reported yet.
    unreported: Vec<WriteId>,
    installing: Option<SnapshotMeta>,
    handed_out: LogIndex,
    applied: SnapshotMeta,
    commit_index: LogIndex,
    /// As its events told.
    term: Term,
    role: Role,
    wake_at: Option<Mono>,
}

#[derive(Debug, Clone)]
enum Happening {
    Deliver {
        from: NodeId,
        to: NodeId,
        message: Message,
    },
    Wake {
        node: NodeId,
        boot: u64,
        at: Mono,
    },
    Drain {
        node: NodeId,
        boot: u64,
    },
    DiskDone {
        node: NodeId,
        boot: u64,
    },
    Applied {
        node: NodeId,
        boot: u64,
        snapshot: SnapshotMeta,
    },
    Exported {
        node: NodeId,
        boot: u64,
        to: NodeId,
        term: Term,
    },
    Arrived {
        node: NodeId,
        boot: u64,
        to: NodeId,
        term: Term,
        snapshot: SnapshotMeta,
    },
    Installed {
        node: NodeId,
        boot: u64,
        snapshot: SnapshotMeta,
    },
    Client,
    Crash,
    Restart {
        node: NodeId,
    },
    Partition,
}

/// A group of nodes.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) now: Mono,
    prng: Prng,
    nodes: BTreeMap<NodeId, Node>,
    agenda: BTreeMap<(Mono, u64), Happening>,
    sequence: u64,
    pub(crate) faults: Faults,
    /// Pairs that cannot talk.
    cut: BTreeSet<(NodeId, NodeId)>,
    checker: Checker,
    reads: BTreeMap<ReadId, (LogIndex, ReadMode)>,
    next_id: u64,
    pub(crate) counts: Counts,
}

/// That a run did something.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) steps: u64,
    pub(crate) leaders: u64,
    pub(crate) reads: u64,
    pub(crate) lease_reads: u64,
    pub(crate) snapshots: u64,
    pub(crate) resets: u64,
    pub(crate) truncations: u64,
    pub(crate) crashes: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.leaders += other.leaders;
        self.reads += other.reads;
        self.lease_reads += other.lease_reads;
        self.snapshots += other.snapshots;
        self.resets += other.resets;
        self.truncations += other.truncations;
        self.crashes += other.crashes;
    }
}

impl Cluster {
    pub(crate) fn new(seed: u64, size: u64, faults: Faults, mutant: Option<Mutant>) -> Self {
        let mut prng = Prng::new(seed);
        let ids: Vec<NodeId> = (1..=size).map(NodeId).collect();
        let (messages, append) = (1 + prng.below(16), 64 + prng.below(2_000));
        let mut cluster = Self {
            now: Mono::ZERO,
            nodes: BTreeMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            faults,
            cut: BTreeSet::new(),
            checker: Checker::default(),
            reads: BTreeMap::new(),
            next_id: 1,
            counts: Counts::default(),
            prng: prng.fork(),
        };
        for id in &ids {
            let mut config = Config::new(*id, ids.iter().copied(), prng.next_u64());
            config.heartbeat_interval = Duration::from_millis(40);
            config.inflight_messages_max = u32::try_from(messages).unwrap();
            config.append_bytes_max = u32::try_from(append).unwrap();
            config.inflight_bytes_max = 4 * append;
            config.uncommitted_bytes_max = 4_000;
            config.mutant = mutant;
            let half = i64::from(config.clock_drift_ppm / 2);
            let rate_ppm =
                i64::try_from(prng.below(u64::try_from(2 * half).unwrap())).unwrap() - half;
            cluster.nodes.insert(
                *id,
                Node {
                    config,
                    raft: None,
                    boot: 0,
                    rate_ppm,
                    disk: Disk::default(),
                    mirror: Disk::default(),
                    writes: VecDeque::new(),
                    unreported: Vec::new(),
                    installing: None,
                    handed_out: LogIndex(0),
                    applied: SnapshotMeta::default(),
                    commit_index: LogIndex(0),
                    term: Term(0),
                    role: Role::Follower,
                    wake_at: None,
                },
            );
            cluster.start(*id).expect("an empty disk is sound");
        }
        cluster.plan(Duration::ZERO, Happening::Client);
        if let Some(every) = cluster.faults.crash_every {
            cluster.plan(every, Happening::Crash);
        }
        if let Some(every) = cluster.faults.partition_every {
            cluster.plan(every, Happening::Partition);
        }
        cluster
    }

    /// Runs for `span`.
    pub(crate) fn run(&mut self, span: Duration) -> Result<(), Violation> {
        let end = self.now + span;
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > end {
                break;
            }
            self.now = entry.key().0;
            let happening = entry.remove();
            self.counts.steps += 1;
            self.happen(happening)?;
        }
        self.now = end;
        Ok(())
    }

    /// A node that leads, the one of the latest term.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let rafts = self.nodes.values().filter_map(|node| node.raft.as_ref());
        let leaders = rafts.filter(|raft| raft.role() == Role::Leader);
        leaders
            .max_by_key(|raft| raft.term())
            .and_then(Raft::leader)
    }

    /// What `id` says reaches nobody.
    pub(crate) fn mute(&mut self, id: NodeId) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.cut.extend(ids.iter().map(|to| (id, *to)));
    }

    /// Nothing reaches `id`.
    pub(crate) fn deafen(&mut self, id: NodeId) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.cut.extend(ids.iter().map(|from| (*from, id)));
    }

    /// No more faults; every node runs.
    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        self.cut.clear();
        self.faults = Faults::none();
        let down: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.raft.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in down {
            self.start(id)?;
        }
        Ok(())
    }

    /// In a healed world everyone ends with one leader and one committed log that grows.
    pub(crate) fn check_alive(&mut self) -> Result<(), Violation> {
        self.run(Duration::from_secs(3))?;
        let before = self.checker.commit_index;
        self.run(Duration::from_millis(500))?;
        if self.checker.commit_index <= before {
            return Err("liveness: nothing is committed in a healed group".into());
        }
        let leaders: Vec<NodeId> = self
            .nodes
            .values()
            .filter_map(|node| node.raft.as_ref())
            .filter(|raft| raft.role() == Role::Leader)
            .map(|raft| raft.status().id)
            .collect();
        if leaders.len() != 1 {
            return Err(format!("liveness: leaders {leaders:?} in a healed group"));
        }
        for (id, node) in &self.nodes {
            if node.handed_out < before {
                return Err(format!(
                    "liveness: {id} is at {} of {before}: {:#?}",
                    node.handed_out,
                    self.statuses()
                ));
            }
        }
        Ok(())
    }

    fn statuses(&self) -> Vec<Option<Status>> {
        let rafts = self.nodes.values().map(|node| &node.raft);
        rafts.map(|raft| raft.as_ref().map(Raft::status)).collect()
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Deliver { from, to, message } => {
                if !self.cut.contains(&(from, to)) {
                    self.input(to, Input::Receive { from, message })?;
                }
            }
            Happening::Wake { node, boot, at } => {
                if self.lives(node, boot) && self.node(node).wake_at == Some(at) {
                    self.node(node).wake_at = None;
                    self.input(node, Input::Timeout)?;
                }
            }
            Happening::Drain { node, boot } => {
                if self.lives(node, boot) {
                    self.drain(node)?;
                }
            }
            Happening::DiskDone { node, boot } => {
                if self.lives(node, boot) {
                    let target = self.node(node);
                    let persist = target.writes.pop_front().unwrap();
                    target.disk.write(&persist);
                    target.unreported.push(persist.write);
                    let more = !target.writes.is_empty();
                    if more && self.prng.chance_ppm(200_000) {
                        return Ok(());
                    }
                    let mut reports = std::mem::take(&mut self.node(node).unreported);
                    self.prng.shuffle(&mut reports);
                    for write in reports {
                        self.input(node, Input::Durable(write))?;
                        if self.prng.chance_ppm(50_000) {
                            self.input(node, Input::Durable(write))?;
                        }
                    }
                }
            }
            Happening::Applied {
                node,
                boot,
                snapshot,
            } => self.applied(node, boot, snapshot)?,
            Happening::Exported {
                node,
                boot,
                to,
                term,
            } => {
                if self.lives(node, boot) {
                    let done = !self.prng.chance_ppm(100_000);
                    let target = self.node(node);
                    let snapshot = target.applied;
                    let snapshot = done.then_some(snapshot);
                    self.input(node, Input::SnapshotExported { to, snapshot })?;
                    if let Some(snapshot) = snapshot {
                        let delay = self.faults.delay_max * 4;
                        self.plan(
                            delay,
                            Happening::Arrived {
                                node,
                                boot,
                                to,
                                term,
                                snapshot,
                            },
                        );
                    }
                }
            }
            Happening::Arrived {
                node,
                boot,
                to,
                term,
                snapshot,
            } => {
                let lost = self.prng.chance_ppm(self.faults.loss_ppm);
                let ok = !lost && !self.cut.contains(&(node, to)) && self.node(to).raft.is_some();
                if ok {
                    self.input(
                        to,
                        Input::SnapshotReceived {
                            from: node,
                            term,
                            snapshot,
                        },
                    )?;
                }
                if self.lives(node, boot) {
                    self.input(node, Input::SnapshotSent { to, ok })?;
                }
            }
            Happening::Installed {
                node,
                boot,
                snapshot,
            } => {
                if self.lives(node, boot) {
                    let target = self.node(node);
                    target.installing = None;
                    target.disk.flushed = snapshot;
                    target.applied = snapshot;
                    target.handed_out = snapshot.index;
                    self.counts.snapshots += 1;
                    self.input(node, Input::SnapshotInstalled(snapshot))?;
                }
            }
            Happening::Client => self.client()?,
            Happening::Crash => {
                if let Some(every) = self.faults.crash_every {
                    self.crash();
                    let wait = self.prng.duration(every / 2, every * 2);
                    self.plan(wait, Happening::Crash);
                }
            }
            Happening::Restart { node } => {
                if self.node(node).raft.is_none() {
                    self.start(node)?;
                }
            }
            Happening::Partition => {
                if let Some(every) = self.faults.partition_every {
                    self.partition();
                    let wait = self.prng.duration(every / 2, every * 2);
                    self.plan(wait, Happening::Partition);
                }
            }
        }
        Ok(())
    }

    fn applied(&mut self, id: NodeId, boot: u64, snapshot: SnapshotMeta) -> Result<(), Violation> {
        if !self.lives(id, boot) || self.node(id).applied.index >= snapshot.index {
            return Ok(());
        }
        self.node(id).applied = snapshot;
        self.input(id, Input::Applied(snapshot.index))?;
        if self.prng.chance_ppm(100_000) {
            self.node(id).disk.flushed = snapshot;
            if self.prng.chance_ppm(500_000) && self.node(id).writes.is_empty() {
                self.node(id).disk.release();
            }
        }
        if self.prng.chance_ppm(50_000) {
            let keep = self.prng.below(8);
            let index = LogIndex(snapshot.index.0.saturating_sub(keep));
            self.input(id, Input::Compact(index))?;
        }
        Ok(())
    }

    fn client(&mut self) -> Result<(), Violation> {
        let wait = self
            .prng
            .duration(Duration::from_micros(200), Duration::from_millis(8));
        self.plan(wait, Happening::Client);
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        let leaders: Vec<NodeId> = ids
            .iter()
            .copied()
            .filter(|id| {
                self.nodes[id]
                    .raft
                    .as_ref()
                    .is_some_and(|raft| raft.role() == Role::Leader)
            })
            .collect();
        let pool = if leaders.is_empty() || self.prng.chance_ppm(50_000) {
            &ids
        } else {
            &leaders
        };
        let pick = self.prng.below(pool.len() as u64);
        let id = pool[usize::try_from(pick).unwrap()];
        self.next_id += 1;
        let number = self.next_id;
        let input = match self.prng.below(5) {
            0 => Input::Read {
                read: ReadId(number),
                mode: ReadMode::Linearizable,
            },
            1 | 2 => Input::Read {
                read: ReadId(number),
                mode: ReadMode::Lease,
            },
            _ => {
                let mut command = number.to_le_bytes().to_vec();
                command.resize(8 + usize::try_from(self.prng.below(200)).unwrap(), 7);
                Input::Propose {
                    proposal: ProposalId(number),
                    command: Bytes::from(command),
                }
            }
        };
        if let Input::Read { read, mode } = &input {
            self.reads.insert(*read, (self.checker.commit_index, *mode));
        }
        self.input(id, input)?;
        if self.prng.chance_ppm(5_000) {
            let peer = ids[usize::try_from(self.prng.below(ids.len() as u64)).unwrap()];
            self.input(id, Input::Unreachable(peer))?;
        }
        Ok(())
    }

    fn crash(&mut self) {
        let pick = self.prng.below(self.nodes.len() as u64);
        let id = *self
            .nodes
            .keys()
            .nth(usize::try_from(pick).unwrap())
            .unwrap();
        if self.node(id).raft.is_none() {
            return;
        }
        self.counts.crashes += 1;
        // Writes under way may survive without having been reported, from the front.
        let survive = match self.prng.below(3) {
            0 => self.prng.below(self.nodes[&id].writes.len() as u64 + 1),
            _ => 0,
        };
        let installed = self.prng.chance_ppm(500_000);
        let node = self.node(id);
        node.raft = None;
        node.boot += 1;
        node.unreported.clear();
        let writes = std::mem::take(&mut node.writes);
        for persist in writes.iter().take(usize::try_from(survive).unwrap()) {
            node.disk.write(persist);
        }
        if let Some(snapshot) = node.installing.take().filter(|_| installed) {
            node.disk.flushed = snapshot;
        }
        let wait = self
            .prng
            .duration(Duration::ZERO, Duration::from_millis(700));
        self.plan(wait, Happening::Restart { node: id });
    }

    fn start(&mut self, id: NodeId) -> Result<(), Violation> {
        let now = self.local(id);
        let node = self.node(id);
        let restored = node.disk.restore();
        let flushed = node.disk.flushed;
        node.mirror = node.disk.clone();
        node.handed_out = restored.applied;
        node.applied = if flushed.index >= node.disk.base.index {
            flushed
        } else {
            node.disk.base
        };
        node.commit_index = restored.hard_state.commit_index.max(restored.applied);
        node.term = restored.hard_state.term;
        node.role = Role::Follower;
        let raft = Raft::new(node.config.clone(), restored, now);
        node.raft = Some(raft.map_err(|error| format!("restart of {id}: {error}"))?);
        node.wake_at = None;
        self.drain(id)
    }

    fn partition(&mut self) {
        self.cut.clear();
        if self.prng.chance_ppm(400_000) {
            return;
        }
        let mut ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.prng.shuffle(&mut ids);
        let split = usize::try_from(self.prng.below(ids.len() as u64)).unwrap();
        let one_way = self.prng.chance_ppm(300_000);
        let (left, right) = ids.split_at(split);
        for a in left {
            for b in right {
                self.cut.insert((*a, *b));
                if !one_way {
                    self.cut.insert((*b, *a));
                }
            }
        }
    }

    fn input(&mut self, id: NodeId, input: Input) -> Result<(), Violation> {
        let now = self.local(id);
        let lazy = self.prng.chance_ppm(200_000);
        let Some(raft) = &mut self.node(id).raft else {
            if let Input::Read { read, .. } = input {
                self.reads.remove(&read);
            }
            return Ok(());
        };
        raft.handle_input(now, input)
            .map_err(|error| format!("{id} got: {error}"))?;
        if lazy {
            let boot = self.node(id).boot;
            self.plan(
                Duration::from_micros(100),
                Happening::Drain { node: id, boot },
            );
            return Ok(());
        }
        self.drain(id)
    }

    fn drain(&mut self, id: NodeId) -> Result<(), Violation> {
        loop {
            let Some(output) = self.node(id).raft.as_mut().and_then(Raft::poll_output) else {
                break;
            };
            self.output(id, output)?;
        }
        self.note_commit(id)?;
        let node = self.node(id);
        let (Some(raft), boot) = (&node.raft, node.boot) else {
            return Ok(());
        };
        let deadline = raft.poll_timeout();
        if let Some(at) = deadline
            && node.wake_at != Some(at)
        {
            node.wake_at = Some(at);
            let rate = i128::from(1_000_000 + node.rate_ppm);
            let global = i128::from(at.as_nanos()) * 1_000_000 / rate + 1;
            let global = Mono::from_nanos(u64::try_from(global).unwrap()).max(self.now);
            let late = match self.prng.below(20) {
                0 => self
                    .prng
                    .duration(Duration::ZERO, Duration::from_millis(30)),
                _ => Duration::ZERO,
            };
            self.sequence += 1;
            let happening = Happening::Wake { node: id, boot, at };
            self.agenda
                .insert((global + late, self.sequence), happening);
        }
        Ok(())
    }

    /// Checks what the replica newly takes for committed. Its mirror is up to date.
    fn note_commit(&mut self, id: NodeId) -> Result<(), Violation> {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(commit_index) = node.raft.as_ref().map(Raft::commit_index) else {
            return Ok(());
        };
        if commit_index < node.commit_index {
            return Err(format!("{id} went back in its commit index"));
        }
        let from = std::mem::replace(&mut node.commit_index, commit_index);
        self.checker.committed(id, from, commit_index, &node.mirror)
    }

    fn output(&mut self, id: NodeId, output: Output) -> Result<(), Violation> {
        let boot = self.node(id).boot;
        match output {
            Output::Persist(persist) => {
                let delay = self.prng.duration(Duration::ZERO, self.faults.disk_max);
                let node = self.nodes.get_mut(&id).unwrap();
                node.mirror.write(&persist);
                self.counts.resets += u64::from(persist.reset.is_some());
                self.checker
                    .stored(id, &node.mirror, persist.entries.len())?;
                node.writes.push_back(persist);
                // Completions come in order: each pops the front.
                self.plan(delay, Happening::DiskDone { node: id, boot });
            }
            Output::Send { to, message } => self.send(id, to, message)?,
            Output::Apply { entries } => {
                self.note_commit(id)?;
                let node = self.nodes.get_mut(&id).unwrap();
                for entry in &entries {
                    if entry.index != node.handed_out.next() || node.installing.is_some() {
                        return Err(format!(
                            "apply: {id} got {} after {}",
                            entry.version(),
                            node.handed_out
                        ));
                    }
                    node.handed_out = entry.index;
                    self.checker.applied(id, entry, &node.disk)?;
                }
                let last = entries.last().ok_or("apply: no entries")?;
                let snapshot = SnapshotMeta {
                    index: last.index,
                    term: last.term,
                };
                let delay = self.prng.duration(Duration::ZERO, self.faults.disk_max);
                self.plan(
                    delay,
                    Happening::Applied {
                        node: id,
                        boot,
                        snapshot,
                    },
                );
            }
            Output::ReadReady { read, index } => {
                let (needed, mode) = self.reads.remove(&read).ok_or("read: answered twice")?;
                self.counts.reads += 1;
                self.counts.lease_reads += u64::from(mode == ReadMode::Lease);
                self.checker.read(id, needed, index)?;
            }
            Output::ReadRefused { read, .. } => {
                self.reads.remove(&read).ok_or("read: answered twice")?;
            }
            Output::ExportSnapshot { to } => {
                let term = self.node(id).raft.as_ref().unwrap().term();
                let delay = self.delay();
                self.plan(
                    delay,
                    Happening::Exported {
                        node: id,
                        boot,
                        to,
                        term,
                    },
                );
            }
            Output::InstallSnapshot { snapshot } => {
                self.node(id).installing = Some(snapshot);
                let max = self.faults.delay_max * 10;
                let delay = self.prng.duration(Duration::ZERO, max);
                self.plan(
                    delay,
                    Happening::Installed {
                        node: id,
                        boot,
                        snapshot,
                    },
                );
            }
            Output::Event(event) => self.event(id, &event)?,
            Output::Appended { .. } | Output::Dropped { .. } => {}
        }
        Ok(())
    }

    fn event(&mut self, id: NodeId, event: &Event) -> Result<(), Violation> {
        let node = self.nodes.get_mut(&id).unwrap();
        self.checker.event(id, event, &node.mirror)?;
        match *event {
            Event::RoleChanged { role, .. } => {
                node.role = role;
                self.counts.leaders += u64::from(role == Role::Leader);
            }
            Event::TermChanged { term } => {
                if term <= node.term {
                    return Err(format!("{id} went back in its term"));
                }
                node.term = term;
            }
            Event::CommitAdvanced { commit_index } if node.role == Role::Leader => {
                let (term, quorum) = (node.term, node.config.quorum());
                let disks = self.nodes.values().map(|node| &node.disk);
                self.checker
                    .leader_committed(id, term, commit_index, disks, quorum)?;
            }
            Event::LogTruncated { .. } => self.counts.truncations += 1,
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) -> Result<(), Violation> {
        let node = &self.nodes[&from];
        self.checker
            .sent(from, to, &message, &node.disk, &node.mirror)?;
        if self.prng.chance_ppm(self.faults.loss_ppm) {
            return Ok(());
        }
        // Through the codec that the node uses.
        let bytes = postcard::to_allocvec(&message).map_err(|error| error.to_string())?;
        let message: Message = postcard::from_bytes(&bytes).map_err(|error| error.to_string())?;
        if self.prng.chance_ppm(self.faults.duplicate_ppm) {
            let delay = self.delay();
            self.plan(
                delay,
                Happening::Deliver {
                    from,
                    to,
                    message: message.clone(),
                },
            );
        }
        let slow = match message.body {
            Body::AppendReply(_) => self.faults.reply_delay,
            _ => Duration::ZERO,
        };
        let delay = self.delay() + slow;
        self.plan(delay, Happening::Deliver { from, to, message });
        Ok(())
    }

    fn delay(&mut self) -> Duration {
        if self.prng.chance_ppm(self.faults.straggle_ppm) {
            return self.prng.duration(Duration::ZERO, Duration::from_secs(1));
        }
        self.prng
            .duration(Duration::from_micros(50), self.faults.delay_max)
    }

    fn plan(&mut self, delay: Duration, happening: Happening) {
        self.sequence += 1;
        self.agenda
            .insert((self.now + delay, self.sequence), happening);
    }

    fn lives(&self, id: NodeId, boot: u64) -> bool {
        let node = &self.nodes[&id];
        node.boot == boot && node.raft.is_some()
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    /// The node's own clock: it runs a little fast or slow.
    fn local(&self, id: NodeId) -> Mono {
        let rate = i128::from(1_000_000 + self.nodes[&id].rate_ppm);
        let local = i128::from(self.now.as_nanos()) * rate / 1_000_000;
        Mono::from_nanos(u64::try_from(local).unwrap())
    }
}
