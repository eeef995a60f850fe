//! A write is acknowledged only when those who decide in its group hold it durably: a majority of a
//! configuration in force, of both halves of a joint one.

use nori_raft::Configuration;
use norikv_types::{GroupId, NodeId, Version};

use super::configuration::decides;
use crate::cluster::Violation;

/// Checks that one of the `configurations` in force decides by who `holds` the write.
pub(super) fn check<'a>(
    group: GroupId,
    mut configurations: impl Iterator<Item = &'a Configuration>,
    holds: impl Fn(NodeId) -> bool,
    version: Version,
) -> Result<(), Violation> {
    if configurations.any(|own| decides(own, &holds)) {
        return Ok(());
    }
    Err(Violation::AcknowledgedTooEarly { group, version })
}
