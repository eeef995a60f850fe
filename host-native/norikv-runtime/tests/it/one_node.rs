//! What one node does alone.

use bytes::Bytes;
use nori_observe::Value;
use norikv_node::{Answer, Call, Consistency, Expect};
use norikv_types::{Applied, ErrorKind};

use crate::cluster::{Cluster, PATIENCE, get, put, until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    until_ready(node.handle()).await;
    let mut last = None;
    for number in 0..200 {
        let written = put(
            node.handle(),
            &format!("key-{number}"),
            &format!("{number}"),
        )
        .await;
        let Ok(Answer::Written { version }) = written else {
            panic!("{written:?}")
        };
        last = Some(version);
    }
    node.shutdown().await.expect("clean");

    let node = cluster.start(1);
    until_ready(node.handle()).await;
    for number in 0..200 {
        let value = get(node.handle(), &format!("key-{number}")).await;
        assert_eq!(value, Some(number.to_string()));
    }
    let key = Bytes::from_static(b"key-199");
    let call = Call::Get {
        key,
        consistency: Consistency::Linearizable,
    };
    let Ok(Answer::Value { version, .. }) = node.handle().call(call, PATIENCE).await else {
        panic!("not found");
    };
    assert_eq!(Some(version), last, "versions do not change at a restart");
    node.shutdown().await.expect("clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_node_was_dropped() {
    let cluster = Cluster::of(1);
    for round in 0..3 {
        let node = restarted(&cluster).await;
        for earlier in 0..round {
            let value = get(node.handle(), &format!("round-{earlier}")).await;
            assert_eq!(value, Some(earlier.to_string()));
        }
        put(node.handle(), &format!("round-{round}"), &round.to_string())
            .await
            .expect("written");
        // No flush, no close of the log.
        drop(node);
    }
    let node = restarted(&cluster).await;
    assert_eq!(get(node.handle(), "round-2").await, Some("2".to_owned()));
    node.shutdown().await.expect("clean");
}

/// Starts node 1 as soon as its threads of before have let go of the directory.
async fn restarted(cluster: &Cluster) -> norikv_runtime::Runtime {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match norikv_runtime::Runtime::start(cluster.config(1)) {
            Ok(node) => {
                until_ready(node.handle()).await;
                return node;
            }
            Err(error) => {
                assert!(std::time::Instant::now() < deadline, "{error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_writers_that_expect_nothing_there_exactly_one_wins() {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    until_ready(node.handle()).await;
    let writers: Vec<_> = (0..16)
        .map(|number| {
            let handle = node.handle().clone();
            let call = Call::Put {
                key: Bytes::from_static(b"one"),
                value: Bytes::from(format!("{number}")),
                expect: Expect::Absent,
                idempotency: None,
                ttl_ms: None,
            };
            tokio::spawn(async move { handle.call(call, PATIENCE).await })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.expect("ran") {
            Ok(Answer::Written { .. }) => won += 1,
            Err(failure) => assert_eq!(
                (failure.kind, failure.applied),
                (ErrorKind::PreconditionFailed, Applied::No)
            ),
            Ok(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
    node.shutdown().await.expect("clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_after_the_end_are_refused_and_say_that_nothing_was_applied() {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    until_ready(node.handle()).await;
    let handle = node.handle().clone();
    node.shutdown().await.expect("clean");
    let failure = put(&handle, "late", "x").await.expect_err("stopped");
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::Internal, Applied::No)
    );
    assert!(
        failure.message.contains("node 1 does not serve"),
        "{failure}"
    );
    assert_eq!(handle.status().await, None);
    assert!(!handle.ready().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_meters_count_what_happens() {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    until_ready(node.handle()).await;
    for number in 0..10 {
        put(node.handle(), &format!("{number}"), "x")
            .await
            .expect("written");
    }
    let samples = node.handle().metrics().snapshot();
    let value = |name: &str, labels: &[&str]| {
        samples
            .iter()
            .find(|sample| {
                let has = |label| sample.labels().iter().any(|(_, value)| value == label);
                sample.name() == name && labels.iter().all(has)
            })
            .map(|sample| sample.value().clone())
            .unwrap_or_else(|| panic!("no {name} {labels:?}"))
    };
    assert_eq!(value("norikv_requests", &["put", "ok"]), Value::Counter(10));
    let Value::Histogram(syncs) = value("norikv_log_sync_seconds", &[]) else {
        panic!("a timer");
    };
    assert!(syncs.count() >= 10, "{syncs:?}");
    let Value::Counter(commits) = value("norikv_commits", &[]) else {
        panic!("a counter")
    };
    assert!(commits >= 10, "{commits}");
    assert!(matches!(value("norikv_flushes", &[]), Value::Counter(_)));
    assert!(matches!(
        value("norikv_leader_changes", &[]),
        Value::Counter(1..)
    ));
    assert!(matches!(
        value("norikv_members", &["alive"]),
        Value::Gauge(_)
    ));
    node.shutdown().await.expect("clean");
}
