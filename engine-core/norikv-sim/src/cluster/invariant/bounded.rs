//! What waits for the workers of a node is bounded.

use norikv_types::NodeId;

use crate::cluster::Violation;

pub(crate) fn check(node: NodeId, waiting: usize) -> Result<(), Violation> {
    if waiting <= WAITING_MAX {
        return Ok(());
    }
    Err(Violation::Unbounded { node, waiting })
}

/// Tasks that may wait for the workers of a node.
const WAITING_MAX: usize = 4_096;
