//! What all groups are, at one moment: opens each segment, and stands in the log now and then.
//!
//! Version u8 (2), flags u8 (1: groups that are not listed may have been written to), then for each
//! group in order: group u32 · hard state (term, vote, commit: u64 each) · start (term, index: u64
//! each) · last (term, index: u64 each; term 0: not known) · flags u8 (1: the hard state may be an
//! old one). Little-endian. Version 1 has no flags, and the last index without its term.

use alloc::vec::Vec;

use nori_raft::HardState;
use norikv_types::{GroupId, LogIndex, Term, Version};

use super::record::{
    put_hard_state, put_version, take_hard_state, take_u8, take_u32, take_u64, take_version,
};

const VERSION: u8 = 2;
const UNPROVEN: u8 = 1;

/// Groups at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// Damage may have taken what groups wrote that are not listed.
    pub(super) is_partial: bool,
}

/// A group in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) group: GroupId,
    pub(super) hard_state: HardState,
    /// Entries at or below are not needed any more.
    pub(super) start: Version,
    /// The last entry; term 0 where that is not known.
    pub(super) last: Version,
    /// Damage may have taken a newer hard state, and newer entries.
    pub(super) is_doubtful: bool,
}

pub(super) fn encode(rows: impl Iterator<Item = Row>, is_partial: bool) -> Vec<u8> {
    let mut out = alloc::vec![VERSION, u8::from(is_partial)];
    for row in rows {
        out.extend_from_slice(&row.group.0.to_le_bytes());
        put_hard_state(&mut out, &row.hard_state);
        put_version(&mut out, row.start);
        put_version(&mut out, row.last);
        out.push(u8::from(row.is_doubtful));
    }
    out
}

/// The table in `bytes`; `None` when there is none, though the log vouched for them.
pub(super) fn decode(bytes: &[u8]) -> Option<Table> {
    let mut rest = bytes;
    let version = take_u8(&mut rest)?;
    let flags = match version {
        1 => 0,
        VERSION => take_u8(&mut rest)?,
        _ => return None,
    };
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (group, hard_state) = (GroupId(take_u32(&mut rest)?), take_hard_state(&mut rest)?);
        let start = take_version(&mut rest)?;
        let (last, row_flags) = match version {
            1 => {
                let index = LogIndex(take_u64(&mut rest)?);
                (
                    Version {
                        term: Term(0),
                        index,
                    },
                    0,
                )
            }
            _ => (take_version(&mut rest)?, take_u8(&mut rest)?),
        };
        rows.push(Row {
            group,
            hard_state,
            start,
            last,
            is_doubtful: row_flags & UNPROVEN != 0,
        });
    }
    let is_partial = flags & UNPROVEN != 0;
    Some(Table { rows, is_partial })
}
