//! What the log is made of and what survives a restart.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{LogIndex, NodeId, Term, Version};
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::error::{Error, RestoredFault};

/// One position of the log (Raft §5.3). Equal (term, index) means equal payload on every replica,
/// but that witnesses have no commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Term of the leader that appended it.
    pub term: Term,
    /// Its position, 1 and up.
    pub index: LogIndex,
    /// What it says.
    pub payload: Payload,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: every leader opens its term with one, so that it may commit (dissertation §6.4).
    Noop,
    /// A command for the state machine; the bytes are the host's.
    Command(Bytes),
    /// The group's members from here on, in full. In force as soon as it stands in the log
    /// (dissertation §4.1); the state machine keeps the newest one that it applied.
    Configuration(Box<Configuration>),
    /// A command that a witness does not get.
    Elided,
}

/// What must survive a crash besides the log (Raft figure 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// Latest term this replica has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub voted_for: Option<NodeId>,
    /// A lower bound of what is committed, never above the durable log.
    pub commit_index: LogIndex,
}

/// The position that a snapshot of the state machine covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// Index of the last entry it covers; 0 for none.
    pub index: LogIndex,
    /// Term of that entry.
    pub term: Term,
}

/// Consecutive indexes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stretch {
    /// The first one.
    pub from: LogIndex,
    /// The last one.
    pub up_to: LogIndex,
}

/// What storage holds when a replica starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The newest durable hard state; the default when there is none.
    pub hard_state: HardState,
    /// The log starts after it; the state machine holds at least this.
    pub snapshot: SnapshotMeta,
    /// What the state machine holds, durably; entries above it are handed out again.
    pub applied: LogIndex,
    /// The newest configuration that the state machine has applied; `None`: none yet, and
    /// [`Config::founders`](crate::Config::founders) are in force until the log has one.
    pub configuration: Option<Configuration>,
    /// The durable log after `snapshot`, but for what is `damaged`.
    pub entries: Vec<Entry>,
    /// Entries that were in the log and cannot be read, ascending and apart. The last stretch may
    /// lie at the log's end: then it says how far the log reached.
    pub damaged: Vec<Stretch>,
    /// The newest term or vote may be lost: the replica has forgotten what it promised. It takes no
    /// part in anything until its group gives it a new life.
    pub amnesia: bool,
    /// Nothing was ever stored here: the replica has promised nothing and may vote at once. A
    /// replica with a past grants no vote for one full election timeout, since it has forgotten
    /// whose lease it supports.
    pub fresh: bool,
}

impl Entry {
    /// Where it stands.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version {
            term: self.term,
            index: self.index,
        }
    }

    /// What it counts against limits: the command and a fixed 16 bytes for term and index.
    #[must_use]
    pub fn size(&self) -> u64 {
        Self::OVERHEAD + self.payload.size()
    }

    /// What an entry without a command counts against limits.
    pub(crate) const OVERHEAD: u64 = 16;

    /// What a witness gets of it: everything but the command.
    pub(crate) fn for_witness(&self) -> Self {
        Self {
            payload: match &self.payload {
                Payload::Command(_) => Payload::Elided,
                payload => payload.clone(),
            },
            ..*self
        }
    }
}

impl Payload {
    /// Bytes of the command.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Noop | Self::Configuration(_) | Self::Elided => 0,
            Self::Command(command) => command.len() as u64,
        }
    }
}

impl SnapshotMeta {
    /// The position it covers.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version {
            term: self.term,
            index: self.index,
        }
    }
}

impl Restored {
    /// A replica that starts for the first time.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            hard_state: HardState::default(),
            snapshot: SnapshotMeta::default(),
            applied: LogIndex(0),
            configuration: None,
            entries: Vec::new(),
            damaged: Vec::new(),
            amnesia: false,
            fresh: true,
        }
    }

    /// Index of the last entry that can be read, or of the snapshot.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.entries
            .last()
            .map_or(self.snapshot.index, |entry| entry.index)
    }

    /// Checks that this machine can have written it.
    ///
    /// # Errors
    /// [`Error::Restored`] names the first fault.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |index, fault| Err(Error::Restored { index, fault });
        let mut last = self.snapshot.version();
        let mut damaged = self.damaged.iter().peekable();
        for entry in &self.entries {
            if let Some(stretch) = damaged.next_if(|stretch| stretch.from == last.index.next())
                && stretch.from <= stretch.up_to
            {
                last.index = stretch.up_to;
            }
            if entry.index != last.index.next() {
                return fail(entry.index, RestoredFault::Gap);
            }
            if entry.term < last.term {
                return fail(entry.index, RestoredFault::TermOrder);
            }
            last = entry.version();
        }
        let mut reached = last.index;
        if let Some(stretch) = damaged.next() {
            if stretch.from != last.index.next() || stretch.from > stretch.up_to {
                return fail(stretch.from, RestoredFault::Gap);
            }
            reached = stretch.up_to;
        }
        if damaged.next().is_some() {
            return fail(reached, RestoredFault::Gap);
        }
        let HardState {
            term,
            voted_for,
            commit_index,
        } = self.hard_state;
        if last.term > term && !self.entries.is_empty() {
            return fail(last.index, RestoredFault::TermBeyondHardState);
        }
        if commit_index > reached {
            return fail(commit_index, RestoredFault::CommitBeyondLog);
        }
        if self.applied > last.index {
            return fail(self.applied, RestoredFault::AppliedBeyondLog);
        }
        if self.applied < self.snapshot.index {
            return fail(self.applied, RestoredFault::AppliedBelowSnapshot);
        }
        if voted_for == Some(NodeId(0)) {
            return fail(last.index, RestoredFault::VotedForNobody);
        }
        if self.fresh && (term.0 > 0 || last.index.0 > 0 || self.configuration.is_some()) {
            return fail(last.index, RestoredFault::FreshWithHistory);
        }
        Ok(())
    }
}
