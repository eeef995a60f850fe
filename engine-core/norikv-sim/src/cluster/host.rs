//! One machine of the cluster: its disks and clock, and the process while it lives.
//!
//! **Invariant: a process works on real adapters over simulated disks**, and each worker runs one
//! task at a time, in the order in which the node gave them out, as on a native host.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nori_env::Clock;
use nori_observe::Meter;
use nori_wal::{Lsn, Options as LogOptions};
use norikv_node::adapters::{LsmStorage, PlacementRouter, WalLog};
use norikv_node::driver::{
    ApplyTask, ApplyWorker, JobTask, JobWorker, LogTask, LogWorker, ReadTask, ReadWorker,
    SnapshotTask, SnapshotWorker, restore,
};
use norikv_node::{
    GroupLog, Input, Maintenance, Node, NodeConfig, PortError, ReplicatedLog, RequestId,
    Router as _, Storage,
};
use norikv_testkit::{DiskOptions, SimDisk, SimEntropy, VirtualClock};
use norikv_types::{GroupId, Mono, NodeId, Prng, WallMs};

use crate::cluster::SimConfig;
use crate::cluster::plan::Disk;

/// A machine. It outlives its processes.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) log_disk: SimDisk,
    pub(crate) data_disk: SimDisk,
    clock: Arc<VirtualClock>,
    entropy: Arc<SimEntropy>,
    drift_ppm: i64,
    /// How far its clock has jumped ahead.
    ahead: Duration,
    pub(crate) process: Option<Process>,
    /// Segments of the log that the last process had closed.
    pub(crate) closed: Vec<u64>,
    /// Counts the processes so far.
    pub(crate) life: u64,
    /// The process stands still until then.
    pub(crate) paused_until: Mono,
    /// How many times slower than usual its disks are, and until when.
    pub(crate) disk_slowness: u32,
    pub(crate) disk_slow_until: Mono,
    /// The process stopped for a failure of its disk.
    pub(crate) halted: bool,
    /// It takes its time over messages until then.
    pub(crate) receiver_slow_until: Mono,
    /// A disk is full until then.
    pub(crate) full_until: Mono,
    /// What an input costs the process, and until when.
    pub(crate) input_cost: Duration,
    pub(crate) cpu_slow_until: Mono,
    /// Never starts again: its disks lost what the others must not take it to have.
    pub(crate) retired: bool,
    /// Its disks are those with which the cluster was made.
    pub(crate) founder: bool,
    /// A disk was told to fail: a halt of the node is no surprise.
    pub(crate) disk_failing: bool,
    /// When the node wants to hear of the time, in the world's time.
    pub(crate) deadline: Option<Mono>,
    /// Peers to which the transport has a connection, and to which start of them.
    pub(crate) connected: BTreeMap<NodeId, u64>,
}

/// A running node and its workers.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) node: Node,
    pub(crate) storage: Arc<dyn Storage>,
    log: LogWorker,
    pub(crate) wal: Arc<WalLog>,
    /// The log up to here was synced, as something says that was written and synced after it.
    proven: Lsn,
    apply: ApplyWorker,
    read: ReadWorker,
    snapshot: SnapshotWorker,
    jobs: JobWorker,
    pub(crate) queues: Queues,
    /// When the node was last told the time of day.
    wall_told: Option<Mono>,
    /// Calls that are not answered yet.
    pub(crate) calls: BTreeSet<RequestId>,
}

/// What waits for each worker.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) log: Vec<LogTask>,
    pub(crate) apply: VecDeque<ApplyTask>,
    pub(crate) read: VecDeque<ReadTask>,
    pub(crate) snapshot: VecDeque<SnapshotTask>,
    pub(crate) job: VecDeque<JobTask>,
    /// There may be background work.
    pub(crate) maintain: bool,
    /// Workers that have a run scheduled, as bits of [`Worker`].
    pub(crate) busy: u8,
}

/// The workers of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Worker {
    /// Makes durable.
    Log,
    /// Executes.
    Apply,
    /// Looks up.
    Read,
    /// Carries groups.
    Snapshot,
    /// Flushes, compacts, releases.
    Job,
}

/// What a run of a worker brought.
pub(crate) struct Worked {
    pub(crate) inputs: Vec<Input>,
    /// The entries that were applied.
    pub(crate) applied: Option<ApplyTask>,
}

