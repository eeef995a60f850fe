//! The table that opens a segment: all groups as the log before it leaves them.
//!
//! Version u8 (1), then for each group in order: group u32 · hard state (term, vote, commit: u64
//! each) · start (term, index: u64 each) · last index u64. Little-endian.

use alloc::vec::Vec;

use nori_raft::HardState;
use norikv_types::{GroupId, LogIndex, Version};

use super::record::{
    put_hard_state, put_version, take_hard_state, take_u32, take_u64, take_version,
};

const VERSION: u8 = 1;

/// A group in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) group: GroupId,
    pub(super) hard_state: HardState,
    /// Entries at or below are not needed any more.
    pub(super) start: Version,
    /// The last entry.
    pub(super) last: LogIndex,
}

pub(super) fn encode(rows: impl Iterator<Item = Row>) -> Vec<u8> {
    let mut out = alloc::vec![VERSION];
    for row in rows {
        out.extend_from_slice(&row.group.0.to_le_bytes());
        put_hard_state(&mut out, &row.hard_state);
        put_version(&mut out, row.start);
        out.extend_from_slice(&row.last.0.to_le_bytes());
    }
    out
}

/// The rows of a table; `None` when the bytes are none, though the log vouched for them.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Row>> {
    let (&VERSION, mut rest) = bytes.split_first()? else {
        return None;
    };
    let mut rows = Vec::new();
    while !rest.is_empty() {
        rows.push(Row {
            group: GroupId(take_u32(&mut rest)?),
            hard_state: take_hard_state(&mut rest)?,
            start: take_version(&mut rest)?,
            last: LogIndex(take_u64(&mut rest)?),
        });
    }
    Some(rows)
}
