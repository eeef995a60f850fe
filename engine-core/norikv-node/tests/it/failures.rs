use std::time::Duration;

use norikv_node::{Consistency, Event, Expect, Input, MemberState, PortError, PortErrorKind};
use norikv_types::{Applied, ErrorKind, NodeId};

use crate::cluster::{Cluster, HELLO, put, put_if, written};

fn other_than(node: NodeId) -> NodeId {
    NodeId(node.0 % 3 + 1)
}

#[test]
fn when_the_leader_dies_another_one_takes_over_and_nothing_is_lost() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        cluster.put(NodeId(1), "hello", "before");
        let leader = cluster.leader(HELLO).unwrap();
        cluster.kill(leader);
        let at = other_than(leader);
        assert_eq!(
            cluster.get(at, "hello", Consistency::Linearizable),
            Some("before".into())
        );
        cluster.put(at, "hello", "after");
        cluster.start(leader);
        cluster.until_ready();
        assert_eq!(
            cluster.get(leader, "hello", Consistency::Linearizable),
            Some("after".into())
        );
    }
}

#[test]
fn a_call_made_while_there_is_no_leader_waits_for_one() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    let leader = cluster.leader(HELLO).unwrap();
    let at = other_than(leader);
    cluster.kill(leader);
    // A write on its way to the dead leader would be unknown; this one comes after the news.
    cluster.run_for(Duration::from_millis(10));
    let started = cluster.now;
    let request = cluster.begin(at, put("hello", "v"), Duration::from_secs(5));
    written(cluster.finish(request));
    let waited = cluster.now.since(started);
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[test]
fn a_named_write_on_its_way_to_a_leader_that_fell_silent_goes_to_the_next_one() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let leader = cluster.leader(HELLO).unwrap();
        let at = other_than(leader);
        // No connection breaks: only the election tells.
        cluster.partition(&[leader]);
        let started = cluster.now;
        let call = put_if("hello", "v", Expect::Any, Some("name"));
        let request = cluster.begin(at, call, Duration::from_secs(20));
        written(cluster.finish(request));
        let waited = cluster.now.since(started);
        assert!(waited < Duration::from_secs(2), "{waited:?}");
    }
}

#[test]
fn a_minority_is_not_ready_and_says_that_it_did_not_write() {
    let mut cluster = Cluster::new(3, 2);
    cluster.until_ready();
    let alone = NodeId(1);
    cluster.partition(&[alone]);
    cluster.run_until(Duration::from_secs(3), "loss of readiness", |cluster| {
        !cluster.node(alone).ready()
    });
    cluster.run_for(Duration::from_secs(1));
    assert!((2..=3).all(|id| cluster.node(NodeId(id)).ready()));
    let request = cluster.begin(alone, put("hello", "lost"), Duration::from_secs(1));
    let failure = cluster.finish(request).unwrap_err();
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::NoLeader, Applied::No)
    );
    cluster.put(NodeId(2), "hello", "kept");
    cluster.heal();
    cluster.until_ready();
    assert_eq!(
        cluster.get(alone, "hello", Consistency::Linearizable),
        Some("kept".into())
    );
}

#[test]
fn a_write_in_flight_at_its_deadline_is_reported_as_unknown() {
    let mut cluster = Cluster::new(3, 3);
    cluster.until_ready();
    let leader = cluster.leader(HELLO).unwrap();
    cluster.partition(&[leader]);
    let started = cluster.now;
    let request = cluster.begin(leader, put("hello", "v"), Duration::from_millis(100));
    let failure = cluster.finish(request).unwrap_err();
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::TimedOut, Applied::Unknown)
    );
    let (answered, _) = cluster.replies[&request];
    assert_eq!(answered.since(started), Duration::from_millis(100));
}

#[test]
fn a_write_that_a_deposed_leader_had_appended_is_carried_out_by_the_new_one() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let old = cluster.leader(HELLO).unwrap();
        cluster.partition(&[old]);
        let request = cluster.begin(old, put("hello", "late"), Duration::from_secs(20));
        cluster.run_for(Duration::from_secs(2));
        let new = cluster.leader(HELLO).unwrap();
        assert_ne!(new, old);
        cluster.put(new, "hello", "first");
        cluster.heal();
        written(cluster.finish(request));
        assert_eq!(
            cluster.get(new, "hello", Consistency::Linearizable),
            Some("late".into())
        );
    }
}

