//! Properties of placement over random clusters.

use std::collections::BTreeSet;

use norikv_placement::{Error, Placement, SHARD_COUNT, shard_of};
use norikv_types::{NodeId, ShardId};
use proptest::prelude::*;

proptest! {
    #[test]
    fn the_order_of_the_nodes_does_not_matter(
        ids in proptest::collection::btree_set(1_u64.., 1..20),
        power in 0_u32..=7,
        replication in 1_u32..6,
        rotate in 0_usize..20,
    ) {
        let sorted: Vec<NodeId> = ids.into_iter().map(NodeId).collect();
        let mut rotated = sorted.clone();
        rotated.rotate_left(rotate % sorted.len());
        let groups = 1 << power;
        let placement = Placement::new(&sorted, groups, replication).unwrap();
        prop_assert_eq!(&placement, &Placement::new(&rotated, groups, replication).unwrap());

        let least = placement.groups_of(sorted[0]).count();
        for node in &sorted {
            prop_assert!(placement.groups_of(*node).count().abs_diff(least) <= 1);
        }
    }

    #[test]
    fn every_key_has_one_group_whose_shards_contain_it(key: Vec<u8>, power in 0_u32..=10) {
        let placement = Placement::new(&[NodeId(1)], 1 << power, 3).unwrap();
        let shard = shard_of(&key);
        let owners: Vec<_> = placement
            .groups()
            .filter(|group| placement.shards(*group).contains(&shard))
            .collect();
        prop_assert_eq!(owners, [placement.group_of(shard)]);
    }
}

#[test]
fn groups_tile_the_shards_without_gap_or_overlap() {
    for power in 0..=10 {
        let placement = Placement::new(&[NodeId(1)], 1 << power, 1).unwrap();
        let mut next = ShardId(0);
        for group in placement.groups() {
            let shards = placement.shards(group);
            assert_eq!(shards.start, next);
            next = shards.end;
        }
        assert_eq!(next, ShardId(SHARD_COUNT));
    }
}

#[test]
fn fewer_nodes_than_replicas_each_hold_everything() {
    let placement = Placement::new(&[NodeId(5), NodeId(2)], 8, 3).unwrap();
    for group in placement.groups() {
        let held: BTreeSet<_> = placement.replicas(group).iter().copied().collect();
        assert_eq!(held, BTreeSet::from([NodeId(2), NodeId(5)]));
        assert_eq!(
            placement.preferred_leader(group),
            placement.replicas(group)[0]
        );
    }
}

#[test]
fn impossible_plans_are_refused_by_name() {
    let one = [NodeId(1)];
    assert_eq!(Placement::new(&[], 8, 3), Err(Error::NoNodes));
    assert_eq!(
        Placement::new(&[NodeId(1), NodeId(1)], 8, 3),
        Err(Error::DuplicateNode(NodeId(1)))
    );
    for groups in [0, 3, 1_000, 2_048] {
        assert_eq!(
            Placement::new(&one, groups, 3),
            Err(Error::GroupCount(groups))
        );
    }
    assert_eq!(Placement::new(&one, 8, 0), Err(Error::NoReplication));
}
