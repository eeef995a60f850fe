//! What a client may ask of a node, and what it may hear.
//!
//! **Invariant: every [`Call`] gets exactly one answer or one [`Failure`], and a failure says
//! whether the write took effect.** "Unknown" is said only where nothing better can be known.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex, NodeId, Version, WallMs};
use serde::{Deserialize, Serialize};

use crate::{StepAnswer, Transaction};

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Stores `value` under `key`.
    Put {
        /// 1 to 1,024 bytes.
        key: Bytes,
        /// At most 1 MiB.
        value: Bytes,
        /// What must hold for the write to happen.
        expect: Expect,
        /// Names this write, so that repeating it does not do it twice. At most 256 bytes.
        idempotency: Option<Bytes>,
        /// How long the value lives, in milliseconds from when it is applied; `None`: until it is
        /// removed. At least 1.
        ttl_ms: Option<u64>,
    },
    /// Removes `key`; removing an absent key is a write like any other.
    Delete {
        /// 1 to 1,024 bytes.
        key: Bytes,
        /// What must hold for the write to happen.
        expect: Expect,
        /// Names this write, so that repeating it does not do it twice. At most 256 bytes.
        idempotency: Option<Bytes>,
    },
    /// Reads one key.
    Get {
        /// 1 to 1,024 bytes.
        key: Bytes,
        /// How fresh the answer must be.
        consistency: Consistency,
    },
    /// Reads the keys that begin with `prefix`, in byte order, consistent per group.
    Scan {
        /// Empty for every key.
        prefix: Bytes,
        /// Only keys above this one: the last key of the page before.
        after: Option<Bytes>,
        /// Most items wanted; a page may end earlier.
        limit: u32,
        /// How fresh the answer must be.
        consistency: Consistency,
        /// The cursor of the page before, which the answer's covers too; empty: none before. Names
        /// every group or none.
        cursor: Vec<(GroupId, LogIndex)>,
    },
    /// Adds `by` to the decimal number under `key`; an absent key counts as 0.
    Increment {
        /// 1 to 1,024 bytes.
        key: Bytes,
        /// How much; may be negative.
        by: i64,
        /// Names this write, so that repeating it does not do it twice. At most 256 bytes.
        idempotency: Option<Bytes>,
    },
    /// Compares, and carries out one of two lists of steps, at once. All keys are in one group.
    Transaction {
        /// What to do.
        transaction: Transaction,
        /// Names it, so that repeating it does not do it twice. At most 256 bytes.
        idempotency: Option<Bytes>,
    },
    /// Waits for what happens to the keys that begin with `prefix`, after the given positions.
    /// Answered as soon as there is something, at the deadline with nothing.
    Watch {
        /// Empty for every key.
        prefix: Bytes,
        /// How far each group was seen, as the page before said. A group that is not named is
        /// watched from now on; with no group at all the answer comes at once and says where now is.
        cursor: Vec<(GroupId, LogIndex)>,
        /// Most events wanted; a page holds all events of one index or none.
        limit: u32,
    },
    /// Moves replicas or leaders.
    Admin(Admin),
}

/// What an operator may ask of a group. Asking again for what is done already is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admin {
    /// Has nodes hold a replica that votes, and others hold none; all in one step once the new ones
    /// have caught up. Answered by `Replicas` when it is done; a failure says how far it is, and what
    /// was begun stays.
    ChangeReplicas {
        /// The group.
        group: GroupId,
        /// Nodes that are to vote.
        add: Vec<NodeId>,
        /// Nodes that are to hold nothing.
        remove: Vec<NodeId>,
    },
    /// Has another voter lead. Answered by `Replicas` when it does.
    Transfer {
        /// The group.
        group: GroupId,
        /// Who is to lead it.
        to: NodeId,
    },
}

/// Who holds a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// Those that vote.
    pub voters: Vec<NodeId>,
    /// Those that voted before a change that is under way.
    pub outgoing: Vec<NodeId>,
    /// Those that get entries and do not vote.
    pub learners: Vec<NodeId>,
    /// Who leads, where known.
    pub leader: Option<NodeId>,
}

/// The condition of a compare-and-set, judged when the write is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Whatever is there.
    Any,
    /// The key must not exist.
    Absent,
    /// The key must have exactly this version.
    Version(Version),
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Sees every write acknowledged before it, confirmed by a majority.
    Linearizable,
    /// The same as long as clocks drift less than the configured bound; asks nobody.
    Lease,
    /// Whatever the nearest replica has.
    StaleOk,
    /// Linearizable, served by the nearest replica: it asks the leader from which index on it may
    /// be read, and answers once it has applied that much. The leader looks nothing up.
    Follower,
}