/// What was there of a group at a start.
pub(crate) struct Found {
    pub(crate) group: GroupId,
    /// What the log held, before the node took it in hand.
    pub(crate) log: Option<GroupLog>,
    /// Whether the node has a replica.
    pub(crate) exists: bool,
    /// With whom the replica begins, if it is of the first ones.
    pub(crate) founders: Vec<NodeId>,
    /// What its Raft goes on from.
    pub(crate) restored: nori_raft::Restored,
}

impl Host {
    pub(crate) fn new(id: NodeId, config: &SimConfig, prng: &mut Prng) -> Self {
        let span = u64::from(config.drift_ppm_max);
        let drift = i64::try_from(prng.below(2 * span + 1)).unwrap_or(0);
        let disk = DiskOptions {
            unit: 4096,
            psow: true,
            recycle: true,
            capacity: None,
        };
        Self {
            id,
            log_disk: SimDisk::new(disk),
            data_disk: SimDisk::new(disk),
            clock: Arc::new(VirtualClock::new(WallMs(WALL_AT_START))),
            entropy: Arc::new(SimEntropy::new(prng.next_u64())),
            drift_ppm: drift - i64::try_from(span).unwrap_or(0),
            ahead: Duration::ZERO,
            process: None,
            closed: Vec::new(),
            life: 0,
            paused_until: Mono::ZERO,
            disk_slowness: 1,
            disk_slow_until: Mono::ZERO,
            halted: false,
            receiver_slow_until: Mono::ZERO,
            full_until: Mono::ZERO,
            input_cost: Duration::ZERO,
            cpu_slow_until: Mono::ZERO,
            retired: false,
            founder: true,
            disk_failing: false,
            deadline: None,
            connected: BTreeMap::new(),
        }
    }

    /// Starts a process over what the disks hold. Also returns what the log gave back.
    pub(crate) fn start(
        &mut self,
        now: Mono,
        config: &SimConfig,
        router: &PlacementRouter,
        boot: u64,
    ) -> Result<Vec<Found>, PortError> {
        let local = self.read_clock(now);
        let nodes: Vec<NodeId> = (1..=u64::from(config.nodes)).map(NodeId).collect();
        let mut node_config = NodeConfig::new(self.id, nodes, CLUSTER);
        node_config.groups = config.groups;
        node_config.replication = config.replication;
        node_config.boot = boot;
        node_config.founder = self.founder;
        node_config.address = Bytes::from(format!("node-{}", self.id.0));
        node_config.keep_log_bytes = config.storage.keep_log_bytes;
        node_config.keep_log_entries = config.storage.keep_log_entries;
        node_config.unflushed_bytes_max = config.storage.unflushed_bytes_max;
        node_config.scrub.interval = Some(SCRUB_INTERVAL);
        node_config.raft.quiesce_after = match config.quiesce_after_ms {
            0 => None,
            after_ms => Some(Duration::from_millis(after_ms)),
        };
        node_config.raft.append_bytes_max = config.storage.append_bytes_max;
        // Groups are small here: chunks, too, so that a transfer has a middle.
        node_config.snapshot.chunk_bytes = 512;
        node_config.snapshot.streams_max = 2;
        node_config.snapshot.stall_after = Duration::from_secs(2);
        node_config.seed = boot ^ self.id.0;
        let groups = Node::groups_of(&node_config).map_err(other)?;
        let placement = router.placement().clone();
        let wal = Arc::new(WalLog::open_replica(
            Arc::new(self.log_disk.clone()),
            Arc::clone(&self.entropy) as _,
            LogOptions {
                segment_bytes: config.storage.segment_bytes,
                first_segment_bytes: config.storage.segment_bytes,
                batch_bytes_max: u32::try_from(config.storage.segment_bytes / 2)
                    .unwrap_or(u32::MAX),
                ..LogOptions::default()
            },
            config.replication,
        )?);
        let log = Arc::clone(&wal) as Arc<dyn ReplicatedLog>;
        let storage: Arc<dyn Storage> = Arc::new(LsmStorage::open(
            Arc::new(self.data_disk.clone()),
            Arc::clone(&self.clock) as _,
            Arc::clone(&self.entropy) as _,
            nori_lsm::Options {
                memtable_bytes: config.storage.memtable_bytes,
                table_bytes: config.storage.table_bytes,
                level_base_bytes: config.storage.table_bytes * 4,
                cache_bytes: 1 << 20,
                manifest_bytes: 16 << 10,
                ..nori_lsm::Options::default()
            },
            placement,
        )?);
        let mut found = Vec::new();
        for group in &groups {
            found.push((*group, log.restore(*group)?));
        }
        let restored = restore(&*log, &*storage, groups.iter().copied())?;
        let mut found: Vec<Found> = found
            .into_iter()
            .map(|(group, log)| {
                let stored = &restored[&group];
                let founders = stored.founders(&node_config, router.replicas(group));
                Found {
                    group,
                    log,
                    exists: false,
                    founders: founders.to_vec(),
                    restored: stored.raft.clone(),
                }
            })
            .collect();
        let node = Node::new(node_config, restored, &Meter::new(), local).map_err(other)?;
        for (found, group) in found.iter_mut().zip(node.status().groups) {
            assert_eq!(found.group, group.group, "a node tells of every group");
            found.exists = group.replica.is_some();
        }
        self.process = Some(Process {
            node,
            log: LogWorker::new(Arc::clone(&log)),
            wal,
            proven: Lsn(0),
            apply: ApplyWorker::new(Arc::clone(&storage)),
            read: ReadWorker::new(Arc::clone(&storage), Arc::clone(&log)),
            snapshot: SnapshotWorker::new(Arc::clone(&storage)),
            jobs: JobWorker::new(Arc::clone(&storage), log, groups),
            storage,
            queues: Queues::default(),
            wall_told: None,
            calls: BTreeSet::new(),
        });
        self.life += 1;
        Ok(found)
    }

