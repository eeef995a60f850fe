use super::*;

fn nodes(count: u64) -> BTreeSet<NodeId> {
    (1..=count).map(NodeId).collect()
}

fn loads(plan: &[Vec<NodeId>], count: u64) -> (u32, u32, u32) {
    let mut held: BTreeMap<NodeId, u32> = nodes(count).into_iter().map(|node| (node, 0)).collect();
    let mut led = held.clone();
    for replicas in plan {
        for node in replicas {
            *held.get_mut(node).unwrap() += 1;
        }
        *led.get_mut(&replicas[0]).unwrap() += 1;
    }
    let (least, most) = (held.values().min().unwrap(), held.values().max().unwrap());
    (*least, *most, *led.values().max().unwrap())
}

#[test]
fn replicas_are_distinct_and_loads_differ_by_one_at_most() {
    for groups in [1, 2, 8, 64, 256] {
        for count in 1..=24 {
            for replication in 1..=5 {
                let plan = plan(&nodes(count), groups, replication);
                let wanted = u64::from(replication).min(count);
                for replicas in &plan {
                    let distinct: BTreeSet<_> = replicas.iter().collect();
                    assert_eq!(
                        (distinct.len() as u64, replicas.len() as u64),
                        (wanted, wanted)
                    );
                }
                let (least, most, led) = loads(&plan, count);
                assert!(
                    most - least <= 1,
                    "{groups} groups, {count} nodes, x{replication}"
                );
                assert!(u64::from(led) <= u64::from(groups).div_ceil(count));
            }
        }
    }
}

#[test]
fn a_new_highest_node_takes_its_share_and_nothing_else_moves() {
    for groups in [8, 64, 1_024] {
        for count in 3..12_u64 {
            let (before, after) = (
                plan(&nodes(count), groups, 3),
                plan(&nodes(count + 1), groups, 3),
            );
            let newcomer = NodeId(count + 1);
            let mut moved = 0;
            for (old, new) in before.iter().zip(&after) {
                let gained: Vec<_> = new.iter().filter(|node| !old.contains(node)).collect();
                assert!(gained.iter().all(|node| **node == newcomer));
                moved += gained.len() as u64;
            }
            assert_eq!(moved, u64::from(groups) * 3 / (count + 1));
        }
    }
}

#[test]
fn eight_groups_on_three_nodes_lead_three_three_two() {
    let plan = plan(&nodes(3), 8, 3);
    let leaders: Vec<u64> = plan.iter().map(|replicas| replicas[0].0).collect();
    assert_eq!(leaders, [1, 2, 3, 1, 2, 3, 1, 2]);
}
