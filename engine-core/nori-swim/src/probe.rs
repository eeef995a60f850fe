//! Whom to probe next, and the probe that is under way.
//!
//! **Invariant: between two probes of a member every other live member is probed at most twice**, so
//! a failure is noticed within 2n − 1 periods (SWIM §4.3: round-robin over a shuffled list).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use norikv_types::{Mono, NodeId, Prng};

use crate::Incarnation;
use crate::MemberState;
use crate::table::Table;

/// The failure detector's own state (SWIM §3.1).
#[derive(Debug, Clone)]
pub(crate) struct Prober {
    order: Vec<NodeId>,
    /// The next in `order`.
    cursor: usize,
    pub(crate) current: Option<Probe>,
    /// When the protocol period ends and the probe is judged.
    pub(crate) period_end: Mono,
}

/// One probe, from the ping to the end of its period.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) target: NodeId,
    /// What was known of the target when it was asked; a later incarnation proves that it lives.
    pub(crate) incarnation: Incarnation,
    pub(crate) sequence: u32,
    /// When others are asked; `None` once they are.
    pub(crate) direct_until: Option<Mono>,
    /// Who was asked to probe.
    pub(crate) asked: BTreeSet<NodeId>,
    /// Who of them answered that it got no answer.
    pub(crate) nacked: BTreeSet<NodeId>,
}

impl Prober {
    pub(crate) const fn new(period_end: Mono) -> Self {
        Self {
            order: Vec::new(),
            cursor: 0,
            current: None,
            period_end,
        }
    }

    /// Takes in a new member, at a random position of what is left of this round (SWIM §4.3).
    pub(crate) fn insert(&mut self, node: NodeId, prng: &mut Prng) {
        if self.order.contains(&node) {
            return;
        }
        let left = self.order.len() - self.cursor;
        let offset = usize::try_from(prng.below(left as u64 + 1)).unwrap_or(0);
        self.order.insert(self.cursor + offset, node);
    }

    /// The next live member; shuffles anew at the end of a round.
    pub(crate) fn next(&mut self, table: &Table, prng: &mut Prng) -> Option<NodeId> {
        for _ in 0..2 {
            while let Some(node) = self.order.get(self.cursor).copied() {
                self.cursor += 1;
                if table.get(node).is_some_and(|member| member.state.is_live()) {
                    return Some(node);
                }
            }
            self.order = table.others(MemberState::is_live);
            prng.shuffle(&mut self.order);
            self.cursor = 0;
        }
        None
    }
}

impl Probe {
    /// Whether `node` may answer for the target.
    pub(crate) fn accepts(&self, node: NodeId, sequence: u32) -> bool {
        sequence == self.sequence && (node == self.target || self.asked.contains(&node))
    }

    /// Points of ill health that its failure gives: a point for each nack that did not come, since
    /// the fault may then be here; one where nobody could be asked (Lifeguard §III).
    pub(crate) fn blame(&self) -> u32 {
        if self.asked.is_empty() {
            return 1;
        }
        u32::try_from(self.asked.len() - self.nacked.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
