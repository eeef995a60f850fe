//! Replicas and leaders that move while clients write, and a disk that was lost.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::cluster::{Cluster, Node, Started};
use crate::{http, norikv, said, wait_for};

/// The groups as `shard list` shows them.
fn groups(cluster: &Cluster) -> Option<Vec<Value>> {
    let listed = cluster.run(&["shard", "list", "--output", "json"]);
    let lines = listed.status.success().then(|| said(&listed))?;
    lines
        .lines()
        .map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn has(list: &Value, node: u64) -> bool {
    list.as_array()
        .is_some_and(|nodes| nodes.iter().any(|other| other.as_u64() == Some(node)))
}

/// Waits until each group has these voters and nothing is under way.
fn wait_for_voters(cluster: &Cluster, voters: &[u64]) {
    wait_for("every group to have its voters", || {
        let groups = groups(cluster)?;
        let settled = groups.iter().all(|group| {
            group["leader"].is_u64()
                && group["outgoing"].as_array().is_some_and(Vec::is_empty)
                && group["learners"].as_array().is_some_and(Vec::is_empty)
                && group["voters"].as_array().map(Vec::len) == Some(voters.len())
                && voters.iter().all(|node| has(&group["voters"], *node))
                && group["behind"].as_array().is_some_and(Vec::is_empty)
        });
        (groups.len() == 8 && settled).then_some(())
    });
}

fn read_back(node: &Node, key: &str, value: &str) {
    wait_for("a read", || {
        let read = http::get(&node.http, &format!("/kv/{key}"))?;
        assert_ne!(read.status, 404, "{key} was acknowledged");
        (read.status == 200).then(|| assert_eq!(read.body, value.as_bytes()))
    });
}

#[test]
fn replicas_and_leaders_move_by_the_command_line_while_clients_write() {
    let cluster = Cluster::start();
    let done = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut acknowledged = Vec::new();
            let mut number = 0_u32;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                let key = format!("key-{number}");
                let node = &cluster.nodes[number as usize % 3];
                let put = http::put(&node.http, &format!("/kv/{key}"), key.as_bytes());
                if put.is_some_and(|reply| reply.status == 200) {
                    acknowledged.push(key);
                }
            }
            acknowledged
        });
        for group in ["0", "3"] {
            let shown = wait_for("the groups", || groups(&cluster));
            let index: usize = group.parse().unwrap();
            let leader = shown[index]["leader"].as_u64().unwrap();
            let heir = (leader % 3 + 1).to_string();
            let gone = ((leader + 1) % 3 + 1).to_string();
            for step in [
                ["shard", "transfer", group, heir.as_str()],
                ["shard", "remove-replica", group, gone.as_str()],
                ["shard", "add-replica", group, gone.as_str()],
            ] {
                wait_for("a move", || {
                    let moved = cluster.run(&step);
                    moved.status.success().then_some(())
                });
                let now = wait_for("the groups", || groups(&cluster));
                let voters = &now[index]["voters"];
                assert_eq!(
                    has(voters, gone.parse().unwrap()),
                    step[1] != "remove-replica",
                    "{step:?}: {now:?}"
                );
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(!written.is_empty(), "nothing was written meanwhile");
    wait_for_voters(&cluster, &[1, 2, 3]);
    for key in &written {
        read_back(&cluster.nodes[0], key, key);
    }
}

#[test]
fn a_node_whose_disk_was_lost_votes_again_once_its_leaders_brought_it_back() {
    let cluster = Cluster::start();
    let [first, lost, third] = [0, 1, 2].map(|at: usize| cluster.nodes[at].clone());
    for number in 0..40 {
        let put = || http::put(&first.http, &format!("/kv/key-{number}"), b"kept");
        wait_for("a write", || (put()?.status == 200).then_some(()));
    }
    lost.kill();
    let config = lost.folder.join("norikv.toml");
    let refused = norikv()
        .args(["start", "--replace", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert!(!refused.status.success(), "it has data: {refused:?}");
    assert!(
        said(&refused).contains("in place of a lost one"),
        "{refused:?}"
    );
    fs::remove_dir_all(lost.folder.join("store")).unwrap();
    let child = norikv()
        .args(["start", "--replace", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _back = Started(child);
    // What the others say may be from before the loss; what the node holds is not.
    wait_for("the node to vote in every group again", || {
        let seen = http::get(&lost.http, "/meta/cluster")?.json();
        let groups = seen["groups"].as_array()?;
        let votes = |group: &Value| has(&group["replica"]["configuration"]["voters"], lost.number);
        groups.iter().all(votes).then_some(())
    });
    wait_for_voters(&cluster, &[1, 2, 3]);
    // Its vote counts: with another node gone it is one of the two that are needed.
    first.kill();
    for number in 0..40 {
        read_back(&third, &format!("key-{number}"), "kept");
    }
    let put = || http::put(&third.http, "/kv/after", b"all");
    wait_for("a write", || (put()?.status == 200).then_some(()));
}
