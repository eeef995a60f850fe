//! One record of the log: little-endian, no padding; the write-ahead log frames and checks it.
//!
//! | kind | body |
//! |---|---|
//! | 1 append, 2 rewrite | group u32 · term u64 · index u64 · payload kind u8 (0 no-op, 1 command, 2 configuration, 3 a command that a witness does not hold) · command or configuration |
//! | 3 hard state | group u32 · term u64 · vote u64 (0 none) · commit u64 |
//! | 4 reset, 5 release | group u32 · term u64 · index u64 |
//! | 6 state | u32 0 · a table of all groups |

use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft::{Configuration, Entry, HardState, Payload};
use norikv_types::{GroupId, LogIndex, NodeId, Term, Version};

use super::table::Table;

/// A record on its way into the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Record<'a> {
    /// The group's log ends with this entry.
    Append { group: GroupId, entry: &'a Entry },
    /// An entry that the group's log holds, said again.
    Rewrite { group: GroupId, entry: &'a Entry },
    /// Replaces the group's hard state.
    HardState {
        group: GroupId,
        hard_state: HardState,
    },
    /// The group's log begins anew behind `at`.
    Reset { group: GroupId, at: Version },
    /// Entries at or below are not needed any more.
    Release { group: GroupId, up_to: Version },
    /// What all groups are: an encoded table.
    State { table: &'a [u8] },
}

/// A record that was read back.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owned {
    Append {
        group: GroupId,
        entry: Entry,
    },
    Rewrite {
        group: GroupId,
        entry: Entry,
    },
    HardState {
        group: GroupId,
        hard_state: HardState,
    },
    Reset {
        group: GroupId,
        at: Version,
    },
    Release {
        group: GroupId,
        up_to: Version,
    },
    State {
        table: Table,
    },
}

const APPEND: u8 = 1;
const REWRITE: u8 = 2;
const HARD_STATE: u8 = 3;
const RESET: u8 = 4;
const RELEASE: u8 = 5;
const STATE: u8 = 6;
const NOOP: u8 = 0;
const COMMAND: u8 = 1;
const CONFIGURATION: u8 = 2;
const ELIDED: u8 = 3;

impl Record<'_> {
    pub(super) const fn group(&self) -> GroupId {
        match *self {
            Self::Append { group, .. }
            | Self::Rewrite { group, .. }
            | Self::HardState { group, .. }
            | Self::Reset { group, .. }
            | Self::Release { group, .. } => group,
            Self::State { .. } => GroupId(0),
        }
    }

    /// Appends the record's bytes to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, group) = match self {
            Self::Append { .. } => (APPEND, self.group()),
            Self::Rewrite { .. } => (REWRITE, self.group()),
            Self::HardState { .. } => (HARD_STATE, self.group()),
            Self::Reset { .. } => (RESET, self.group()),
            Self::Release { .. } => (RELEASE, self.group()),
            Self::State { .. } => (STATE, self.group()),
        };
        out.push(kind);
        out.extend_from_slice(&group.0.to_le_bytes());
        match self {
            Self::Append { entry, .. } | Self::Rewrite { entry, .. } => {
                put_version(out, entry.version());
                match &entry.payload {
                    Payload::Noop => out.push(NOOP),
                    Payload::Elided => out.push(ELIDED),
                    Payload::Command(command) => {
                        out.push(COMMAND);
                        out.extend_from_slice(command);
                    }
                    Payload::Configuration(configuration) => {
                        out.push(CONFIGURATION);
                        put_configuration(out, configuration);
                    }
                }
            }
            Self::HardState { hard_state, .. } => put_hard_state(out, hard_state),
            Self::Reset { at: version, .. } | Self::Release { up_to: version, .. } => {
                put_version(out, *version);
            }
            Self::State { table } => out.extend_from_slice(table),
        }
    }
}

impl Owned {
    /// Reads a record; `None` when the bytes are none, though the log vouched for them.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, mut rest) = bytes.split_first()?;
        let group = GroupId(take_u32(&mut rest)?);
        Some(match kind {
            APPEND => Self::Append {
                group,
                entry: take_entry(rest)?,
            },
            REWRITE => Self::Rewrite {
                group,
                entry: take_entry(rest)?,
            },
            HARD_STATE => Self::HardState {
                group,
                hard_state: take_hard_state(&mut rest)?,
            },
            RESET => Self::Reset {
                group,
                at: take_version(&mut rest)?,
            },
            RELEASE => Self::Release {
                group,
                up_to: take_version(&mut rest)?,
            },
            STATE => Self::State {
                table: super::table::decode(rest)?,
            },
            _ => return None,
        })
    }
}

/// Which group a record is of.
pub(super) fn group_of(bytes: &[u8]) -> Option<GroupId> {
    let (_, mut rest) = bytes.split_first()?;
    take_u32(&mut rest).map(GroupId)
}

fn take_entry(mut rest: &[u8]) -> Option<Entry> {
    let Version { term, index } = take_version(&mut rest)?;
    let (&kind, command) = rest.split_first()?;
    let payload = match kind {
        NOOP if command.is_empty() => Payload::Noop,
        ELIDED if command.is_empty() => Payload::Elided,
        COMMAND => Payload::Command(Bytes::copy_from_slice(command)),
        CONFIGURATION => Payload::Configuration(postcard::from_bytes(command).ok()?),
        _ => return None,
    };
    Some(Entry {
        term,
        index,
        payload,
    })
}

pub(super) fn put_version(out: &mut Vec<u8>, version: Version) {
    out.extend_from_slice(&version.term.0.to_le_bytes());
    out.extend_from_slice(&version.index.0.to_le_bytes());
}

pub(super) fn take_version(rest: &mut &[u8]) -> Option<Version> {
    Some(Version {
        term: Term(take_u64(rest)?),
        index: LogIndex(take_u64(rest)?),
    })
}

fn put_configuration(out: &mut Vec<u8>, configuration: &Configuration) {
    match postcard::to_extend(configuration, core::mem::take(out)) {
        Ok(bytes) => *out = bytes,
        Err(error) => unreachable!("a growing buffer takes every configuration: {error}"),
    }
}

pub(super) fn put_hard_state(out: &mut Vec<u8>, hard_state: &HardState) {
    out.extend_from_slice(&hard_state.term.0.to_le_bytes());
    out.extend_from_slice(&hard_state.voted_for.map_or(0, |node| node.0).to_le_bytes());
    out.extend_from_slice(&hard_state.commit_index.0.to_le_bytes());
}

pub(super) fn take_hard_state(rest: &mut &[u8]) -> Option<HardState> {
    let term = Term(take_u64(rest)?);
    let vote = take_u64(rest)?;
    let commit_index = LogIndex(take_u64(rest)?);
    Some(HardState {
        term,
        voted_for: (vote != 0).then_some(NodeId(vote)),
        commit_index,
    })
}

pub(super) fn take_u8(rest: &mut &[u8]) -> Option<u8> {
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(*byte)
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u32::from_le_bytes(*bytes))
}

pub(super) fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u64::from_le_bytes(*bytes))
}
