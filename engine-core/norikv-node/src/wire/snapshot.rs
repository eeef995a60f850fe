//! What nodes say about snapshots.
//!
//! **Invariant: every piece names the transfer and the export it belongs to**, each by the start of
//! the node that drew the name, so that nothing said in one is ever taken for part of another.

use bytes::Bytes;
use norikv_types::{GroupId, LogIndex, NodeId, Term, Version};
use serde::{Deserialize, Serialize};

use crate::SessionId;

/// A transfer, as its receiver names it, or an export, as its sender does. Names of one start grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// The start of the node that named it.
    pub(crate) boot: u64,
    /// Its name there.
    pub(crate) session: SessionId,
}

/// From a leader: the receiver lacks entries that are no longer in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotOffer {
    /// The group.
    pub(crate) group: GroupId,
    /// The leader's term.
    pub(crate) term: Term,
    /// Who has one.
    pub(crate) source: NodeId,
    /// The log begins behind this index: a snapshot that shows less is of no use.
    pub(crate) at_least: LogIndex,
}

/// From a receiver to a source: its credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotFetch {
    /// The group.
    pub(crate) group: GroupId,
    /// The transfer.
    pub(crate) stream: Stream,
    /// The export of which it has the first chunks; without it any export will do.
    pub(crate) export: Option<Stream>,
    /// The first chunk that it has not.
    pub(crate) next: u32,
    /// It has room for the chunks before this one. Only ever grows.
    pub(crate) up_to: u32,
    /// What was sent since may be lost: from `next` on once more.
    pub(crate) again: bool,
    /// As in the offer.
    pub(crate) at_least: LogIndex,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotChunk {
    /// The group.
    pub(crate) group: GroupId,
    /// The transfer.
    pub(crate) stream: Stream,
    /// The export.
    pub(crate) export: Stream,
    /// What it shows.
    pub(crate) at: Version,
    /// Counts from 0.
    pub(crate) seq: u32,
    /// Whether it is the last one.
    pub(crate) last: bool,
    /// The storage's own format.
    pub(crate) bytes: Bytes,
}

/// From a source to a receiver: the export it asked for, or any, is not to be had here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoExport {
    /// The group.
    pub(crate) group: GroupId,
    /// The transfer.
    pub(crate) stream: Stream,
}

/// From a receiver to the leader that offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotProgress {
    /// The group.
    pub(crate) group: GroupId,
    /// The term of the offer.
    pub(crate) term: Term,
    /// What the snapshot shows, once known.
    pub(crate) at: Option<Version>,
    /// How far it is.
    pub(crate) state: SnapshotState,
}

/// How far a snapshot is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapshotState {
    /// It waits for its turn, or comes in.
    Coming,
    /// All of it is here, and Raft was told.
    Received,
    /// Nothing came of it.
    Failed,
}
