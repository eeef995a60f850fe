//! What a page does: kill, restart, partition, heal, write, look.

use core::time::Duration;

use norikv_node::{Answer, MemberState};
use norikv_sim::{Happened, SimConfig, Simulation, View};
use norikv_types::NodeId;

fn world(nodes: u32) -> Simulation {
    let mut world = Simulation::new(SimConfig::calm(11, nodes));
    run_for(&mut world, 2_000);
    world
}

fn run_for(world: &mut Simulation, millis: u64) {
    let until = world.now() + Duration::from_millis(millis);
    world.run_until(until);
    assert_eq!(world.violation(), None);
}

/// The nodes that lead groups, each as often as it does.
fn leaders(view: &View) -> Vec<NodeId> {
    view.nodes
        .iter()
        .filter_map(|node| node.status.as_ref())
        .flat_map(|status| {
            let own = |group: &&norikv_node::GroupStatus| group.leader == Some(status.node);
            let count = status.groups.iter().filter(own).count();
            std::iter::repeat_n(status.node, count)
        })
        .collect()
}

fn visitors(view: &View) -> Vec<bool> {
    view.events
        .iter()
        .filter_map(|event| match &event.what {
            Happened::Visitor { result, .. } => Some(matches!(result, Ok(Answer::Written { .. }))),
            _ => None,
        })
        .collect()
}

#[test]
fn every_group_gets_a_leader_and_a_write_of_a_visitor_is_acknowledged() {
    let mut world = world(5);
    let view = world.view();
    assert_eq!(leaders(&view).len(), 8);
    assert!(view.nodes.iter().all(|node| node.alive));
    world.put(b"hello", b"world");
    run_for(&mut world, 500);
    assert_eq!(visitors(&world.view()), [true]);
}

#[test]
fn a_killed_leader_is_replaced_and_found_faulty_and_comes_back() {
    let mut world = world(5);
    let victim = leaders(&world.view())[0];
    world.kill(victim);
    run_for(&mut world, 15_000);
    let view = world.view();
    assert_eq!(leaders(&view).len(), 8, "every group has a leader again");
    assert!(!leaders(&view).contains(&victim));
    let states = |view: &View| -> Vec<MemberState> {
        view.nodes
            .iter()
            .filter_map(|node| node.status.as_ref())
            .filter(|status| status.node != victim)
            .flat_map(|status| &status.members)
            .filter(|member| member.node == victim)
            .map(|member| member.state)
            .collect()
    };
    assert_eq!(states(&view), [MemberState::Faulty; 4]);
    world.restart(victim);
    run_for(&mut world, 10_000);
    assert_eq!(states(&world.view()), [MemberState::Alive; 4]);
}

#[test]
fn a_minority_serves_nothing_and_after_healing_everything_is_served_again() {
    let mut world = world(3);
    world.partition(&[&[NodeId(1)], &[NodeId(2), NodeId(3)]]);
    run_for(&mut world, 3_000);
    let view = world.view();
    assert_eq!(view.cuts.len(), 4);
    let ready = |view: &View, node: usize| {
        view.nodes[node]
            .status
            .as_ref()
            .is_some_and(|status| status.ready)
    };
    assert!(!ready(&view, 0), "a minority is not ready");
    assert!(ready(&view, 1) && ready(&view, 2));
    world.heal();
    run_for(&mut world, 3_000);
    let view = world.view();
    assert!(view.cuts.is_empty());
    assert!((0..3).all(|node| ready(&view, node)));
}

#[test]
fn messages_in_flight_name_their_lane_and_kind_and_arrive_later_than_sent() {
    let mut world = world(3);
    let mut kinds = std::collections::BTreeSet::new();
    for nth in 0..2_000_u32 {
        if nth % 100 == 0 {
            world.put(&nth.to_le_bytes(), b"value");
        }
        world.step();
        for message in world.view().messages {
            assert!(message.arrives > message.sent);
            kinds.insert((message.lane, message.kind));
        }
    }
    for expected in [
        ("control", "heartbeat"),
        ("append", "append"),
        ("control", "append reply"),
        ("swim", "packet"),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} in {kinds:?}");
    }
    assert!(
        !kinds.iter().any(|(_, kind)| *kind == "unreadable"),
        "{kinds:?}"
    );
}

#[test]
fn all_power_is_cut_at_once_and_what_was_acknowledged_is_there_again() {
    let mut world = world(3);
    for nth in 0..50_u32 {
        world.put(format!("key-{nth}").as_bytes(), &[7; 100]);
    }
    run_for(&mut world, 1_000);
    let acknowledged = visitors(&world.view());
    assert_eq!(acknowledged, vec![true; 50]);
    for node in 1..=3 {
        world.cut_power(NodeId(node));
    }
    for node in 1..=3 {
        world.restart(NodeId(node));
    }
    run_for(&mut world, 3_000);
    let view = world.view();
    let applied = |node: &norikv_sim::NodeView| -> u64 {
        let status = node.status.as_ref().expect("it runs");
        let replicas = status
            .groups
            .iter()
            .filter_map(|group| group.replica.as_ref());
        replicas.map(|replica| replica.applied_index.0).sum()
    };
    for node in &view.nodes {
        assert!(applied(node) >= 50, "{node:?}");
    }
}
