//! A node's term never goes back, and in a term it votes for one candidate only (Raft §5.2).

use nori_raft::HardState;
use norikv_types::{GroupId, NodeId};

use crate::cluster::Violation;

pub(super) fn check(
    node: NodeId,
    group: GroupId,
    before: &HardState,
    after: &HardState,
) -> Result<(), Violation> {
    let kept = before.voted_for.is_none() || before.voted_for == after.voted_for;
    if after.term > before.term || (after.term == before.term && kept) {
        return Ok(());
    }
    Err(Violation::HardStateWentBack {
        node,
        group,
        before: (before.term, before.voted_for),
        after: (after.term, after.voted_for),
    })
}