    /// What its wall clock shows when its clock was last read.
    pub(crate) fn wall(&self) -> WallMs {
        self.clock.wall()
    }

    /// Lets its clock jump ahead.
    pub(crate) fn jump_clock(&mut self, by: Duration) {
        let due = self.deadline.map(|deadline| self.local(deadline));
        self.ahead += by;
        self.deadline = due.map(|local| self.world(local));
    }

    /// Lets its wall clock jump.
    pub(crate) fn jump_wall(&self, by_ms: i64) {
        self.clock.jump_wall(by_ms);
    }

    /// One of its disks.
    pub(crate) const fn disk(&self, disk: Disk) -> &SimDisk {
        match disk {
            Disk::Log => &self.log_disk,
            Disk::Data => &self.data_disk,
        }
    }

    /// Sets the node's clock to what it shows at `now`, and reads it.
    pub(crate) fn read_clock(&self, now: Mono) -> Mono {
        let local = self.local(now);
        self.clock.set(local);
        local
    }

    /// What the node's clock shows at `now`.
    pub(crate) fn local(&self, now: Mono) -> Mono {
        let nanos = i128::from(now.as_nanos());
        let local = nanos + nanos * i128::from(self.drift_ppm) / 1_000_000;
        Mono::from_nanos(u64::try_from(local).unwrap_or(u64::MAX)) + self.ahead
    }

    /// When the node's clock first shows `local`.
    pub(crate) fn world(&self, local: Mono) -> Mono {
        let behind = local.since(Mono::ZERO + self.ahead).as_nanos();
        let nanos = i128::try_from(behind).unwrap_or(i128::MAX) * 1_000_000;
        let guess = nanos / i128::from(1_000_000 + self.drift_ppm);
        let mut now = Mono::from_nanos(u64::try_from(guess).unwrap_or(u64::MAX));
        while self.local(now) < local && now < Mono::MAX {
            now = Mono::from_nanos(now.as_nanos() + 1);
        }
        now
    }

    /// Ends the process. With the power gone, what was not synced is lost or torn, in the middle of
    /// whatever the workers were writing.
    pub(crate) fn stop(&mut self, power_cut: bool, prng: &mut Prng) {
        let process = self.process.take();
        if let Some(process) = &process {
            self.closed = process.closed_segments();
        }
        if power_cut {
            if let Some(mut process) = process {
                self.log_disk.power_off_after(prng.below(4));
                self.data_disk.power_off_after(prng.below(12));
                process.write_on();
                self.log_disk.power_off();
                self.data_disk.power_off();
            }
            self.log_disk.crash(prng);
            self.data_disk.crash(prng);
        } else {
            // What dies does not tidy up.
            self.log_disk.power_off();
            self.data_disk.power_off();
            drop(process);
            self.log_disk.restart();
            self.data_disk.restart();
        }
        self.deadline = None;
        self.paused_until = Mono::ZERO;
        self.connected.clear();
    }
}

