//! What is still to be told, piggybacked on whatever goes out (SWIM §4.1).
//!
//! **Invariant: of each member at most one statement waits, the newest, and it is sent at most the
//! retransmission bound of times.** Those sent least go first, among them the freshest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

use norikv_types::{Mutant, NodeId, breaks};

use crate::scale::log2_ceil;

/// The members whose record is news to somebody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gossip {
    rumours: BTreeMap<NodeId, Rumour>,
    order: BTreeSet<(u32, Reverse<u64>, NodeId)>,
    stamp: u64,
}

#[derive(Debug, Clone, Copy)]
struct Rumour {
    sent: u32,
    stamp: u64,
    /// Whose suspicion to pass on, for a suspect.
    accuser: Option<NodeId>,
}

/// How often a rumour is sent among `live` members: multiplier·⌈log₂(live + 1)⌉.
pub(crate) fn retransmissions(multiplier: u32, live: u32) -> u32 {
    multiplier.saturating_mul(log2_ceil(live).max(1))
}

impl Gossip {
    /// Queues what is now known of `node`, in place of what was queued before.
    pub(crate) fn spread(&mut self, node: NodeId, accuser: Option<NodeId>) {
        self.forget(node);
        self.stamp += 1;
        let rumour = Rumour {
            sent: 0,
            stamp: self.stamp,
            accuser,
        };
        self.rumours.insert(node, rumour);
        self.order.insert(rumour.key(node));
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        if let Some(rumour) = self.rumours.remove(&node) {
            self.order.remove(&rumour.key(node));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rumours.is_empty()
    }

    /// Offers the rumours in order of urgency to `fits`, which says whether the packet took one, until
    /// a few were refused: then the packet is as good as full, and there may be a thousand more. Those
    /// taken count as sent once more and are dropped at `bound`.
    pub(crate) fn take(
        &mut self,
        bound: u32,
        mut fits: impl FnMut(NodeId, Option<NodeId>) -> bool,
    ) {
        let mut taken = Vec::new();
        let mut refused = 0;
        for (_, _, node) in &self.order {
            let accuser = self.rumours.get(node).and_then(|rumour| rumour.accuser);
            if fits(*node, accuser) {
                taken.push(*node);
            } else {
                refused += 1;
                if refused == REFUSED_MAX {
                    break;
                }
            }
        }
        for node in taken {
            let Some(rumour) = self.rumours.get_mut(&node) else {
                continue;
            };
            self.order.remove(&rumour.key(node));
            rumour.sent += 1;
            if rumour.sent < bound && !breaks(Mutant::RumourSentOnce) {
                self.order.insert(rumour.key(node));
            } else {
                self.rumours.remove(&node);
            }
        }
        debug_assert_eq!(self.order.len(), self.rumours.len(), "one place a rumour");
    }
}

impl Rumour {
    const fn key(self, node: NodeId) -> (u32, Reverse<u64>, NodeId) {
        (self.sent, Reverse(self.stamp), node)
    }
}

/// Rumours that a packet may refuse before no further one is offered.
const REFUSED_MAX: u32 = 8;

#[cfg(test)]
mod tests;
