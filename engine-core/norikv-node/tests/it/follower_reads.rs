//! Reads that the nearest replica serves, at an index that it asked the leader for.

use std::time::Duration;

use bytes::Bytes;
use norikv_node::{Admin, Call, Consistency, Expect, Input};
use norikv_types::{Applied, ErrorKind, GroupId, NodeId, Remedy, WallMs};

use crate::cluster::{Cluster, HELLO, put};

fn get_hello() -> Call {
    Call::Get {
        key: Bytes::from_static(b"hello"),
        consistency: Consistency::Follower,
    }
}

fn follower_of(leader: NodeId) -> NodeId {
    NodeId(leader.0 % 3 + 1)
}

#[test]
fn every_replica_sees_what_was_acknowledged_before_it_was_asked() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        // An entry's way to the slower follower is longer than the answer's to the client.
        cluster.delay_max = Duration::from_millis(40);
        for round in 0..20 {
            let value = format!("{round}");
            cluster.put(NodeId(round % 3 + 1), "hello", &value);
            for at in (1..=3).map(NodeId) {
                let read = cluster.get(at, "hello", Consistency::Follower);
                assert_eq!(read, Some(value.clone()));
            }
        }
    }
}

#[test]
fn the_replica_that_was_asked_looks_it_up_itself() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    cluster.put(NodeId(1), "hello", "v");
    let leader = cluster.leader(HELLO).unwrap();
    let at = follower_of(leader);
    let lookups = |cluster: &Cluster| {
        let count = |id: NodeId| cluster.servers[&id].lookups;
        (count(leader), count(at))
    };
    let before = lookups(&cluster);
    cluster.get(at, "hello", Consistency::Follower);
    assert_eq!(lookups(&cluster), (before.0, before.1 + 1));
    cluster.get(at, "hello", Consistency::Linearizable);
    assert_eq!(lookups(&cluster), (before.0 + 1, before.1 + 1));
}

#[test]
fn a_replica_that_is_cut_off_answers_nothing_old_and_says_that_it_hears_no_leader() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        cluster.put(NodeId(1), "hello", "old");
        let leader = cluster.leader(HELLO).unwrap();
        let alone = follower_of(leader);
        cluster.partition(&[alone]);
        let at_once = cluster.begin(alone, get_hello(), Duration::from_secs(3));
        cluster.put(leader, "hello", "new");
        let failure = cluster.finish(at_once).unwrap_err();
        let later = cluster.begin(alone, get_hello(), Duration::from_secs(1));
        let later = cluster.finish(later).unwrap_err();
        for failure in [failure, later] {
            assert_eq!(failure.kind, ErrorKind::NoLeader, "{failure}");
            assert_eq!(failure.kind.remedy(), Remedy::Retry);
            assert_eq!(failure.applied, Applied::No);
        }
        let patient = cluster.begin(alone, get_hello(), Duration::from_secs(20));
        cluster.run_for(Duration::from_secs(1));
        cluster.heal();
        assert!(cluster.finish(patient).is_ok());
        let read = cluster.get(alone, "hello", Consistency::Follower);
        assert_eq!(read, Some("new".into()));
    }
}

#[test]
fn a_read_whose_leader_dies_is_answered_under_the_next_one() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        cluster.put(NodeId(1), "hello", "v");
        let leader = cluster.leader(HELLO).unwrap();
        let at = follower_of(leader);
        cluster.silent = seed % 2 == 0;
        let request = cluster.begin(at, get_hello(), Duration::from_secs(10));
        cluster.kill(leader);
        let started = cluster.now;
        assert!(cluster.finish(request).is_ok());
        let waited = cluster.now.since(started);
        assert!(waited < Duration::from_secs(3), "{waited:?}");
    }
}

#[test]
fn a_group_that_sleeps_is_woken_by_a_read_at_a_follower() {
    let mut cluster = Cluster::with(3, 2, |config| {
        config.raft.quiesce_after = Some(Duration::from_millis(300));
    });
    cluster.until_ready();
    cluster.put(NodeId(1), "hello", "v");
    cluster.run_for(Duration::from_secs(5));
    let at = follower_of(cluster.leader(HELLO).unwrap());
    let started = cluster.now;
    let read = cluster.get(at, "hello", Consistency::Follower);
    assert_eq!(read, Some("v".into()));
    let waited = cluster.now.since(started);
    assert!(waited < Duration::from_millis(400), "{waited:?}");
}

#[test]
fn a_node_without_a_replica_passes_the_read_to_one_that_has_it() {
    let mut cluster = Cluster::with(5, 3, |config| config.replication = 3);
    cluster.until_ready();
    for n in 0..20 {
        let key = format!("key-{n}");
        cluster.put(NodeId(n % 5 + 1), &key, "v");
        for at in (1..=5).map(NodeId) {
            let read = cluster.get(at, &key, Consistency::Follower);
            assert_eq!(read, Some("v".into()), "{key} at {at}");
        }
    }
}

#[test]
fn a_value_that_has_ended_by_the_followers_clock_is_not_read_there() {
    let mut cluster = Cluster::new(3, 4);
    cluster.until_ready();
    let Call::Put { key, value, .. } = put("hello", "v") else {
        unreachable!();
    };
    let lend = Call::Put {
        key,
        value,
        expect: Expect::Any,
        idempotency: None,
        ttl_ms: Some(500),
    };
    for id in (1..=3).map(NodeId) {
        cluster.input(id, Input::Wall(WallMs(1_000_000)));
    }
    cluster.call(NodeId(1), lend).unwrap();
    let at = follower_of(cluster.leader(HELLO).unwrap());
    assert!(cluster.get(at, "hello", Consistency::Follower).is_some());
    cluster.run_for(Duration::from_millis(600));
    assert_eq!(cluster.get(at, "hello", Consistency::Follower), None);
}

#[test]
fn a_node_whose_replica_has_gone_asks_others_and_never_itself() {
    for seed in 0..3 {
        let mut cluster = Cluster::new(4, seed);
        cluster.until_ready();
        for group in (0..8).map(GroupId) {
            let held = |id: &NodeId| {
                let status = cluster.status(*id);
                status.groups[group.0 as usize].replica.is_some()
            };
            let (old, new): (Vec<_>, Vec<_>) = (1..=4).map(NodeId).partition(held);
            let gone = old[seed as usize];
            let change = Call::Admin(Admin::ChangeReplicas {
                group,
                add: new,
                remove: vec![gone],
            });
            cluster.call(NodeId(1), change).unwrap();
            cluster.run_until(Duration::from_secs(5), "end of the replica", |cluster| {
                let status = cluster.status(gone);
                status.groups[group.0 as usize].replica.is_none()
            });
        }
        cluster.until_ready();
        for n in 0..40 {
            let key = format!("key-{n}");
            cluster.put(NodeId(1 + n % 4), &key, "v");
            for at in (1..=4).map(NodeId) {
                let started = cluster.now;
                let read = cluster.get(at, &key, Consistency::Follower);
                assert_eq!(read, Some("v".into()), "{key} at {at}");
                let waited = cluster.now.since(started);
                assert!(
                    waited < Duration::from_millis(100),
                    "{key} at {at}: {waited:?}"
                );
            }
        }
    }
}
