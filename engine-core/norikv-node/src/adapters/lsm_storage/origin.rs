//! How a replica began, kept beside the groups.
//!
//! **Invariant: these records are this node's own**: they lie outside every group's ranges, so no
//! snapshot carries or replaces them. Key `00 ‖ group u32` big-endian, value `01` and one byte: 1 for
//! cleared, 2 for invited. No record: as the plan says.

use core::ops::Range;

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::GroupId;

use crate::{Origin, PortError, PortErrorKind};

/// The record of `group`.
pub(super) fn origin_key(group: GroupId) -> Bytes {
    let mut bytes = Vec::with_capacity(5);
    bytes.push(OWN);
    bytes.extend_from_slice(&group.0.to_be_bytes());
    bytes.into()
}

/// The record of `group` and nothing else.
pub(super) fn origin_range(group: GroupId) -> Range<Bytes> {
    let start = origin_key(group);
    let mut end = start.to_vec();
    end.push(0);
    start..end.into()
}

pub(super) fn encode(origin: Origin) -> Option<Bytes> {
    match origin {
        Origin::Plan => None,
        Origin::Cleared => Some(Bytes::from_static(&[FORMAT, CLEARED])),
        Origin::Invited => Some(Bytes::from_static(&[FORMAT, INVITED])),
    }
}

/// # Errors
/// `Corrupt` when it is no such record.
pub(super) fn decode(group: GroupId, stored: Option<&[u8]>) -> Result<Origin, PortError> {
    match stored {
        None => Ok(Origin::Plan),
        Some([FORMAT, CLEARED]) => Ok(Origin::Cleared),
        Some([FORMAT, INVITED]) => Ok(Origin::Invited),
        Some(other) => Err(PortError::new(
            PortErrorKind::Corrupt,
            format!("{other:02x?} does not say how the replica of {group} began"),
        )),
    }
}

const OWN: u8 = 0;
const FORMAT: u8 = 1;
const CLEARED: u8 = 1;
const INVITED: u8 = 2;
