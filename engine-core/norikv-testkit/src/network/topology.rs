//! Cuts that make a shape: who still hears whom.

use alloc::vec::Vec;

use norikv_types::{NodeId, Prng};

use super::Network;
use super::faults::chance;

impl<T> Network<T> {
    /// Cuts one direction of one link.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.insert((from, to));
    }

    /// Cuts every link between nodes of different groups. A node in no group keeps all its links.
    pub fn partition(&mut self, groups: &[&[NodeId]]) {
        for (nth, group) in groups.iter().enumerate() {
            for (mth, other) in groups.iter().enumerate() {
                if nth != mth {
                    self.one_way(group, other);
                }
            }
        }
    }

    /// Cuts `node` off from all of `others`, both ways. It may be among them.
    pub fn isolate(&mut self, node: NodeId, others: &[NodeId]) {
        self.one_way(&[node], others);
        self.one_way(others, &[node]);
    }

    /// Cuts every way from a node of `from` to one of `to`; the ways back stay.
    pub fn one_way(&mut self, from: &[NodeId], to: &[NodeId]) {
        for one in from {
            for other in to {
                if one != other {
                    self.cut(*one, *other);
                }
            }
        }
    }

    /// Parts `nodes` into two halves that only `bridge` still hears, and that both hear it.
    pub fn bridge(&mut self, left: &[NodeId], bridge: NodeId, right: &[NodeId]) {
        let without = |side: &[NodeId]| -> Vec<NodeId> {
            side.iter().copied().filter(|id| *id != bridge).collect()
        };
        self.partition(&[&without(left), &without(right)]);
    }

    /// Cuts links among `nodes` both ways, so many in a million of those that are not needed to
    /// keep a way, however long, from each to each. Returns how many.
    pub fn partial_mesh(&mut self, nodes: &[NodeId], cut_ppm: u32, prng: &mut Prng) -> u32 {
        let mut order = nodes.to_vec();
        prng.shuffle(&mut order);
        let mut links = 0;
        for (nth, node) in order.iter().enumerate().skip(1) {
            // Each hangs on one before it: a tree, which stays.
            let kept = usize::try_from(prng.below(nth as u64)).unwrap_or(0);
            for (mth, other) in order.iter().enumerate().take(nth) {
                if mth != kept && chance(cut_ppm, prng) {
                    self.isolate(*node, &[*other]);
                    links += 1;
                }
            }
        }
        links
    }

    /// Mends every cut and stops all flapping. Clogged links stay clogged until their time.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.flaps.clear();
    }

    /// Whether a cut lets nothing pass from `from` to `to`.
    #[must_use]
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// The cut directions, in order.
    pub fn cuts(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.cuts.iter().copied()
    }
}
