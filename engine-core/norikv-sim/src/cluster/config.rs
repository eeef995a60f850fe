//! What a run consists of: cluster, clients, faults, and how long.

use core::time::Duration;

use norikv_testkit::{Delay, LinkFaults};
use norikv_types::Prng;

/// A run, whole: the same configuration gives the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    /// Seeds every random choice.
    pub seed: u64,
    /// Nodes of the cluster; their ids are 1 to `nodes`.
    pub nodes: u32,
    /// Raft groups.
    pub groups: u32,
    /// Replicas of a group.
    pub replication: u32,
    /// What clients do.
    pub clients: Clients,
    /// How links behave when no fault is on.
    pub network: LinkFaults,
    /// What goes wrong.
    pub faults: Faults,
    /// Bounds of logs and tables: small, so that short runs rotate, flush, compact and send
    /// snapshots.
    pub storage: Sizes,
    /// Whether events are kept for [`view`](crate::cluster::Simulation::view).
    pub watched: bool,
    /// A byte to flip: in the how-manieth delivered frame or packet. For the test of the trace.
    pub flip: Option<u64>,
}

/// The workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// How many clients, each with one operation at a time; 0 for none.
    pub count: u32,
    /// Longest pause between two operations of a client.
    pub think_max: Duration,
    /// How many keys they share.
    pub keys: u32,
    /// Longest value in bytes, at least 8.
    pub value_bytes_max: u32,
    /// How long a client waits for the answer to a write.
    pub patience: Duration,
    /// How long it waits for the answer to a read.
    pub read_patience: Duration,
    /// When they stop; `None`: never.
    pub until: Option<Duration>,
    /// Whether every operation is kept and judged at the end.
    pub judged: bool,
}

/// What goes wrong, when, and how often. A kind with weight 0 never happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// When the first may happen.
    pub from: Duration,
    /// When everything is healed.
    pub until: Duration,
    /// Longest pause between two faults.
    pub pause_max: Duration,
    /// How long a fault that ends by itself lasts at most.
    pub duration_max: Duration,
    /// How likely each kind is.
    pub weights: Weights,
    /// Answers to clients in a million that get lost.
    pub client_loss_ppm: u32,
    /// Largest drift of a node's clock, parts per million either way.
    pub drift_ppm_max: u32,
}

/// How likely each kind of fault is, relative to the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weights {
    /// A process dies; its disk keeps what was not synced.
    pub kill: u32,
    /// The power of one node goes: unsynced writes are lost or torn.
    pub power_cut: u32,
    /// The power of all nodes goes at once.
    pub blackout: u32,
    /// The nodes fall into two halves that do not hear each other.
    pub partition: u32,
    /// One node is cut off.
    pub isolate: u32,
    /// One direction of one link is cut.
    pub one_way: u32,
    /// A process stands still and goes on as if nothing had happened.
    pub pause: u32,
    /// A disk becomes slow.
    pub slow_disk: u32,
    /// The network loses, doubles, reorders and delays.
    pub storm: u32,
    /// A sync fails; the node halts and is started again.
    pub sync_failure: u32,
}

