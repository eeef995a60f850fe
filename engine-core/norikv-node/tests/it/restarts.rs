use std::time::Duration;

use norikv_node::Consistency;
use norikv_types::{GroupId, LogIndex, NodeId};

use crate::cluster::{Cluster, put, written};

#[test]
fn three_nodes_killed_at_once_come_back_with_everything_acknowledged() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        for n in 0..30 {
            cluster.put(NodeId(n % 3 + 1), &format!("key-{n}"), &format!("{n}"));
            if n == 15 {
                cluster.flush(NodeId(1));
            }
        }
        for id in (1..=3).map(NodeId) {
            cluster.kill(id);
        }
        for id in (1..=3).map(NodeId) {
            cluster.start(id);
        }
        cluster.until_ready();
        for n in 0..30 {
            let read = cluster.get(NodeId(1), &format!("key-{n}"), Consistency::Linearizable);
            assert_eq!(read, Some(format!("{n}")));
        }
    }
}

#[test]
fn a_restarted_node_does_not_execute_what_its_storage_holds() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    cluster.put(NodeId(1), "hello", "1");
    cluster.run_for(Duration::from_secs(1));
    cluster.flush(NodeId(2));
    let before = cluster.servers[&NodeId(2)].storage.state(GroupId(2));
    cluster.kill(NodeId(2));
    cluster.start(NodeId(2));
    cluster.run_for(Duration::from_secs(1));
    let after = cluster.servers[&NodeId(2)].storage.state(GroupId(2));
    assert_eq!(after, before);
    cluster.put(NodeId(2), "hello", "2");
}

#[test]
fn a_log_without_the_applied_entry_is_reset_to_it() {
    let mut cluster = Cluster::new(3, 2);
    cluster.until_ready();
    for n in 0..20 {
        cluster.put(NodeId(1), "hello", &format!("{n}"));
    }
    cluster.run_for(Duration::from_secs(1));
    cluster.flush(NodeId(3));
    cluster.kill(NodeId(3));
    let server = &cluster.servers[&NodeId(3)];
    let applied = server.storage.state(GroupId(2)).applied;
    // As after a crash between the installation of a snapshot and the log's reset.
    server.log.cut_behind(GroupId(2), LogIndex(5));
    cluster.start(NodeId(3));
    assert_eq!(
        cluster.servers[&NodeId(3)].log.kept(GroupId(2)).start,
        applied
    );
    cluster.until_ready();
    cluster.put(NodeId(3), "hello", "after");
    let status = cluster.status(NodeId(3));
    let replica = status.groups[2].replica.as_ref().unwrap();
    assert!(replica.applied_index >= applied.index);
}

#[test]
fn one_group_commit_serves_many_writes() {
    let mut cluster = Cluster::new(3, 3);
    cluster.until_ready();
    let leader = cluster.leader(GroupId(2)).unwrap();
    let before = cluster.servers[&leader].log.appends();
    let calls = (0..64).map(|n| put("hello", &format!("{n}"))).collect();
    let requests = cluster.begin_all(leader, calls);
    for request in requests {
        written(cluster.finish(request));
    }
    let appends = cluster.servers[&leader].log.appends() - before;
    assert_eq!(appends, 1, "64 writes at once cost one sync");
}