impl Process {
    /// Whether the node is to be told the time of day again, which it is then.
    pub(crate) fn is_due_the_time(&mut self, local: Mono) -> bool {
        let due = self
            .wall_told
            .is_none_or(|told| local.since(told) >= Duration::from_secs(1));
        if due {
            self.wall_told = Some(local);
        }
        due
    }

    /// Runs a worker once over what waits for it.
    pub(crate) fn work(&mut self, worker: Worker) -> Worked {
        let mut worked = Worked {
            inputs: Vec::new(),
            applied: None,
        };
        match worker {
            Worker::Log => {
                let tasks = core::mem::take(&mut self.queues.log);
                let before = self.wal.durable_lsn();
                worked.inputs = self.log.run(&tasks);
                if self.wal.durable_lsn() > before {
                    self.proven = before;
                }
            }
            Worker::Apply => {
                if let Some(task) = self.queues.apply.pop_front() {
                    worked.inputs.extend(self.apply.run(&task));
                    worked.inputs.extend(self.apply.pressure());
                    worked.applied = Some(task);
                    self.queues.maintain = true;
                }
            }
            Worker::Read => {
                let task = self.queues.read.pop_front();
                worked.inputs.extend(task.map(|task| self.read.run(&task)));
            }
            Worker::Snapshot => {
                if let Some(task) = self.queues.snapshot.pop_front() {
                    worked.inputs.extend(self.snapshot.run(&task));
                    self.queues.maintain = true;
                }
            }
            Worker::Job => match self.queues.job.pop_front() {
                Some(task) => {
                    worked.inputs.extend(self.jobs.run(&task));
                    self.queues.maintain = true;
                }
                None => {
                    let (state, inputs) = self.jobs.step(JOB_BYTES);
                    worked.inputs = inputs;
                    self.queues.maintain = state == Maintenance::More;
                }
            },
        }
        worked
    }

    /// The active segment of the log, and up to where it is proven to have been synced.
    pub(crate) fn proven(&self) -> Option<(u64, Lsn)> {
        let active = self.wal.segments().pop()?;
        (active.base < self.proven).then_some((active.number, self.proven))
    }

    /// Segments of the log that are not written any more, and that the next one vouches for.
    pub(crate) fn closed_segments(&self) -> Vec<u64> {
        let mut segments = self.wal.segments();
        segments.pop();
        segments.iter().map(|segment| segment.number).collect()
    }

    /// What the process still wrote when the power went: nobody hears of it.
    fn write_on(&mut self) {
        for worker in [Worker::Log, Worker::Apply, Worker::Snapshot, Worker::Job] {
            if self.queues.waits(worker) {
                self.work(worker);
            }
        }
    }
}

impl Queues {
    /// How many tasks wait.
    pub(crate) fn len(&self) -> usize {
        self.log.len() + self.apply.len() + self.read.len() + self.snapshot.len() + self.job.len()
    }

    /// Whether something waits for the worker.
    pub(crate) fn waits(&self, worker: Worker) -> bool {
        match worker {
            Worker::Log => !self.log.is_empty(),
            Worker::Apply => !self.apply.is_empty(),
            Worker::Read => !self.read.is_empty(),
            Worker::Snapshot => !self.snapshot.is_empty(),
            Worker::Job => self.maintain || !self.job.is_empty(),
        }
    }
}

impl Worker {
    pub(crate) const ALL: [Self; 5] = [
        Self::Log,
        Self::Apply,
        Self::Read,
        Self::Snapshot,
        Self::Job,
    ];

    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

fn other(error: norikv_node::Error) -> PortError {
    PortError::new(norikv_node::PortErrorKind::Other, format!("{error}"))
}

/// The cluster's number in every run.
pub(crate) const CLUSTER: u64 = 0x5157;
/// 2026-01-01.
const WALL_AT_START: u64 = 1_767_225_600_000;
const JOB_BYTES: u64 = 64 << 10;
/// Short, so that a run sees several rounds.
const SCRUB_INTERVAL: Duration = Duration::from_millis(100);
