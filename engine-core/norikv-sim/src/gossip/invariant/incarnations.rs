//! **Incarnations only grow: a member's own within a life, and what each observer tells of each other
//! moves up in (incarnation, state), within a life of the observer** (SWIM §4.2).

use nori_swim::{Incarnation, MemberState};
use norikv_types::NodeId;

use crate::gossip::GossipViolation;

/// What `observer` tells of `subject` now, after it told `before`.
pub(in crate::gossip) fn told(
    observer: NodeId,
    subject: NodeId,
    before: Option<(Incarnation, MemberState)>,
    after: (Incarnation, MemberState),
) -> Result<(), GossipViolation> {
    match before {
        Some(before) if after <= before => Err(GossipViolation::WentBack {
            observer,
            subject,
            before,
            after,
        }),
        _ => Ok(()),
    }
}

/// A member's own incarnation after an input.
pub(in crate::gossip) fn own(
    node: NodeId,
    before: Incarnation,
    after: Incarnation,
) -> Result<(), GossipViolation> {
    match after >= before {
        true => Ok(()),
        false => Err(GossipViolation::IncarnationFell {
            node,
            before,
            after,
        }),
    }
}