/// Bounds of logs and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            groups: 8,
            replication: 3.min(nodes),
            clients: Clients {
                count: 0,
                think_max: Duration::from_millis(200),
                keys: 64,
                value_bytes_max: 128,
                patience: Duration::from_secs(2),
                read_patience: Duration::from_secs(2),
                until: None,
                judged: false,
            },
            network: LinkFaults::none(Delay {
                min: Duration::from_micros(200),
                max: Duration::from_micros(1_200),
                tail_ppm: 0,
                tail_max: Duration::ZERO,
            }),
            faults: Faults::none(),
            storage: Sizes::small(),
            watched: true,
            flip: None,
        }
    }

    /// What the page shows: every group on every node, a network slow enough to watch beside the
    /// usual timeouts of Raft, logs and tables so small that they turn over while one looks, six
    /// clients, and no faults but those the visitor makes.
    #[must_use]
    pub fn demo(seed: u64, nodes: u32) -> Self {
        let mut config = Self::calm(seed, nodes);
        config.replication = nodes;
        config.network.delay.min = Duration::from_millis(20);
        config.network.delay.max = Duration::from_millis(60);
        config.clients.count = 6;
        config.clients.think_max = Duration::from_millis(150);
        config.clients.keys = 64;
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

    /// The standard swarm: three nodes, eight groups, clients, and faults that the seed draws, some
    /// kinds on and some off in each run, since faults hide each other when all are always on.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        let prng = &mut Prng::new(seed ^ 0x5157_4152_4d00_0001);
        let mut config = Self::calm(seed, 3);
        let until = Duration::from_secs(16);
        config.watched = false;
        let patience = |prng: &mut Prng| Duration::from_millis(300 + u64::from(draw(prng, 2_000)));
        config.clients = Clients {
            count: 4 + draw(prng, 5),
            think_max: Duration::from_millis(20 + u64::from(draw(prng, 200))),
            keys: 3 + draw(prng, 30),
            value_bytes_max: [16, 200, 3_000, 20_000][draw(prng, 4) as usize],
            patience: patience(prng),
            read_patience: patience(prng),
            until: Some(until + Duration::from_secs(1)),
            judged: true,
        };
        let rare = |prng: &mut Prng, max: u32| {
            if prng.below(2) == 0 {
                draw(prng, max)
            } else {
                0
            }
        };
        config.network = LinkFaults {
            delay: Delay {
                min: Duration::from_micros(100),
                max: Duration::from_micros(500 + u64::from(draw(prng, 4_000))),
                tail_ppm: rare(prng, 20_000),
                tail_max: Duration::from_millis(200),
            },
            loss_ppm: rare(prng, 20_000),
            duplicate_ppm: rare(prng, 20_000),
            reorder_ppm: rare(prng, 50_000),
            ..LinkFaults::default()
        };
        config.faults = Faults {
            from: Duration::from_millis(500 + u64::from(draw(prng, 1_500))),
            until,
            pause_max: Duration::from_millis(200 + u64::from(draw(prng, 2_500))),
            duration_max: Duration::from_millis(200 + u64::from(draw(prng, 3_500))),
            weights: Weights {
                kill: rare(prng, 10),
                power_cut: rare(prng, 10),
                blackout: rare(prng, 4),
                partition: rare(prng, 10),
                isolate: rare(prng, 10),
                one_way: rare(prng, 6),
                pause: rare(prng, 6),
                slow_disk: rare(prng, 6),
                storm: rare(prng, 6),
                sync_failure: rare(prng, 4),
            },
            client_loss_ppm: rare(prng, 50_000),
            drift_ppm_max: rare(prng, 4_500),
        };
        let bits = |prng: &mut Prng, low: u32, span: u32| 1_u64 << (low + draw(prng, span));
        config.storage = Sizes {
            segment_bytes: bits(prng, 17, 3),
            memtable_bytes: bits(prng, 15, 5),
            table_bytes: bits(prng, 15, 4),
            keep_log_bytes: bits(prng, 12, 8),
            keep_log_entries: bits(prng, 4, 8),
            unflushed_bytes_max: bits(prng, 15, 6),
            append_bytes_max: [1, 4 << 10, 512 << 10][draw(prng, 3) as usize],
        };
        config
    }
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            from: Duration::MAX,
            until: Duration::MAX,
            pause_max: Duration::from_secs(1),
            duration_max: Duration::from_secs(1),
            weights: Weights::default(),
            client_loss_ppm: 0,
            drift_ppm_max: 0,
        }
    }
}

impl Weights {
    /// Each kind with its weight, in the order of the fields.
    pub(crate) const fn list(&self) -> [(FaultKind, u32); 10] {
        [
            (FaultKind::Kill, self.kill),
            (FaultKind::PowerCut, self.power_cut),
            (FaultKind::Blackout, self.blackout),
            (FaultKind::Partition, self.partition),
            (FaultKind::Isolate, self.isolate),
            (FaultKind::OneWay, self.one_way),
            (FaultKind::Pause, self.pause),
            (FaultKind::SlowDisk, self.slow_disk),
            (FaultKind::Storm, self.storm),
            (FaultKind::SyncFailure, self.sync_failure),
        ]
    }
}

/// A kind of fault; see [`Weights`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each is the field of `Weights` of the same name"
)]
pub enum FaultKind {
    Kill,
    PowerCut,
    Blackout,
    Partition,
    Isolate,
    OneWay,
    Pause,
    SlowDisk,
    Storm,
    SyncFailure,
}

impl Sizes {
    /// 256 KiB segments and memtables, and little log kept.
    #[must_use]
    pub const fn small() -> Self {
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

fn draw(prng: &mut Prng, bound: u32) -> u32 {
    u32::try_from(prng.below(u64::from(bound))).unwrap_or(0)
}
