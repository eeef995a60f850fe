//! What a node is told at its start.

use core::time::Duration;

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

/// Everything a [`Node`](crate::Node) is configured with. The same on every node of a cluster,
/// except `id`, `boot`, `address` and `seed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// This node.
    pub id: NodeId,
    /// Names the cluster: frames of another one are refused.
    pub cluster: u64,
    /// Every node of the cluster, this one included. Fixed when the cluster is made.
    pub nodes: Vec<NodeId>,
    /// How many Raft groups share the shards; 8 in a running system.
    pub groups: u32,
    /// How many replicas a group has; 3.
    pub replication: u32,
    /// Whether this node took part in the making of the cluster, with the directory that it has now.
    /// One whose disk was replaced did not: what it had promised is lost, so that it holds only the
    /// replicas that it is invited to.
    pub founder: bool,
    /// A random number of this start; tells a restarted node from one that was slow.
    pub boot: u64,
    /// Where clients and peers reach this node; spread by SWIM as the node's metadata.
    pub address: Bytes,
    /// Timing and bounds of every Raft group.
    pub raft: RaftOptions,
    /// Timing of failure detection.
    pub swim: SwimOptions,
    /// What is refused.
    pub limits: Limits,
    /// Bytes of flushed log that a group keeps for followers that are behind.
    pub keep_log_bytes: u64,
    /// Entries of flushed log that a group keeps for followers that are behind.
    pub keep_log_entries: u64,
    /// Bytes of log not yet flushed, over all groups, above which a flush is asked for.
    pub unflushed_bytes_max: u64,
    /// Snapshot transfer.
    pub snapshot: SnapshotOptions,
    /// How the log is read again for damage.
    pub scrub: ScrubOptions,
    /// Seeds every random choice of the node.
    pub seed: u64,
}

/// Timing and bounds of a Raft group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaftOptions {
    /// Shortest time without a leader after which a follower campaigns.
    pub election_timeout_min: Duration,
    /// Longest such time.
    pub election_timeout_max: Duration,
    /// How often a leader says that it is there.
    pub heartbeat_interval: Duration,
    /// After so long in which nobody asked a group for anything it falls asleep: it sends nothing and
    /// has no lease until somebody does. `None`: never. The same on every node.
    pub quiesce_after: Option<Duration>,
    /// How far clocks may drift apart, in parts per million; leases are shorter by it.
    pub clock_drift_ppm: u32,
    /// Appends on their way to one follower.
    pub inflight_messages_max: u32,
    /// Payload bytes of one append.
    pub append_bytes_max: u32,
    /// Payload bytes that a leader takes before they are committed.
    pub uncommitted_bytes_max: u64,
}

/// Timing of failure detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwimOptions {
    /// How often a member is probed.
    pub probe_interval: Duration,
    /// How long a direct answer may take.
    pub probe_timeout: Duration,
    /// Shortest suspicion: this many probe intervals, times log₁₀ of the members.
    pub suspicion_multiplier: u32,
    /// Longest suspicion, in shortest ones.
    pub suspicion_max_factor: u32,
}

/// What a node refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest key, bytes.
    pub key_bytes_max: u32,
    /// Longest value, bytes.
    pub value_bytes_max: u32,
    /// Longest idempotency key, bytes.
    pub idempotency_bytes_max: u32,
    /// Most items of one page of a scan; a larger limit is taken as this one.
    pub scan_items_max: u32,
    /// Bytes after which a group's part of a page ends; the first item always fits.
    pub scan_bytes_max: u32,
    /// Calls, forwarded ones included, that may be under way here.
    pub calls_max: u32,
}

/// How snapshots travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOptions {
    /// Bytes of one chunk.
    pub chunk_bytes: u32,
    /// Credit of a transfer: chunks that its receiver has room for beyond those it keeps.
    pub window: u32,
    /// Transfers that go on at once, out of this node and into it each; the others wait in order.
    pub streams_max: u32,
    /// After this long without an answer the same is asked or said again.
    pub resend_after: Duration,
    /// After this long without a step a transfer lets the next one have its place, and whoever
    /// leads its group thinks of another source.
    pub stall_after: Duration,
    /// What is left of a transfer that does not go on is kept this long: chunks and the export, and
    /// the log behind the snapshot, also after it was sent whole.
    pub keep_for: Duration,
}

/// How the log is read again for damage. The defaults read 512 MiB in half an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubOptions {
    /// After this long the next piece is read; `None`: the log is not read again.
    pub interval: Option<Duration>,
    /// Bytes of a piece. One is of one group.
    pub bytes: u64,
}

impl NodeConfig {
    /// The same with this many groups. The log that is kept for followers that are behind is shared
    /// out among them, so that it is as much for any number.
    #[must_use]
    pub fn with_groups(self, groups: u32) -> Self {
        let share =
            |of_eight: u64, least: u64| (of_eight * 8 / u64::from(groups.max(1))).max(least);
        Self {
            groups,
            keep_log_bytes: share(8 << 20, 64 << 10),
            keep_log_entries: share(16_384, 128),
            ..self
        }
    }

    /// The defaults of a native cluster for node `id` among `nodes`.
    #[must_use]
    pub fn new(id: NodeId, nodes: Vec<NodeId>, cluster: u64) -> Self {
        Self {
            id,
            cluster,
            nodes,
            groups: 8,
            replication: 3,
            founder: true,
            boot: 0,
            address: Bytes::new(),
            raft: RaftOptions::default(),
            swim: SwimOptions::default(),
            limits: Limits::default(),
            keep_log_bytes: 8 << 20,
            keep_log_entries: 16_384,
            unflushed_bytes_max: 256 << 20,
            snapshot: SnapshotOptions::default(),
            scrub: ScrubOptions::default(),
            seed: id.0,
        }
    }
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(1)),
            bytes: 256 << 10,
        }
    }
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            election_timeout_min: Duration::from_millis(300),
            election_timeout_max: Duration::from_millis(600),
            heartbeat_interval: Duration::from_millis(150),
            quiesce_after: None,
            clock_drift_ppm: 10_000,
            inflight_messages_max: 64,
            append_bytes_max: 512 << 10,
            uncommitted_bytes_max: 64 << 20,
        }
    }
}

impl Default for SwimOptions {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            suspicion_multiplier: 4,
            suspicion_max_factor: 6,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 1_024,
            value_bytes_max: 1 << 20,
            idempotency_bytes_max: 256,
            scan_items_max: 10_000,
            scan_bytes_max: 1 << 20,
            calls_max: 65_536,
        }
    }
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self {
            chunk_bytes: 256 << 10,
            window: 4,
            streams_max: 4,
            resend_after: Duration::from_millis(500),
            stall_after: Duration::from_secs(10),
            keep_for: Duration::from_secs(60),
        }
    }
}
