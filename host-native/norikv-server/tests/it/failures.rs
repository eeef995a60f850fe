//! Nodes that die.

use std::process::Stdio;

use crate::cluster::{Cluster, alive, signal};
use crate::{http, norikv, wait_for};

#[test]
fn writes_go_on_when_a_leader_is_killed_and_nothing_acknowledged_is_lost() {
    let cluster = Cluster::start();
    let observer = cluster.nodes[0].clone();
    let put = |node: &str, key: usize| {
        http::put(node, &format!("/kv/key-{key}"), b"value")
            .is_some_and(|reply| reply.status == 200)
    };
    let mut acknowledged: Vec<usize> = (0..50).filter(|key| put(&observer.http, *key)).collect();
    assert_eq!(acknowledged.len(), 50);
    let leader = (0..8)
        .filter_map(|group| cluster.leader(group, &observer))
        .next()
        .unwrap();
    let witness = cluster.other(&leader);
    leader.kill();
    for key in 50..100 {
        wait_for("a write after the leader's death", || {
            put(&witness.http, key).then_some(())
        });
        acknowledged.push(key);
    }
    let folder = cluster.kill_all();
    let cluster = Cluster::start_with(folder, &[]);
    for key in acknowledged {
        let read = http::get(&cluster.nodes[1].http, &format!("/kv/key-{key}")).unwrap();
        assert_eq!(
            (read.status, &read.body[..]),
            (200, &b"value"[..]),
            "key-{key}"
        );
    }
}

#[test]
fn dev_reports_a_death_and_starts_the_node_again_when_told_so() {
    let mut cluster = Cluster::start_with(tempfile::tempdir().unwrap(), &["--restart"]);
    let victim = cluster.nodes[1].clone();
    victim.kill();
    let report = cluster.next_report();
    assert_eq!(
        (report["node"].as_u64(), report["pid"].as_u64()),
        (Some(2), Some(victim.pid.into()))
    );
    wait_for("the node to be back", || victim.ready().then_some(()));
}

#[test]
fn without_restart_dev_says_how_to_bring_a_node_back() {
    let mut cluster = Cluster::start();
    let victim = cluster.nodes[1].clone();
    victim.kill();
    let report = cluster.next_report();
    let next = report["next"].as_str().unwrap();
    assert!(
        next.contains("norikv start --config") && next.contains("node-2/norikv.toml"),
        "{next}"
    );
    let _back = victim.start_again();
    wait_for("the node to be back", || victim.ready().then_some(()));
}

#[test]
fn a_node_that_was_told_to_stop_ends_although_its_standard_input_stays_open() {
    let folder = Cluster::start_with(tempfile::tempdir().unwrap(), &["--nodes", "1"]).stop();
    let node = folder.path().join("node-1");
    let mut child = norikv()
        .args(["start", "--until-stdin-ends", "--config"])
        .arg(node.join("norikv.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Taken out, since waiting would close it.
    let stdin = child.stdin.take().unwrap();
    let config: toml::Table = std::fs::read_to_string(node.join("norikv.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let address = config["http"].as_str().unwrap();
    wait_for("the node", || {
        http::get(address, "/readyz").filter(|reply| reply.status == 200)
    });
    signal(child.id(), "TERM");
    wait_for("the end of a node that was told to stop", || {
        (!alive(child.id())).then_some(())
    });
    assert!(child.wait().unwrap().success());
    drop(stdin);
}