#[test]
fn a_forwarded_write_whose_carrier_dies_is_unknown_unless_it_has_a_name() {
    let mut cluster = Cluster::new(3, 4);
    cluster.until_ready();
    let leader = cluster.leader(HELLO).unwrap();
    let at = other_than(leader);
    let nameless = cluster.begin(at, put("hello", "1"), Duration::from_secs(5));
    let named = put_if("hello", "2", Expect::Any, Some("n"));
    let named = cluster.begin(at, named, Duration::from_secs(5));
    cluster.kill(leader);
    let failure = cluster.finish(nameless).unwrap_err();
    assert_eq!(failure.applied, Applied::Unknown);
    let version = written(cluster.finish(named));
    let again = put_if("hello", "2", Expect::Any, Some("n"));
    assert_eq!(written(cluster.call(at, again)), version);
}

#[test]
fn frames_that_arrive_twice_do_not_write_twice() {
    let mut cluster = Cluster::new(3, 5);
    cluster.until_ready();
    cluster.duplicate_ppm = 1_000_000;
    let leader = cluster.leader(HELLO).unwrap();
    let at = other_than(leader);
    let first = cluster.put(at, "hello", "1");
    let second = cluster.put(at, "hello", "2");
    cluster.run_for(Duration::from_millis(500));
    assert_eq!(first.term, second.term);
    assert_eq!(first.index.next(), second.index, "one entry a write");
    assert_eq!(
        cluster.get(at, "hello", Consistency::Linearizable),
        Some("2".into())
    );
}

#[test]
fn a_node_whose_log_fails_acknowledges_nothing_more_and_the_others_go_on() {
    let mut cluster = Cluster::new(3, 6);
    cluster.until_ready();
    let leader = cluster.leader(HELLO).unwrap();
    cluster.put(leader, "hello", "before");
    cluster.servers[&leader].log.fail();
    let request = cluster.begin(leader, put("hello", "full"), Duration::from_secs(2));
    let failure = cluster.finish(request).unwrap_err();
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::NoSpace, Applied::Unknown)
    );
    assert!(!cluster.node(leader).ready());
    assert!(cluster.status(leader).halted);
    let failure = cluster.call(leader, put("hello", "refused")).unwrap_err();
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::NoSpace, Applied::No)
    );
    assert!(
        failure.message.contains("the test disk is full"),
        "{}",
        failure.message
    );
    let at = other_than(leader);
    cluster.put(at, "hello", "after");
    assert_eq!(
        cluster.get(at, "hello", Consistency::Linearizable),
        Some("after".into())
    );
}

#[test]
fn a_failed_storage_stops_the_node() {
    let mut cluster = Cluster::new(3, 7);
    cluster.until_ready();
    let error = PortError::new(PortErrorKind::SyncFailed, "object 7.sst");
    cluster.input(NodeId(2), Input::StorageFailed(error));
    assert!(cluster.status(NodeId(2)).halted);
    let failure = cluster.call(NodeId(2), put("hello", "v")).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Internal);
    assert!(cluster.node(NodeId(2)).poll_timeout().is_none());
}

#[test]
fn swim_shows_a_dead_node_as_faulty_and_alive_again_when_it_is_back() {
    let mut cluster = Cluster::new(3, 8);
    cluster.until_ready();
    cluster.run_for(Duration::from_secs(3));
    cluster.kill(NodeId(3));
    let state = |cluster: &Cluster| cluster.status(NodeId(1)).members[2].state;
    cluster.run_until(Duration::from_secs(60), "faulty member", |cluster| {
        state(cluster) == MemberState::Faulty
    });
    cluster.start(NodeId(3));
    cluster.run_until(Duration::from_secs(30), "member alive again", |cluster| {
        state(cluster) == MemberState::Alive
    });
}

#[test]
fn garbage_and_frames_of_another_cluster_are_counted_and_dropped() {
    let mut cluster = Cluster::new(3, 9);
    cluster.until_ready();
    let before = cluster.events.len();
    let bytes = bytes::Bytes::from_static(b"\xff\xff\xff\xff\xff");
    let lane = norikv_node::Lane::Control;
    let from = NodeId(2);
    cluster.input(NodeId(1), Input::Frame { from, lane, bytes });
    assert!(
        cluster.events[before..]
            .iter()
            .any(|(node, event)| *node == NodeId(1)
                && matches!(event, Event::FrameRefused { from, .. } if from.0 == 2))
    );
    cluster.put(NodeId(1), "hello", "v");
}
