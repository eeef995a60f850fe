//! What clients do and what goes wrong, as data.
//!
//! **Invariant: a plan says everything that is done to a cluster, and when.** What the network and
//! the disks then make of it is drawn from the seed of the run; an entry that is taken out of the
//! plan takes nothing else with it.

use alloc::vec::Vec;

use norikv_node::Consistency;
use norikv_testkit::LinkFaults;
use serde::{Deserialize, Serialize};

/// One thing that is done, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds after the machines are switched on.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// What can be done to a cluster. Nodes count from 1, clients and keys from 0. What has `for_ms`
/// ends by itself after that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields say what they are: a node, a client, a key, how long, how much"
)]
#[non_exhaustive]
pub enum Action {
    /// A client writes a new value. With `once` the write bears no idempotency key, and the client
    /// asks a single time.
    Put {
        client: u32,
        key: u32,
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        once: bool,
        #[serde(default, skip_serializing_if = "Wanted::is_any")]
        expect: Wanted,
    },
    /// A client deletes.
    Delete {
        client: u32,
        key: u32,
        #[serde(default, skip_serializing_if = "Wanted::is_any")]
        expect: Wanted,
    },
    /// A client reads.
    Get {
        client: u32,
        key: u32,
        consistency: Consistency,
    },
    /// A client reads every key.
    Scan {
        client: u32,
        consistency: Consistency,
    },
    /// A client writes a value that ends by itself, among the keys for such values.
    Lend {
        client: u32,
        key: u32,
        ttl_ms: u64,
        #[serde(default, skip_serializing_if = "Wanted::is_any")]
        expect: Wanted,
    },
    /// A client takes such a value away.
    TakeBack { client: u32, key: u32 },
    /// A client looks whether such a value is still there.
    Look {
        client: u32,
        key: u32,
        consistency: Consistency,
    },
    /// A client adds to a number.
    Add { client: u32, key: u32, by: i64 },
    /// A client reads a number.
    Count {
        client: u32,
        key: u32,
        consistency: Consistency,
    },
    /// A client does several things to the keys of a tag at once.
    Transact { client: u32, tag: u32, deal: Deal },
    /// A process dies; its disks keep what was not synced, as a page cache does.
    Kill { node: u32, for_ms: u64 },
    /// The power of a node goes: unsynced writes are lost or torn.
    PowerCut { node: u32, for_ms: u64 },
    /// The power goes in the middle of a write: the one after `writes` more on that disk.
    CrashAtWrite {
        node: u32,
        disk: Disk,
        writes: u32,
        for_ms: u64,
    },
    /// The power of all nodes goes at once.
    Blackout { for_ms: u64 },
    /// A process stands still and goes on as if nothing had happened.
    Pause { node: u32, for_ms: u64 },
    /// A process gets a small part of its processor.
    SlowCpu {
        node: u32,
        /// What every input costs it.
        input_us: u32,
        for_ms: u64,
    },
    /// A node's wall clock jumps, forward or back.
    JumpWall { node: u32, by_ms: i64 },
    /// A node's monotonic clock jumps ahead, as after a move between machines. No lease holds against
    /// that, so in a plan with such a jump lease reads ask a majority.
    JumpClock { node: u32, by_ms: u64 },
    /// The nodes named do not hear the others, nor the others them.
    Partition { nodes: Vec<u32>, for_ms: u64 },
    /// One direction of one link is cut.
    Cut { from: u32, to: u32, for_ms: u64 },
    /// Two halves hear each other only through one node: the lower ids, the higher ids, and it.
    Bridge { node: u32, for_ms: u64 },
    /// Links are cut both ways, so that the nodes hear each other only by way of others.
    Mesh { links: Vec<(u32, u32)>, for_ms: u64 },
    /// Nothing passes for a while, then all of it at once.
    Clog { from: u32, to: u32, for_ms: u64 },
    /// A link goes up and down.
    Flap {
        from: u32,
        to: u32,
        period_ms: u64,
        for_ms: u64,
    },
    /// A node takes its time over each message that arrives.
    SlowReceiver {
        node: u32,
        message_us: u32,
        for_ms: u64,
    },
    /// The whole network behaves badly.
    Storm { links: LinkFaults, for_ms: u64 },
    /// A disk becomes slow.
    SlowDisk { node: u32, times: u32, for_ms: u64 },
    /// A sync fails: the one after `syncs` more. The node halts, and is started again in the end.
    SyncFailure {
        node: u32,
        disk: Disk,
        syncs: u32,
        for_ms: u64,
    },
    /// Nothing more fits on a disk; there is room again in the end.
    DiskFull { node: u32, disk: Disk, for_ms: u64 },
    /// A bit of a table or of a closed segment of the log flips.
    BitRot { node: u32, disk: Disk },
    /// A sector of a table or of a closed segment of the log cannot be read any more.
    LatentSector { node: u32, disk: Disk },
    /// A write of a table lands elsewhere: the one after `writes` more.
    Misdirect { node: u32, writes: u32 },
    /// A disk is replaced by an empty one. The node stays down: it cannot know what it voted.
    Wipe { node: u32 },
    /// The disks of a node are replaced by empty ones, and it comes back as one that holds only
    /// what it is invited to.
    Replace { node: u32, for_ms: u64 },
    /// The operator has another node lead a group.
    Transfer { group: u32, to: u32 },
    /// The operator has nodes hold a replica of a group that votes, and others hold none.
    ChangeReplicas {
        group: u32,
        add: Vec<u32>,
        remove: Vec<u32>,
    },
}

