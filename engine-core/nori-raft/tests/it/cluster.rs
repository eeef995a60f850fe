//! A group on a virtual clock, network and disk. The same seed runs the same way.

mod host;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nori_raft::{
    Config, Entries, Input, Message, Persist, Raft, ReadId, ReadMode, Reader, Role, SnapshotMeta,
    Status, WriteId,
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
    /// Clients pause, and groups sleep after so long.
    pub(crate) quiesce_after: Option<Duration>,
    /// Nodes that belong to nothing at first.
    pub(crate) spares: u64,
    /// Whether the last of them is one for witnesses.
    pub(crate) witness: bool,
    /// How many of the clients' requests change the members or hand over.
    pub(crate) changes_ppm: u32,
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
            quiesce_after: None,
            spares: 0,
            witness: false,
            changes_ppm: 0,
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
    /// It sleeps under this leader, in this start of it.
    watches: Option<(NodeId, u64)>,
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
    Fetched {
        node: NodeId,
        boot: u64,
        reader: Reader,
        from: LogIndex,
        entries: Entries,
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
    /// Is the leader that a sleeping replica relies on still there?
    Watch {
        node: NodeId,
        boot: u64,
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
    pub(crate) slept: u64,
    /// Committed.
    pub(crate) configurations: u64,
    pub(crate) transfers: u64,
    /// Served by a replica that does not lead.
    pub(crate) reads_elsewhere: u64,
    /// Stretches read back for peers, and for application.
    pub(crate) fetched_for_peers: u64,
    pub(crate) fetched_to_apply: u64,
    pub(crate) fetched_to_repair: u64,
    /// Logs that lost entries, and those that have everything again.
    pub(crate) damages: u64,
    pub(crate) repairs: u64,
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
        self.slept += other.slept;
        self.configurations += other.configurations;
        self.transfers += other.transfers;
        self.reads_elsewhere += other.reads_elsewhere;
        self.fetched_for_peers += other.fetched_for_peers;
        self.fetched_to_apply += other.fetched_to_apply;
        self.fetched_to_repair += other.fetched_to_repair;
        self.damages += other.damages;
        self.repairs += other.repairs;
    }
}

impl Cluster {
    pub(crate) fn new(seed: u64, size: u64, faults: Faults) -> Self {
        let mut prng = Prng::new(seed);
        let founders: Vec<NodeId> = (1..=size).map(NodeId).collect();
        let ids: Vec<NodeId> = (1..=size + faults.spares).map(NodeId).collect();
        let (messages, append) = (1 + prng.below(16), 64 + prng.below(2_000));
        let recent = [0, 500, 5_000, 1 << 20][usize::try_from(prng.below(4)).unwrap()];
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
            let begins = founders.iter().copied().filter(|_| founders.contains(id));
            let mut config = Config::new(*id, begins, prng.next_u64());
            config.heartbeat_interval = Duration::from_millis(40);
            config.inflight_messages_max = u32::try_from(messages).unwrap();
            config.append_bytes_max = u32::try_from(append).unwrap();
            config.inflight_bytes_max = 4 * append;
            config.uncommitted_bytes_max = 4_000;
            config.quiesce_after = cluster.faults.quiesce_after;
            config.recent_bytes_max = recent;
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
                    watches: None,
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

    /// Whether every node runs and sleeps.
    pub(crate) fn all_asleep(&self) -> bool {
        let mut rafts = self.nodes.values().map(|node| node.raft.as_ref());
        rafts.all(|raft| raft.is_some_and(Raft::is_quiescent))
    }

    /// In a healed world everyone ends with one leader and one committed log that grows.
    pub(crate) fn check_alive(&mut self) -> Result<(), Violation> {
        self.run(Duration::from_secs(3))?;
        let before = self.checker.commit_index;
        self.run(Duration::from_millis(500))?;
        if self.checker.commit_index <= before {
            return Err(format!(
                "liveness: nothing is committed in a healed group: {:#?}",
                self.statuses()
            ));
        }
        let leaders: Vec<NodeId> = self
            .nodes
            .values()
            .filter_map(|node| node.raft.as_ref())
            .filter(|raft| raft.role() == Role::Leader)
            .map(|raft| raft.status().id)
            .collect();
        if leaders.len() != 1 {
            let statuses = self.statuses();
            return Err(format!(
                "liveness: leaders {leaders:?} in a healed group: {statuses:#?}"
            ));
        }
        let configuration = leaders.first().and_then(|id| {
            let raft = self.nodes[id].raft.as_ref()?;
            raft.configuration().cloned()
        });
        let configuration = configuration.ok_or("liveness: a leader without a configuration")?;
        self.counts.configurations = self.checker.configurations;
        for (id, node) in &self.nodes {
            if node.handed_out < before && configuration.contains(*id) {
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
            Happening::Fetched {
                node,
                boot,
                reader,
                from,
                entries,
            } => {
                if self.lives(node, boot) {
                    let entries = (!entries.is_empty()).then_some(entries);
                    let input = Input::EntriesFetched {
                        reader,
                        from,
                        entries,
                    };
                    self.input(node, input)?;
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
                    // What a later reign applied is not for a transfer of this one.
                    let done = done && target.raft.as_ref().unwrap().term() == term;
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
                    target.mirror.flushed = snapshot;
                    target.applied = snapshot;
                    target.handed_out = snapshot.index;
                    self.counts.snapshots += 1;
                    let configuration = self.checker.configuration_at(snapshot.index);
                    self.input(
                        node,
                        Input::SnapshotInstalled {
                            snapshot,
                            configuration,
                        },
                    )?;
                }
            }
            Happening::Watch { node, boot } => {
                if self.lives(node, boot) {
                    self.watch(node)?;
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
                self.input(id, Input::Compact(snapshot.index))?;
            }
        }
        if self.prng.chance_ppm(50_000) {
            let keep = self.prng.below(8);
            let index = LogIndex(snapshot.index.0.saturating_sub(keep));
            self.input(id, Input::Compact(index))?;
        }
        Ok(())
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
