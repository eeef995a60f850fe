//! The replicated state of every group on this node.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nori_raft::{Configuration, Entry};
use norikv_types::{GroupId, LogIndex, Version};
use serde::{Deserialize, Serialize};

use crate::{Answer, Chunk, Decided, PortError};

/// Applies commands, answers queries, hands out and takes in whole groups.
///
/// **Invariant: a group's data, sessions and applied (term, index) change together and reach the
/// disk together.** An entry at or below the stored applied index is never executed again.
///
/// Applies and installs of one group never run at once; everything else may, from any thread.
pub trait Storage: Send + Sync + fmt::Debug {
    /// The (term, index) of the last entry applied to `group`; zero for a new group.
    ///
    /// # Errors
    /// `Corrupt` and I/O; nothing changed.
    fn applied(&self, group: GroupId) -> Result<Version, PortError>;

    /// The newest configuration applied to `group`; it changes with the applied (term, index).
    /// `None` for a new group.
    ///
    /// # Errors
    /// `Corrupt` and I/O; nothing changed.
    fn configuration(&self, group: GroupId) -> Result<Option<Configuration>, PortError>;

    /// Executes `entries` in order, one atomic batch, and says what became of each. Visible to
    /// queries when it returns; survives a crash only once [`flushed`](Self::flushed) covers it.
    ///
    /// # Errors
    /// I/O, `NoSpace`: none of the entries is applied.
    fn apply(&self, group: GroupId, entries: &[Entry]) -> Result<Vec<Decided>, PortError>;

    /// Looks up `query` in what is applied now, at one point in time.
    ///
    /// # Errors
    /// `Corrupt` where what was stored cannot be read.
    fn query(&self, query: &Query) -> Result<Answer, PortError>;

    /// The last index of `group` that survives a crash without the log.
    fn flushed(&self, group: GroupId) -> LogIndex;

    /// A mark that differs once [`flushed`](Self::flushed) grew for some group, so that whoever
    /// follows many groups asks for each only then; `None`: ask always.
    fn flush_mark(&self) -> Option<u64> {
        None
    }

    /// Has what is in memory flushed by the coming [`maintain`](Self::maintain) calls.
    fn flush(&self);

    /// Does a bounded piece of background work: flush, compaction, removal of dead files.
    ///
    /// # Errors
    /// I/O; the work is undone and may be asked for again.
    fn maintain(&self, budget_bytes: u64) -> Result<Maintenance, PortError>;

    /// How well background work keeps up.
    fn pressure(&self) -> Pressure;

    /// How this node's replica of `group` began.
    ///
    /// # Errors
    /// `Corrupt` and I/O.
    fn origin(&self, group: GroupId) -> Result<Origin, PortError>;

    /// Makes `group` empty, as one that has applied nothing, and remembers `origin`: all or nothing,
    /// durable when it returns. No apply, install or export of the group is under way.
    ///
    /// # Errors
    /// I/O. The group is as it was.
    fn clear(&self, group: GroupId, origin: Origin) -> Result<(), PortError>;

    /// Opens an export of `group` as it is now; later applies do not show in it.
    ///
    /// # Errors
    /// I/O.
    fn export(&self, group: GroupId) -> Result<Box<dyn Export>, PortError>;

    /// Opens a place for a snapshot of `group` that is coming in. Memory stays bounded; what is
    /// not installed is gone when it is dropped or at the next start.
    ///
    /// # Errors
    /// I/O.
    fn stage(&self, group: GroupId) -> Result<Box<dyn Staging>, PortError>;
}

/// How a node's replica of a group began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// As the cluster's plan says: as a founder, where the plan has it here.
    #[default]
    Plan,
    /// It is being removed: what the log still has of it counts for nothing.
    Cleared,
    /// It is gone, or began empty with a leader's word: it never was, or is no longer, a founder.
    Invited,
}

/// A group's content at one point in time, in chunks.
pub trait Export: Send + fmt::Debug {
    /// The (term, index) it shows.
    fn at(&self) -> Version;

    /// The next chunk, of about `bytes_max` bytes at most, more where one item alone is longer.
    ///
    /// # Errors
    /// `Corrupt` and I/O: the export cannot go on.
    fn next_chunk(&mut self, bytes_max: u32) -> Result<Chunk, PortError>;
}

/// A snapshot on its way in.
pub trait Staging: Send + fmt::Debug {
    /// Takes the next chunk of a peer's [`Export`]; the bytes are checked.
    ///
    /// # Errors
    /// `BadSnapshot`, `NoSpace`, I/O: the snapshot cannot be installed any more.
    fn chunk(&mut self, bytes: &Bytes) -> Result<(), PortError>;

    /// Makes what was taken the whole content of the group, with `at` as its applied
    /// (term, index): all or nothing, durable when it returns.
    ///
    /// # Errors
    /// `BadSnapshot` when chunks are missing; I/O. The group is as it was.
    fn install(self: Box<Self>, at: Version) -> Result<(), PortError>;
}

/// A lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// One key. Answered by `Value` or `Absent`.
    Get {
        /// The key.
        key: Bytes,
    },
    /// The keys of one group that begin with `prefix`, in byte order over all its shards. Answered
    /// by `Page`, its cursor for that group: what was applied at the point in time that it shows.
    Scan {
        /// The group.
        group: GroupId,
        /// Empty for every key.
        prefix: Bytes,
        /// Only keys above this one.
        after: Option<Bytes>,
        /// Most items.
        limit: u32,
        /// Key and value bytes after which the page ends; the first item always fits.
        bytes_max: u32,
    },
    /// What happened behind a position of each group to keys that begin with `prefix`. Answered by
    /// `Watched`, its cursor for the same groups, or by `Compacted`.
    Watch {
        /// Where each group was seen; only groups of which this node has a replica.
        positions: Vec<(GroupId, LogIndex)>,
        /// Empty for every key.
        prefix: Bytes,
        /// Most events, but for the last index, which is given whole.
        limit: u32,
        /// Bytes after which a group's events end.
        bytes_max: u32,
    },
}

/// What a piece of background work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// There is more to do now.
    More,
    /// Nothing to do until something is written.
    Idle,
}

/// How well background work keeps up with writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Pressure {
    /// It does.
    #[default]
    None,
    /// It falls behind: new writes should come more slowly.
    Slow,
    /// It is far behind: new writes are refused until it has caught up.
    Stop,
}
