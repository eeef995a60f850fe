//! The one log of a node: entries and hard states of all its groups.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use nori_raft::{Entry, HardState, Stretch};
use norikv_types::{GroupId, LogIndex, Version};

use crate::PortError;

/// Appends and reads back entries and hard states of many groups, one sync for all.
///
/// **Invariant: when [`append`](Self::append) returns, all of the batch is durable; after a crash
/// before that any prefix of it may be.** Batches are appended by one thread in the order in which
/// the node gave them out.
pub trait ReplicatedLog: Send + Sync + fmt::Debug {
    /// Appends `batch` in order and makes it durable: one group commit.
    ///
    /// # Errors
    /// `NoSpace`, `SyncFailed`, I/O: nothing of it may be called durable, and the log refuses
    /// everything from then on.
    fn append(&self, batch: &[LogRecord<'_>]) -> Result<(), PortError>;

    /// What the log holds of `group`; `None` when it never heard of it.
    ///
    /// # Errors
    /// `Corrupt` where acknowledged records cannot be read back.
    fn restore(&self, group: GroupId) -> Result<Option<GroupLog>, PortError>;

    /// Durable entries of `group` from `from` on, ascending without gaps: as far as `up_to`, and no
    /// more than `bytes_max` bytes of them but at least one. None when they were released. May run
    /// beside everything else.
    ///
    /// # Errors
    /// `Corrupt` where they do not verify any more; I/O.
    fn read(
        &self,
        group: GroupId,
        from: LogIndex,
        up_to: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, PortError>;

    /// Entries of `group` at or below `up_to` are not needed any more; frees space where it can.
    /// What it came upon that is needed and cannot be read back any more is returned, once: written
    /// again it keeps no space occupied.
    ///
    /// # Errors
    /// I/O; asking again is fine.
    fn release(
        &self,
        group: GroupId,
        up_to: LogIndex,
    ) -> Result<Vec<(GroupId, Stretch)>, PortError>;

    /// The log of `group` begins behind `at`: what stands up to there is not needed, and may be
    /// damaged. What stands behind it stays. Durable when this returns.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn begin_behind(&self, group: GroupId, at: Version) -> Result<(), PortError>;

    /// What opening the log had to leave out or doubt.
    fn report(&self) -> LogReport;
}

/// One record of the log: all of it or nothing. Its parts take effect in the order of the fields.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// The group.
    pub group: GroupId,
    /// Replaces the stored one.
    pub hard_state: Option<&'a HardState>,
    /// The group's log begins anew behind this position: every entry it holds is void.
    pub reset: Option<Version>,
    /// Entries that the log holds or held, said again in their places; they cut nothing.
    pub rewrites: &'a [Entry],
    /// Ascending without gaps; the first one cuts everything of the group at and above its index.
    pub entries: &'a [Entry],
}

/// What the log holds of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupLog {
    /// The newest hard state.
    pub hard_state: HardState,
    /// The (term, index) of the last released entry, or of the last reset; zero for a log that
    /// begins at its beginning.
    pub start: Version,
    /// The entries behind `start`, ascending; without gaps but for what is `damaged`.
    pub entries: Vec<Entry>,
    /// Entries that were there and cannot be read, ascending and apart; the last stretch may lie at
    /// the end.
    pub damaged: Vec<Stretch>,
    /// The newest hard state, and newer entries, may be lost with what is damaged.
    pub is_doubtful: bool,
}

/// What opening a log had to leave out or doubt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Bytes of acknowledged records that fail their checks.
    pub corrupt_bytes: u64,
    /// Bytes of a torn tail that was cut.
    pub uncertain_bytes: u64,
    /// Groups that miss entries, or whose newest hard state may be lost.
    pub affected: Vec<GroupId>,
    /// Each corrupt range: the object, the first byte and the one behind the last.
    pub ranges: Vec<(String, u64, u64)>,
}