/// Which disk of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disk {
    /// The one of the log.
    Log,
    /// The one of the tables.
    Data,
}

/// What a transaction does with the three keys of its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deal {
    /// Writes the first two where the first is absent, else reads them.
    Fill,
    /// Takes the first away and writes the second where the first exists, else writes the first.
    Move,
    /// Writes the first and the third where the first has the value that was last seen there, else
    /// reads all.
    Exchange,
    /// Reads all.
    Read,
}

/// What a write wants to find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Anything.
    #[default]
    Any,
    /// Nothing.
    Absent,
    /// The version that was last seen under the key, by whichever client.
    Seen,
}

/// The kinds of faults; each is the [`Action`] of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is an action, and documented there")]
pub enum FaultKind {
    Kill,
    PowerCut,
    CrashAtWrite,
    Blackout,
    Pause,
    SlowCpu,
    JumpWall,
    JumpClock,
    Partition,
    Cut,
    Bridge,
    Mesh,
    Clog,
    Flap,
    SlowReceiver,
    Storm,
    SlowDisk,
    SyncFailure,
    DiskFull,
    BitRot,
    LatentSector,
    Misdirect,
    Wipe,
    Replace,
    Transfer,
    ChangeReplicas,
}

impl Action {
    /// Which fault it is; `None` for what a client does.
    #[must_use]
    pub const fn fault(&self) -> Option<FaultKind> {
        Some(match self {
            _ if self.client().is_some() => return None,
            Self::Kill { .. } => FaultKind::Kill,
            Self::PowerCut { .. } => FaultKind::PowerCut,
            Self::CrashAtWrite { .. } => FaultKind::CrashAtWrite,
            Self::Blackout { .. } => FaultKind::Blackout,
            Self::Pause { .. } => FaultKind::Pause,
            Self::SlowCpu { .. } => FaultKind::SlowCpu,
            Self::JumpWall { .. } => FaultKind::JumpWall,
            Self::JumpClock { .. } => FaultKind::JumpClock,
            Self::Partition { .. } => FaultKind::Partition,
            Self::Cut { .. } => FaultKind::Cut,
            Self::Bridge { .. } => FaultKind::Bridge,
            Self::Mesh { .. } => FaultKind::Mesh,
            Self::Clog { .. } => FaultKind::Clog,
            Self::Flap { .. } => FaultKind::Flap,
            Self::SlowReceiver { .. } => FaultKind::SlowReceiver,
            Self::Storm { .. } => FaultKind::Storm,
            Self::SlowDisk { .. } => FaultKind::SlowDisk,
            Self::SyncFailure { .. } => FaultKind::SyncFailure,
            Self::DiskFull { .. } => FaultKind::DiskFull,
            Self::BitRot { .. } => FaultKind::BitRot,
            Self::LatentSector { .. } => FaultKind::LatentSector,
            Self::Misdirect { .. } => FaultKind::Misdirect,
            Self::Wipe { .. } => FaultKind::Wipe,
            Self::Replace { .. } => FaultKind::Replace,
            Self::Transfer { .. } => FaultKind::Transfer,
            Self::ChangeReplicas { .. } => FaultKind::ChangeReplicas,
            _ => return None,
        })
    }

