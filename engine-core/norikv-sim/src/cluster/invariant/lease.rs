//! While a lease holds nobody else leads, whatever clocks do within their bound (dissertation §6.4.1).

use core::time::Duration;

use norikv_types::{GroupId, NodeId, Term};

use crate::cluster::Violation;

/// A leader's lease, as its own clock sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) holder: NodeId,
    /// The term in which it was taken.
    pub(crate) term: Term,
    /// How long it still holds.
    pub(crate) left: Duration,
}

/// Checks the leases on a group that are older than its newest leader.
pub(crate) fn check(
    group: GroupId,
    mut older: impl Iterator<Item = Lease>,
) -> Result<(), Violation> {
    match older.find(|lease| !lease.left.is_zero()) {
        Some(lease) => Err(Violation::LeaseOverlaps {
            group,
            holder: lease.holder,
            older: lease.term,
        }),
        None => Ok(()),
    }
}
