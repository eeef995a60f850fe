//! A write is acknowledged only when a majority of its group holds it durably.

use norikv_types::{GroupId, Version};

use super::recovered::Replica;
use crate::cluster::Violation;

pub(super) fn check<'a>(
    group: GroupId,
    voters: usize,
    logs: impl Iterator<Item = &'a Replica>,
    version: Version,
) -> Result<(), Violation> {
    let copies = logs.filter(|replica| replica.holds(version)).count();
    if copies > voters / 2 {
        return Ok(());
    }
    Err(Violation::AcknowledgedTooEarly {
        group,
        version,
        copies: u32::try_from(copies).unwrap_or(u32::MAX),
    })
}
