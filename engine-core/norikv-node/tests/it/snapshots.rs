use std::time::Duration;

use norikv_node::{Consistency, Event};
use norikv_types::{GroupId, NodeId};

use crate::cluster::Cluster;

fn small_log(seed: u64) -> Cluster {
    Cluster::with(3, seed, |config| {
        config.keep_log_bytes = 0;
        config.keep_log_entries = 4;
        config.snapshot.chunk_bytes = 64;
    })
}

fn write(cluster: &mut Cluster, at: NodeId, count: u64, value: &str) {
    for n in 0..count {
        cluster.put(at, &format!("key-{n}"), value);
    }
}

fn installed(cluster: &Cluster, id: NodeId) -> usize {
    cluster
        .events
        .iter()
        .filter(|(node, event)| *node == id && matches!(event, Event::SnapshotInstalled { .. }))
        .count()
}

#[test]
fn a_node_that_was_away_until_the_log_was_released_returns_by_snapshot() {
    for seed in 0..10 {
        let mut cluster = small_log(seed);
        cluster.until_ready();
        write(&mut cluster, NodeId(1), 40, "old");
        cluster.kill(NodeId(3));
        cluster.run_for(Duration::from_millis(10));
        write(&mut cluster, NodeId(1), 100, "new");
        cluster.flush(NodeId(1));
        cluster.flush(NodeId(2));
        let released = cluster.status(NodeId(1)).groups[2]
            .replica
            .as_ref()
            .map(|replica| replica.released_index)
            .unwrap();
        assert!(released.0 > 5, "{released}");
        cluster.start(NodeId(3));
        cluster.until_ready();
        cluster.run_for(Duration::from_secs(2));
        assert!(installed(&cluster, NodeId(3)) >= 1);
        for group in (0..8).map(GroupId) {
            let of = |id| cluster.servers[&NodeId(id)].storage.state(group);
            assert_eq!(of(3), of(1), "{group}");
            assert_eq!(of(2), of(1), "{group}");
        }
        // And it goes on from there, by log, also after another crash.
        cluster.put(NodeId(3), "hello", "after");
        cluster.kill(NodeId(3));
        cluster.start(NodeId(3));
        cluster.until_ready();
        assert_eq!(
            cluster.get(NodeId(3), "hello", Consistency::Linearizable),
            Some("after".into())
        );
    }
}

#[test]
fn a_snapshot_whose_sender_dies_is_sent_by_the_next_leader() {
    for seed in 0..10 {
        let mut cluster = small_log(seed);
        cluster.until_ready();
        cluster.kill(NodeId(3));
        cluster.run_for(Duration::from_millis(10));
        write(&mut cluster, NodeId(1), 100, "value-value-value");
        cluster.flush(NodeId(1));
        cluster.flush(NodeId(2));
        let sender = cluster.leader(GroupId(2)).unwrap();
        let other = NodeId(3 - sender.0);
        cluster.start(NodeId(3));
        // In the middle of the transfers, which take tens of chunks each.
        cluster.run_for(Duration::from_millis(40));
        cluster.kill(sender);
        cluster.run_for(Duration::from_secs(3));
        cluster.start(sender);
        cluster.until_ready();
        cluster.run_for(Duration::from_secs(2));
        for group in (0..8).map(GroupId) {
            let of = |id: NodeId| cluster.servers[&id].storage.state(group);
            assert_eq!(of(NodeId(3)), of(other), "{group}");
        }
    }
}

#[test]
fn lost_chunks_are_sent_again() {
    let mut cluster = small_log(1);
    cluster.until_ready();
    cluster.kill(NodeId(3));
    cluster.run_for(Duration::from_millis(10));
    write(&mut cluster, NodeId(1), 100, "value-value-value");
    cluster.flush(NodeId(1));
    cluster.flush(NodeId(2));
    cluster.start(NodeId(3));
    for _ in 0..5 {
        cluster.run_for(Duration::from_millis(30));
        cluster.partition(&[NodeId(3)]);
        cluster.run_for(Duration::from_millis(30));
        cluster.heal();
    }
    cluster.until_ready();
    cluster.run_for(Duration::from_secs(3));
    for group in (0..8).map(GroupId) {
        let of = |id| cluster.servers[&NodeId(id)].storage.state(group);
        assert_eq!(of(3), of(1), "{group}");
    }
}

#[test]
fn what_a_release_left_out_is_still_in_the_storage_after_a_crash() {
    let mut cluster = small_log(2);
    cluster.until_ready();
    write(&mut cluster, NodeId(1), 100, "v");
    cluster.run_for(Duration::from_secs(1));
    for id in (1..=3).map(NodeId) {
        cluster.flush(id);
    }
    let log = cluster.servers[&NodeId(1)].log.kept(GroupId(2));
    assert!(log.start.index.0 > 0);
    assert!(log.entries.len() <= 5, "{}", log.entries.len());
    for id in (1..=3).map(NodeId) {
        cluster.kill(id);
    }
    for id in (1..=3).map(NodeId) {
        cluster.start(id);
    }
    cluster.until_ready();
    for n in 0..100 {
        let read = cluster.get(NodeId(2), &format!("key-{n}"), Consistency::Lease);
        assert_eq!(read, Some("v".into()));
    }
}
