//! What a run consists of: cluster, clients, network, sizes, and the plan.

use alloc::vec::Vec;
use core::time::Duration;

use norikv_testkit::{Delay, LinkFaults};
use serde::{Deserialize, Serialize};

use crate::cluster::plan::{Action, Entry};

/// A run, whole: the same configuration gives the same run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimConfig {
    /// Seeds what the plan leaves open: delays, losses, elections, what a power cut takes.
    pub seed: u64,
    /// Nodes of the cluster; their ids are 1 to `nodes`.
    pub nodes: u32,
    /// Raft groups.
    pub groups: u32,
    /// Replicas of a group.
    pub replication: u32,
    /// When every fault has ended, in virtual milliseconds; 0: when the last one of the plan has.
    pub until_ms: u64,
    /// Largest drift of a node's clock, parts per million either way.
    pub drift_ppm_max: u32,
    /// After how long without anything to do a group falls asleep, in milliseconds; 0: never.
    pub quiesce_after_ms: u64,
    /// Whether at the end of the faults a majority alone is healed first, and must serve while the
    /// rest stays broken.
    pub heal_majority_first: bool,
    /// Who asks.
    pub clients: Clients,
    /// How links behave when no fault is on.
    pub links: LinkFaults,
    /// Bounds of logs and tables: small, so that short runs rotate, flush, compact and send
    /// snapshots.
    pub storage: Sizes,
    /// What is done, and when.
    pub plan: Vec<Entry>,
    /// Whether events are kept for [`view`](crate::Simulation::view).
    #[serde(skip)]
    pub watched: bool,
    /// Whether the trace is kept whole, for [`take_trace`](crate::Simulation::take_trace).
    #[serde(skip)]
    pub recorded: bool,
    /// A byte to flip: in the how-manieth delivered frame or packet. For the test of the trace.
    #[serde(skip)]
    pub flip: Option<u64>,
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clients {
    /// How many clients, each with one operation at a time; 0 for none.
    pub count: u32,
    /// Whether they also do what they like, for ever, beside what the plan tells them.
    pub free: bool,
    /// Longest pause between two operations of a free client.
    pub think_max_ms: u64,
    /// How many keys they share.
    pub keys: u32,
    /// Clients that watch keys all the time.
    pub watchers: u32,
    /// Longest value in bytes, at least 8.
    pub value_bytes_max: u32,
    /// How long a client waits for the answer to a write.
    pub patience_ms: u64,
    /// How long it waits for the answer to a read.
    pub read_patience_ms: u64,
    /// Answers in a million that get lost on their way.
    pub answer_loss_ppm: u32,
    /// Whether every operation is kept and judged at the end.
    pub judged: bool,
}

/// Bounds of logs and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sizes {
    /// A segment of the log.
    pub segment_bytes: u64,
    /// A memtable.
    pub memtable_bytes: u64,
    /// A table.
    pub table_bytes: u64,
    /// Flushed log that is kept for followers, in bytes.
    pub keep_log_bytes: u64,
    /// Flushed log that is kept for followers, in entries.
    pub keep_log_entries: u64,
    /// Entry bytes of one append message; one entry is always allowed.
    pub append_bytes_max: u32,
    /// Unflushed log above which a flush is asked for, in bytes.
    pub unflushed_bytes_max: u64,
}

impl SimConfig {
    /// A cluster of `nodes` without faults and without clients, for a page or a first look.
    #[must_use]
    pub fn calm(seed: u64, nodes: u32) -> Self {
        Self {
            seed,
            nodes,
            replication: 3.min(nodes),
            watched: true,
            ..Self::default()
        }
    }

    /// What the page shows: every group on every node, a network slow enough to watch beside the
    /// usual timeouts of Raft, logs and tables so small that they turn over while one looks, six
    /// clients, and no faults but those the visitor makes.
    #[must_use]
    pub fn demo(seed: u64, nodes: u32) -> Self {
        let mut config = Self::calm(seed, nodes);
        config.replication = nodes;
        config.links = calm_links(20_000, 60_000);
        config.clients.count = 6;
        config.clients.free = true;
        config.clients.think_max_ms = 150;
        config.clients.value_bytes_max = 512;
        config.storage = Sizes {
            segment_bytes: 64 << 10,
            memtable_bytes: 32 << 10,
            table_bytes: 16 << 10,
            keep_log_bytes: 8 << 10,
            keep_log_entries: 64,
            unflushed_bytes_max: 16 << 10,
            ..config.storage
        };
        config
    }

    /// How many replicas of a group can be lost while a majority is left.
    pub(crate) fn spare_replicas(&self) -> usize {
        (self.replication.min(self.nodes) as usize - 1) / 2
    }

    /// Whether leases hold: as long as no clock jumps.
    pub(crate) fn has_leases(&self) -> bool {
        let mut actions = self.plan.iter().map(|entry| &entry.action);
        !actions.any(|action| matches!(action, Action::JumpClock { .. }))
    }

    /// Whether wall clocks show about the time: as long as none jumps.
    pub(crate) fn has_true_walls(&self) -> bool {
        let mut actions = self.plan.iter().map(|entry| &entry.action);
        self.has_leases() && !actions.any(|action| matches!(action, Action::JumpWall { .. }))
    }

    /// When every fault has ended, in virtual milliseconds; 0 when there is none.
    #[must_use]
    pub fn faults_end_ms(&self) -> u64 {
        let faults = self
            .plan
            .iter()
            .filter(|entry| entry.action.fault().is_some());
        let end = faults
            .map(|entry| entry.at_ms + entry.action.for_ms())
            .max();
        match self.until_ms {
            0 => end.unwrap_or(0),
            until => until,
        }
    }

    /// When the last thing of the plan has begun and every fault has ended.
    #[must_use]
    pub fn plan_end_ms(&self) -> u64 {
        let last = self.plan.iter().map(|entry| entry.at_ms).max();
        last.unwrap_or(0).max(self.faults_end_ms())
    }
}

impl Default for SimConfig {
    /// Three calm nodes with eight groups, and nobody who asks.
    fn default() -> Self {
        Self {
            seed: 0,
            nodes: 3,
            groups: 8,
            replication: 3,
            until_ms: 0,
            drift_ppm_max: 0,
            quiesce_after_ms: 0,
            heal_majority_first: false,
            clients: Clients::default(),
            links: calm_links(200, 1_200),
            storage: Sizes::default(),
            plan: Vec::new(),
            watched: false,
            recorded: false,
            flip: None,
        }
    }
}

impl Default for Clients {
    /// None, who would be patient.
    fn default() -> Self {
        Self {
            count: 0,
            free: false,
            think_max_ms: 200,
            keys: 64,
            watchers: 0,
            value_bytes_max: 128,
            patience_ms: 2_000,
            read_patience_ms: 2_000,
            answer_loss_ppm: 0,
            judged: false,
        }
    }
}

impl Default for Sizes {
    /// 256 KiB segments and memtables, and little log kept.
    fn default() -> Self {
        Self {
            segment_bytes: 256 << 10,
            memtable_bytes: 256 << 10,
            table_bytes: 128 << 10,
            keep_log_bytes: 64 << 10,
            keep_log_entries: 256,
            append_bytes_max: 512 << 10,
            unflushed_bytes_max: 256 << 10,
        }
    }
}

/// Every message takes `min` to `max` microseconds and arrives.
const fn calm_links(min: u64, max: u64) -> LinkFaults {
    LinkFaults::none(Delay {
        min: Duration::from_micros(min),
        max: Duration::from_micros(max),
        tail_ppm: 0,
        tail_max: Duration::ZERO,
    })
}
