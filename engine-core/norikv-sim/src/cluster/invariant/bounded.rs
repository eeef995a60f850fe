//! What waits for the workers of a node is bounded, and so is what is on its way between nodes.

use norikv_types::NodeId;

use crate::cluster::Violation;

pub(crate) fn check(node: NodeId, waiting: usize) -> Result<(), Violation> {
    if waiting <= WAITING_MAX {
        return Ok(());
    }
    Err(Violation::Unbounded { node, waiting })
}

/// Checks what is on its way when `node` has sent something.
pub(crate) fn check_network(node: NodeId, in_flight: usize) -> Result<(), Violation> {
    if in_flight <= IN_FLIGHT_MAX {
        return Ok(());
    }
    Err(Violation::TooManyMessages { node, in_flight })
}

/// Messages of all nodes that may be on their way at once.
const IN_FLIGHT_MAX: usize = 20_000;
/// Tasks that may wait for the workers of a node.
const WAITING_MAX: usize = 4_096;