    /// The client that does it; `None` for a fault.
    #[must_use]
    pub const fn client(&self) -> Option<u32> {
        match self {
            Self::Put { client, .. }
            | Self::Delete { client, .. }
            | Self::Get { client, .. }
            | Self::Scan { client, .. }
            | Self::Lend { client, .. }
            | Self::TakeBack { client, .. }
            | Self::Look { client, .. }
            | Self::Add { client, .. }
            | Self::Count { client, .. }
            | Self::Transact { client, .. } => Some(*client),
            _ => None,
        }
    }

    /// Whether a client writes.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Put { .. }
                | Self::Delete { .. }
                | Self::Lend { .. }
                | Self::TakeBack { .. }
                | Self::Add { .. }
                | Self::Transact { .. }
        )
    }

    /// The key that a client names.
    #[must_use]
    pub const fn key(&self) -> Option<u32> {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Get { key, .. } => Some(*key),
            _ => None,
        }
    }

    /// How long it lasts; 0 for what is done at once or for good.
    #[must_use]
    pub const fn for_ms(&self) -> u64 {
        match self {
            Self::Kill { for_ms, .. }
            | Self::PowerCut { for_ms, .. }
            | Self::CrashAtWrite { for_ms, .. }
            | Self::Blackout { for_ms }
            | Self::Pause { for_ms, .. }
            | Self::SlowCpu { for_ms, .. }
            | Self::Partition { for_ms, .. }
            | Self::Cut { for_ms, .. }
            | Self::Bridge { for_ms, .. }
            | Self::Mesh { for_ms, .. }
            | Self::Clog { for_ms, .. }
            | Self::Flap { for_ms, .. }
            | Self::SlowReceiver { for_ms, .. }
            | Self::Storm { for_ms, .. }
            | Self::SlowDisk { for_ms, .. }
            | Self::SyncFailure { for_ms, .. }
            | Self::DiskFull { for_ms, .. }
            | Self::Replace { for_ms, .. } => *for_ms,
            _ => 0,
        }
    }

    /// Every node that it names.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = u32> {
        let mut nodes: Vec<u32> = self.node().into_iter().collect();
        match self {
            Self::Partition { nodes: own, .. } => nodes.extend(own),
            Self::ChangeReplicas { add, remove, .. } => nodes.extend(add.iter().chain(remove)),
            Self::Mesh { links, .. } => {
                nodes.extend(links.iter().flat_map(|(one, other)| [*one, *other]));
            }
            Self::Cut { to, .. } | Self::Clog { to, .. } | Self::Flap { to, .. } => nodes.push(*to),
            _ => {}
        }
        nodes.into_iter()
    }

    /// The node at which it strikes, where it strikes at one.
    #[must_use]
    pub const fn node(&self) -> Option<u32> {
        match self {
            Self::Kill { node, .. }
            | Self::PowerCut { node, .. }
            | Self::CrashAtWrite { node, .. }
            | Self::Pause { node, .. }
            | Self::SlowCpu { node, .. }
            | Self::JumpWall { node, .. }
            | Self::JumpClock { node, .. }
            | Self::Bridge { node, .. }
            | Self::SlowReceiver { node, .. }
            | Self::SlowDisk { node, .. }
            | Self::SyncFailure { node, .. }
            | Self::DiskFull { node, .. }
            | Self::BitRot { node, .. }
            | Self::LatentSector { node, .. }
            | Self::Misdirect { node, .. }
            | Self::Wipe { node, .. }
            | Self::Replace { node, .. }
            | Self::Transfer { to: node, .. } => Some(*node),
            Self::Cut { from, .. } | Self::Clog { from, .. } | Self::Flap { from, .. } => {
                Some(*from)
            }
            _ => None,
        }
    }
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::Kill,
        Self::PowerCut,
        Self::CrashAtWrite,
        Self::Blackout,
        Self::Pause,
        Self::SlowCpu,
        Self::JumpWall,
        Self::JumpClock,
        Self::Partition,
        Self::Cut,
        Self::Bridge,
        Self::Mesh,
        Self::Clog,
        Self::Flap,
        Self::SlowReceiver,
        Self::Storm,
        Self::SlowDisk,
        Self::SyncFailure,
        Self::DiskFull,
        Self::BitRot,
        Self::LatentSector,
        Self::Misdirect,
        Self::Wipe,
        Self::Replace,
        Self::Transfer,
        Self::ChangeReplicas,
    ];
}

impl FaultKind {
    /// Whether an operator does it, or it takes one to mend.
    #[must_use]
    pub const fn is_operators(self) -> bool {
        matches!(self, Self::Replace | Self::Transfer | Self::ChangeReplicas)
    }
}

impl Wanted {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it by reference"
    )]
    const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}
