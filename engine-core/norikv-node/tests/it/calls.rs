use std::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Expect};
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex, NodeId, Term, Version};

use crate::cluster::{Cluster, put, put_if, written};

const ALL: [Consistency; 3] = [
    Consistency::Linearizable,
    Consistency::Lease,
    Consistency::Follower,
];

#[test]
fn three_nodes_are_ready_within_two_seconds() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        assert!(cluster.now.as_nanos() < 2_000_000_000, "{}", cluster.now);
        for group in (0..8).map(GroupId) {
            assert!(cluster.leader(group).is_some());
        }
    }
}

#[test]
fn what_is_put_through_one_node_is_read_through_every_other() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    for round in 0..20 {
        let at = NodeId(round % 3 + 1);
        let (key, value) = (format!("key-{round}"), format!("value-{round}"));
        cluster.put(at, &key, &value);
        for reader in (1..=3).map(NodeId) {
            for consistency in ALL {
                assert_eq!(cluster.get(reader, &key, consistency), Some(value.clone()));
            }
        }
    }
    cluster.run_for(Duration::from_secs(1));
    for reader in (1..=3).map(NodeId) {
        let read = cluster.get(reader, "key-7", Consistency::StaleOk);
        assert_eq!(read, Some("value-7".into()));
    }
}

#[test]
fn a_deleted_key_is_absent_and_deleting_it_again_is_a_write() {
    let mut cluster = Cluster::new(3, 2);
    cluster.until_ready();
    cluster.put(NodeId(1), "k", "v");
    let delete = Call::Delete {
        key: Bytes::from_static(b"k"),
        expect: Expect::Any,
        idempotency: None,
    };
    let first = written(cluster.call(NodeId(2), delete.clone()));
    assert_eq!(cluster.get(NodeId(3), "k", Consistency::Linearizable), None);
    let second = written(cluster.call(NodeId(3), delete));
    assert!(second > first);
}

#[test]
fn a_compare_and_set_on_another_version_changes_nothing_and_names_what_is_there() {
    let mut cluster = Cluster::new(3, 3);
    cluster.until_ready();
    let first = cluster.put(NodeId(1), "k", "1");
    let second = written(cluster.call(NodeId(2), put_if("k", "2", Expect::Version(first), None)));
    let failure = cluster
        .call(NodeId(3), put_if("k", "3", Expect::Version(first), None))
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::PreconditionFailed);
    assert_eq!(failure.applied, Applied::No);
    assert_eq!(failure.actual, Some(second));
    let failure = cluster
        .call(NodeId(1), put_if("k", "4", Expect::Absent, None))
        .unwrap_err();
    assert_eq!(failure.actual, Some(second));
    assert_eq!(
        cluster.get(NodeId(1), "k", Consistency::Linearizable),
        Some("2".into())
    );
}

#[test]
fn of_sixteen_concurrent_compare_and_sets_exactly_one_wins() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let version = cluster.put(NodeId(1), "k", "0");
        let requests: Vec<_> = (0..16)
            .map(|writer| {
                let call = put_if("k", &format!("{writer}"), Expect::Version(version), None);
                cluster.begin(NodeId(writer % 3 + 1), call, Duration::from_secs(5))
            })
            .collect();
        let won = requests
            .into_iter()
            .filter(|request| cluster.finish(*request).is_ok())
            .count();
        assert_eq!(won, 1);
    }
}

#[test]
fn a_write_repeated_under_its_idempotency_key_happens_once() {
    let mut cluster = Cluster::new(3, 4);
    cluster.until_ready();
    let call = put_if("k", "v", Expect::Any, Some("order-7"));
    let first = written(cluster.call(NodeId(1), call.clone()));
    cluster.put(NodeId(2), "k", "newer");
    assert_eq!(written(cluster.call(NodeId(3), call)), first);
    assert_eq!(
        cluster.get(NodeId(1), "k", Consistency::Linearizable),
        Some("newer".into())
    );
    let other = put_if("k", "another", Expect::Any, Some("order-7"));
    let failure = cluster.call(NodeId(1), other).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::IdempotencyMismatch);
    assert_eq!(failure.applied, Applied::No);
}

#[test]
fn a_scan_pages_through_every_group_in_byte_order() {
    let mut cluster = Cluster::new(3, 5);
    cluster.until_ready();
    let mut keys: Vec<String> = (0..100).map(|n| format!("p/{n:03}")).collect();
    for key in &keys {
        cluster.put(NodeId(1), key, "v");
    }
    cluster.put(NodeId(1), "other", "v");
    keys.sort();
    for (consistency, limit) in ALL.into_iter().zip([7, 100, 9]) {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let call = Call::Scan {
                prefix: Bytes::from_static(b"p/"),
                after,
                limit,
                consistency,
                cursor: Vec::new(),
            };
            let Ok(Answer::Page(page)) = cluster.call(NodeId(2), call) else {
                panic!("no page");
            };
            assert!(page.items.len() <= limit as usize);
            after = page.items.last().map(|item| item.key.clone());
            seen.extend(
                page.items
                    .into_iter()
                    .map(|item| String::from_utf8(item.key.to_vec()).unwrap()),
            );
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, keys);
    }
}