/// What a [`Call`] comes back with when it succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The write is durable on a majority and applied.
    Written {
        /// The version the write made.
        version: Version,
    },
    /// The key's value.
    Value {
        /// Its bytes.
        value: Bytes,
        /// The version of the write that stored it.
        version: Version,
        /// When it ends, by the replicated time.
        expires_at: Option<WallMs>,
    },
    /// There is no such key.
    Absent,
    /// A page of a scan.
    Page(Page),
    /// The number is incremented, durably.
    Counted {
        /// The version the write made.
        version: Version,
        /// What it is now.
        value: i64,
    },
    /// The transaction is durable on a majority and applied.
    Transacted {
        /// The version of all that it wrote.
        version: Version,
        /// Whether every comparison held.
        succeeded: bool,
        /// One for each step of the branch that was carried out, in order.
        answers: Vec<StepAnswer>,
    },
    /// A page of a watch.
    Watched(WatchPage),
    /// The past that a watch asks for is gone. A node's caller hears of it as a [`Failure`].
    Compacted {
        /// The group.
        group: GroupId,
        /// The oldest position that can be asked for.
        oldest: LogIndex,
    },
    /// Who holds the group now.
    Replicas(Replicas),
}

/// Part of a scan's result. The next page is asked for with the last key as `after`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In byte order of their keys.
    pub items: Vec<Item>,
    /// Whether there are keys behind the last one. A page with `more` is never empty.
    pub more: bool,
    /// Where each group was read, ascending by group: the page shows what happened up to there, and
    /// nothing later. With a cursor of pages before, the lower position of each group: a watch from
    /// there on tells whatever the pages do not show. What later pages show already it tells again:
    /// an event of a key is old if its version is not above the item's.
    pub cursor: Vec<(GroupId, LogIndex)>,
}

/// One key of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The version of the write that stored it.
    pub version: Version,
    /// When it ends, by the replicated time.
    pub expires_at: Option<WallMs>,
}

/// Part of a watch. The next page is asked for with its cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPage {
    /// What happened; in the order of the log within a group.
    pub events: Vec<WatchEvent>,
    /// How far each group was seen, ascending by group.
    pub cursor: Vec<(GroupId, LogIndex)>,
}

/// One thing that happened to a key. That a value ended is none: the event that stored it says when
/// it would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// The group of the key.
    pub group: GroupId,
    /// The key.
    pub key: Bytes,
    /// The version that it made; its index ascends within a group.
    pub version: Version,
    /// What happened.
    pub change: Change,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A value was stored.
    Put {
        /// The value.
        value: Bytes,
        /// When it ends, by the replicated time.
        expires_at: Option<WallMs>,
    },
    /// The key was removed; it may have been absent before.
    Delete,
}

/// Why a [`Call`] did not succeed, and what became of its write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable kind; says what the caller should do.
    pub kind: ErrorKind,
    /// Whether the write took effect. `No` for every read.
    pub applied: Applied,
    /// For people: what happened, in numbers.
    pub message: String,
    /// Who leads the group, where known.
    pub leader: Option<NodeId>,
    /// The version a failed compare-and-set met; `None` when the key is absent.
    pub actual: Option<Version>,
    /// The oldest position from which the group can be watched, where the one asked for is gone.
    pub oldest: Option<(GroupId, LogIndex)>,
}

impl Call {
    /// Whether it changes what is stored.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        match self {
            Self::Put { .. }
            | Self::Delete { .. }
            | Self::Increment { .. }
            | Self::Transaction { .. } => true,
            Self::Get { .. } | Self::Scan { .. } | Self::Watch { .. } | Self::Admin(_) => false,
        }
    }
}

impl Failure {
    /// A failure of `kind` that did not change anything.
    #[must_use]
    pub fn refused(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, Applied::No, message)
    }

    /// A failure of `kind` with what is known about the write.
    #[must_use]
    pub fn new(kind: ErrorKind, applied: Applied, message: impl Into<String>) -> Self {
        Self {
            kind,
            applied,
            message: message.into(),
            leader: None,
            actual: None,
            oldest: None,
        }
    }

    /// The same failure, naming the leader.
    #[must_use]
    pub fn with_leader(mut self, leader: Option<NodeId>) -> Self {
        self.leader = leader;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} (applied: {})",
            self.kind, self.message, self.applied
        )
    }
}

impl core::error::Error for Failure {}
