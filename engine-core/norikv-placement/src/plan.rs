//! The replica plan: which nodes hold a copy of each group, and who should lead it.
//!
//! **Invariant: a plan over the nodes n₁ < n₂ < … < nₖ is the plan over the first k − 1 of them in
//! which nₖ took ⌊replicas / k⌋ replicas from the fullest nodes.** So loads differ by at most one,
//! and a node with a new highest id moves the fewest replicas that balance allows.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use norikv_types::{GroupId, NodeId};
use xxhash_rust::xxh64::xxh64;

/// For each group its replicas, the preferred leader first, the others ascending.
///
/// `nodes` is not empty, `replication` at least 1; fewer nodes than that hold a replica each.
pub(crate) fn plan(nodes: &BTreeSet<NodeId>, groups: u32, replication: u32) -> Vec<Vec<NodeId>> {
    let first = usize::try_from(replication).unwrap_or(usize::MAX);
    let founders: BTreeSet<NodeId> = nodes.iter().copied().take(first).collect();
    let mut replicas: Vec<BTreeSet<NodeId>> = (0..groups).map(|_| founders.clone()).collect();
    let mut load: BTreeMap<NodeId, u32> = founders.iter().map(|node| (*node, groups)).collect();

    for node in nodes.iter().copied().skip(first) {
        join(&mut replicas, &mut load, node);
    }
    lead(&replicas, load.len())
}

/// Gives `node` its fair share of the replicas.
fn join(replicas: &mut [BTreeSet<NodeId>], load: &mut BTreeMap<NodeId, u32>, node: NodeId) {
    let total: u32 = load.values().sum();
    let share = total / u32::try_from(load.len() + 1).unwrap_or(u32::MAX);
    for _ in 0..share {
        // While `node` is below its share, the fullest donor is above it, so the donor has a group
        // that `node` does not have yet.
        let Some((&donor, _)) = load
            .iter()
            .max_by_key(|(id, held)| (**held, core::cmp::Reverse(**id)))
        else {
            unreachable!("the founders hold replicas");
        };
        let taken = (0_u32..)
            .zip(replicas.iter_mut())
            .filter(|(_, held)| held.contains(&donor) && !held.contains(&node))
            .max_by_key(|(group, _)| affinity(GroupId(*group), node));
        let Some((_, held)) = taken else {
            unreachable!("a fuller donor has a group of its own");
        };
        held.remove(&donor);
        held.insert(node);
        *load.entry(donor).or_default() -= 1;
        *load.entry(node).or_default() += 1;
    }
    load.entry(node).or_default();
}

/// How much `node` wants `group`; spreads what a newcomer takes.
fn affinity(group: GroupId, node: NodeId) -> u64 {
    xxh64(&node.0.to_le_bytes(), u64::from(group.0))
}

/// Puts a leader at the head of each group, at most ⌈groups / nodes⌉ for any node.
///
/// Such a choice exists: any set of s groups has s·r replicas, spread over nodes that hold at most
/// ⌈groups·r / nodes⌉ ≤ r·⌈groups / nodes⌉ each (Hall). Augmenting paths find it.
fn lead(replicas: &[BTreeSet<NodeId>], nodes: usize) -> Vec<Vec<NodeId>> {
    let cap = replicas.len().div_ceil(nodes);
    let mut led: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for group in 0..replicas.len() {
        let placed = augment(replicas, group, cap, &mut led, &mut BTreeSet::new());
        assert!(placed, "group {group} finds a leader under the cap");
    }
    let mut ordered: Vec<Vec<NodeId>> = replicas
        .iter()
        .map(|held| held.iter().copied().collect())
        .collect();
    for (leader, groups) in led {
        for group in groups {
            if let Some(held) = ordered.get_mut(group) {
                held.retain(|node| *node != leader);
                held.insert(0, leader);
            }
        }
    }
    ordered
}

/// Finds `group` a leader, moving others' leaderships along if it must (Kuhn's algorithm).
fn augment(
    replicas: &[BTreeSet<NodeId>],
    group: usize,
    cap: usize,
    led: &mut BTreeMap<NodeId, Vec<usize>>,
    tried: &mut BTreeSet<NodeId>,
) -> bool {
    let Some(held) = replicas.get(group) else {
        return false;
    };
    let count = |led: &BTreeMap<NodeId, Vec<usize>>, node| led.get(&node).map_or(0, Vec::len);
    let emptiest = held
        .iter()
        .copied()
        .min_by_key(|node| (count(led, *node), *node));
    if let Some(node) = emptiest.filter(|node| count(led, *node) < cap) {
        led.entry(node).or_default().push(group);
        return true;
    }
    for node in held.iter().copied() {
        if !tried.insert(node) {
            continue;
        }
        for slot in 0..count(led, node) {
            let Some(other) = led.get(&node).and_then(|groups| groups.get(slot)).copied() else {
                break;
            };
            if augment(replicas, other, cap, led, tried) {
                if let Some(slot) = led.get_mut(&node).and_then(|groups| groups.get_mut(slot)) {
                    *slot = group;
                }
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