#[test]
fn a_page_ends_where_a_group_ends_for_its_bytes_and_the_next_one_goes_on() {
    let mut cluster = Cluster::with(3, 6, |config| config.limits.scan_bytes_max = 30);
    cluster.until_ready();
    for n in 0..60 {
        cluster.put(NodeId(1), &format!("{n:02}"), "0123456789");
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let call = Call::Scan {
            prefix: Bytes::new(),
            after,
            limit: 1_000,
            consistency: Consistency::Linearizable,
            cursor: Vec::new(),
        };
        let Ok(Answer::Page(page)) = cluster.call(NodeId(3), call) else {
            panic!("no page");
        };
        assert!(!page.more || !page.items.is_empty());
        after = page.items.last().map(|item| item.key.clone());
        seen.extend(page.items.into_iter().map(|item| item.key));
        if !page.more {
            break;
        }
    }
    let keys: Vec<Bytes> = (0..60).map(|n| Bytes::from(format!("{n:02}"))).collect();
    assert_eq!(seen, keys);
}

#[test]
fn a_node_without_a_replica_of_the_key_serves_it_all_the_same() {
    let mut cluster = Cluster::new(5, 7);
    cluster.until_ready();
    for n in 0..40 {
        let key = format!("key-{n}");
        let at = NodeId(n % 5 + 1);
        cluster.put(at, &key, "v");
        for reader in (1..=5).map(NodeId) {
            assert_eq!(
                cluster.get(reader, &key, Consistency::Linearizable),
                Some("v".into())
            );
        }
    }
    let page = cluster.call(
        NodeId(4),
        Call::Scan {
            prefix: Bytes::from_static(b"key-"),
            after: None,
            limit: 100,
            consistency: Consistency::StaleOk,
            cursor: Vec::new(),
        },
    );
    assert!(matches!(page, Ok(Answer::Page(page)) if !page.items.is_empty()));
}

#[test]
fn what_is_over_a_limit_is_refused_by_the_limits_name() {
    let mut cluster = Cluster::new(3, 8);
    cluster.until_ready();
    let fits = put(&"k".repeat(1_024), &"v".repeat(1 << 20));
    written(cluster.call(NodeId(1), fits));
    let cases = [
        (put(&"k".repeat(1_025), "v"), ErrorKind::TooLarge, "1024"),
        (
            put("k", &"v".repeat((1 << 20) + 1)),
            ErrorKind::TooLarge,
            "1048576",
        ),
        (put("", "v"), ErrorKind::Invalid, "empty"),
        (
            put_if("k", "v", Expect::Any, Some(&"n".repeat(257))),
            ErrorKind::TooLarge,
            "256",
        ),
    ];
    for (call, kind, words) in cases {
        let failure = cluster.call(NodeId(2), call).unwrap_err();
        assert_eq!(failure.kind, kind);
        assert_eq!(failure.applied, Applied::No);
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}

#[test]
fn calls_above_the_bound_are_refused_and_the_others_answered() {
    let mut cluster = Cluster::with(3, 9, |config| config.limits.calls_max = 10);
    cluster.until_ready();
    let leader = cluster.leader(GroupId(2)).unwrap();
    // "hello" is in shard 309, group 2.
    let requests: Vec<_> = (0..15)
        .map(|_| cluster.begin(leader, put("hello", "v"), Duration::from_secs(5)))
        .collect();
    let results: Vec<_> = requests
        .into_iter()
        .map(|request| cluster.finish(request))
        .collect();
    let overloaded = results
        .iter()
        .filter(|result| matches!(result, Err(failure) if failure.kind == ErrorKind::Overloaded))
        .count();
    assert_eq!(overloaded, 5);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
}

#[test]
fn an_expected_version_that_never_was_fails() {
    let mut cluster = Cluster::new(3, 10);
    cluster.until_ready();
    let version = Version {
        term: Term(99),
        index: LogIndex(99),
    };
    let failure = cluster
        .call(NodeId(1), put_if("k", "v", Expect::Version(version), None))
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::PreconditionFailed);
    assert_eq!(failure.actual, None);
}

#[test]
fn the_status_names_every_group_and_every_member_with_its_address() {
    let mut cluster = Cluster::new(3, 11);
    cluster.until_ready();
    cluster.run_for(Duration::from_secs(3));
    let status = cluster.status(NodeId(2));
    assert!(status.ready);
    assert_eq!(status.groups.len(), 8);
    assert!(status.groups.iter().all(|group| group.leader.is_some()));
    let members: Vec<_> = status
        .members
        .iter()
        .map(|member| (member.node.0, member.state.word(), member.metadata.clone()))
        .collect();
    let expected: Vec<_> = (1..=3)
        .map(|id| {
            (
                id,
                "alive",
                Bytes::from(format!("127.0.0.1:{}", 7_000 + id)),
            )
        })
        .collect();
    assert_eq!(members, expected);
}
