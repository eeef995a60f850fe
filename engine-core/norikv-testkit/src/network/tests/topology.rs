//! Shapes made of cuts.

use super::*;

fn nodes(count: u64) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

fn network() -> Network<u32> {
    Network::new(LinkFaults::default(), Prng::new(0))
}

#[test]
fn an_isolated_node_hears_nobody_and_the_rest_hear_each_other() {
    let mut network = network();
    network.isolate(A, &nodes(4));
    assert_eq!(network.cuts().count(), 6);
    assert!(network.cuts().all(|(from, to)| (from == A) != (to == A)));
}

#[test]
fn a_one_way_cut_leaves_every_way_back() {
    let mut network = network();
    network.one_way(&[A, B], &[B, C]);
    let cuts: Vec<_> = network.cuts().collect();
    assert_eq!(cuts, [(A, B), (A, C), (B, C)]);
}

#[test]
fn only_the_bridge_hears_both_halves() {
    let mut network = network();
    let ids = nodes(5);
    network.bridge(&ids[..3], C, &ids[2..]);
    assert_eq!(network.cuts().count(), 8);
    assert!(network.cuts().all(|(from, to)| from != C && to != C));
    assert!(network.is_cut(A, NodeId(4)) && !network.is_cut(A, B));
}

#[test]
fn a_partial_mesh_still_has_a_way_from_each_to_each() {
    for seed in 0..100 {
        let mut network = network();
        let ids = nodes(7);
        let cut = network.partial_mesh(&ids, 700_000, &mut Prng::new(seed));
        assert_eq!(network.cuts().count() as u64, u64::from(cut) * 2);
        assert!(cut > 0 && cut <= 21 - 6, "seed {seed}: {cut}");
        let mut reached = ids[..1].to_vec();
        let mut looked = 0;
        while let Some(from) = reached.get(looked).copied() {
            looked += 1;
            for to in &ids {
                let both = !network.is_cut(from, *to) && !network.is_cut(*to, from);
                if both && !reached.contains(to) {
                    reached.push(*to);
                }
            }
        }
        assert_eq!(reached.len(), ids.len(), "seed {seed}");
    }
}

#[test]
fn a_full_cut_of_a_mesh_leaves_a_tree() {
    let mut network = network();
    let cut = network.partial_mesh(&nodes(6), 1_000_000, &mut Prng::new(1));
    assert_eq!(cut, 15 - 5);
}
