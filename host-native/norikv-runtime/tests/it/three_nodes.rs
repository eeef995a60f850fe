//! What three nodes do together.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Event, Expect, GroupStatus};
use norikv_runtime::{Notice, Runtime, RuntimeHandle};
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex};

use crate::cluster::{Cluster, PATIENCE, get, put, until, until_ready};

fn start(cluster: &Cluster) -> Vec<Runtime> {
    (1..=3).map(|id| cluster.start(id)).collect()
}

async fn all_ready(nodes: &[Runtime]) {
    for node in nodes {
        until_ready(node.handle()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_serves_every_key() {
    let cluster = Cluster::of(3);
    let nodes = start(&cluster);
    all_ready(&nodes).await;
    // Every node leads some groups at most, so most of these are forwarded.
    for (number, node) in (0..60).zip(nodes.iter().cycle()) {
        put(node.handle(), &format!("key-{number}"), &number.to_string())
            .await
            .expect("written");
    }
    for node in &nodes {
        for number in 0..60 {
            let value = get(node.handle(), &format!("key-{number}")).await;
            assert_eq!(value, Some(number.to_string()));
        }
    }
    for node in nodes {
        node.shutdown().await.expect("clean");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_go_on_and_the_third_catches_up() {
    let cluster = Cluster::of(3);
    let mut nodes = start(&cluster);
    all_ready(&nodes).await;
    put(nodes[0].handle(), "before", "1")
        .await
        .expect("written");
    nodes.remove(0).shutdown().await.expect("clean");
    for node in &nodes {
        until(node.handle(), "ready without node 1", async |node| {
            node.ready().await
        })
        .await;
    }
    for number in 0..40 {
        written(
            nodes[0].handle(),
            &format!("key-{number}"),
            &number.to_string(),
        )
        .await;
    }
    let back = cluster.start(1);
    until_ready(back.handle()).await;
    assert_eq!(get(back.handle(), "before").await, Some("1".to_owned()));
    for number in 0..40 {
        let value = get(back.handle(), &format!("key-{number}")).await;
        assert_eq!(value, Some(number.to_string()));
    }
    back.shutdown().await.expect("clean");
    for node in nodes {
        node.shutdown().await.expect("clean");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_all_three_restart() {
    let cluster = Cluster::of(3);
    let nodes = start(&cluster);
    all_ready(&nodes).await;
    for number in 0..50 {
        put(
            nodes[1].handle(),
            &format!("key-{number}"),
            &number.to_string(),
        )
        .await
        .expect("written");
    }
    for node in nodes {
        node.shutdown().await.expect("clean");
    }
    let nodes = start(&cluster);
    all_ready(&nodes).await;
    for number in 0..50 {
        let value = get(nodes[2].handle(), &format!("key-{number}")).await;
        assert_eq!(value, Some(number.to_string()));
    }
    for node in nodes {
        node.shutdown().await.expect("clean");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_is_not_ready_and_acknowledges_nothing() {
    let cluster = Cluster::of(3);
    let mut nodes = start(&cluster);
    all_ready(&nodes).await;
    nodes.pop().expect("three").shutdown().await.expect("clean");
    nodes.pop().expect("two").shutdown().await.expect("clean");
    let alone = nodes.pop().expect("one");
    until(alone.handle(), "alone", async |node| !node.ready().await).await;
    let call = Call::Put {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"value"),
        expect: Expect::Any,
        idempotency: None,
        ttl_ms: None,
    };
    let failure = alone
        .handle()
        .call(call, Duration::from_secs(1))
        .await
        .expect_err("no majority");
    assert!(
        matches!(failure.kind, ErrorKind::NoLeader | ErrorKind::TimedOut),
        "{failure}"
    );
    assert_ne!(failure.applied, Applied::Yes, "{failure}");
    alone.shutdown().await.expect("clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_too_long_returns_by_snapshot() {
    let cluster = Cluster::of(3);
    let start = |id| {
        let mut config = cluster.config(id);
        config.node.keep_log_entries = 4;
        config.node.keep_log_bytes = 1_024;
        config.node.unflushed_bytes_max = 64 << 10;
        Runtime::start(config).expect("started")
    };
    let mut nodes: Vec<Runtime> = (1..=3).map(start).collect();
    all_ready(&nodes).await;
    for number in 0..40 {
        put(nodes[0].handle(), &format!("key-{number}"), "old")
            .await
            .expect("written");
    }
    let away = nodes.remove(0);
    let last = last_indexes(away.handle()).await;
    away.shutdown().await.expect("clean");
    for node in &nodes {
        until_ready(node.handle()).await;
    }
    // Until the others have released every entry that follows on what node 1 has.
    let value = "new".repeat(1_000);
    let mut number = 0;
    loop {
        for _ in 0..40 {
            written(nodes[0].handle(), &format!("key-{number}"), &value).await;
            number += 1;
        }
        let mut behind = true;
        for node in &nodes {
            let released = released_indexes(node.handle()).await;
            behind &= last.iter().any(|(group, last)| released[group] > *last);
        }
        if behind {
            break;
        }
        assert!(number < 4_000, "nothing is released");
    }
    let back = start(1);
    let mut notices = back.handle().subscribe();
    until_ready(back.handle()).await;
    let mut installed = 0;
    while let Ok(notice) = notices.try_recv() {
        let snapshot = matches!(notice, Notice::Node(Event::SnapshotInstalled { .. }));
        installed += u32::from(snapshot);
    }
    assert!(installed > 0, "it came back without a snapshot");
    for key in 0..number {
        assert_eq!(
            get(back.handle(), &format!("key-{key}")).await.as_deref(),
            Some(&*value)
        );
    }
    // And what it was sent, it has: it starts again from its own disk.
    back.shutdown().await.expect("clean");
    let back = start(1);
    until_ready(back.handle()).await;
    for key in 0..number {
        let stale = Call::Get {
            key: Bytes::from(format!("key-{key}")),
            consistency: Consistency::StaleOk,
        };
        let answer = back.handle().call(stale, PATIENCE).await.expect("read");
        assert!(
            matches!(&answer, Answer::Value { value: v, .. } if v == &value),
            "{answer:?}"
        );
    }
    back.shutdown().await.expect("clean");
    for node in nodes {
        node.shutdown().await.expect("clean");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_refused_and_said_to_be() {
    let cluster = Cluster::of(2);
    let node = cluster.start(1);
    let mut notices = node.handle().subscribe();
    let mut config = cluster.config(2);
    config.node.cluster = 7;
    let stranger = Runtime::start(config).expect("its directory is its own");
    let refused = async {
        loop {
            if let Notice::PeerRefused { reason, .. } = notices.recv().await.expect("it runs") {
                return reason.to_string();
            }
        }
    };
    let reason = tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("in time");
    assert!(reason.contains("0x0123456789abcdef"), "{reason}");
    assert!(reason.contains("0x0000000000000007"), "{reason}");
    assert!(node.handle().peers().iter().all(|peer| !peer.up));
    stranger.shutdown().await.expect("clean");
    node.shutdown().await.expect("clean");
}

async fn last_indexes(node: &RuntimeHandle) -> BTreeMap<GroupId, LogIndex> {
    let status = node.status().await.expect("it runs");
    let last = |group: GroupStatus| Some((group.group, group.replica?.last_index));
    status.groups.into_iter().filter_map(last).collect()
}

async fn released_indexes(node: &RuntimeHandle) -> BTreeMap<GroupId, LogIndex> {
    let status = node.status().await.expect("it runs");
    let released = |group: GroupStatus| Some((group.group, group.replica?.released_index));
    status.groups.into_iter().filter_map(released).collect()
}

/// Repeats a write that a change of leaders got in the way of.
async fn written(node: &RuntimeHandle, key: &str, value: &str) {
    loop {
        match put(node, key, value).await {
            Ok(_) => return,
            Err(failure) => assert!(
                matches!(
                    failure.kind,
                    ErrorKind::NoLeader | ErrorKind::NotLeader | ErrorKind::TimedOut
                ),
                "{failure}"
            ),
        }
    }
}
