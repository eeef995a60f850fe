//! A byte of a node's log that is not what was written any more.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::cluster::{Cluster, Node};
use crate::{http, wait_for};

/// The file in `folder` that holds `what`, and where in it.
fn find(folder: &Path, what: &[u8]) -> Option<(PathBuf, u64)> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.into_iter().find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = bytes
            .windows(what.len())
            .position(|window| window == what)?;
        Some((path, at as u64))
    })
}

/// A counter of the node; `None` where it does not answer or has none.
fn counter(node: &Node, name: &str) -> Option<u64> {
    let metrics = String::from_utf8(http::get(&node.http, "/metrics")?.body).unwrap();
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.parse().ok()
}

/// Forty records, in a log that fell idle behind them, so that what follows proves what was
/// written.
fn fill(node: &Node) {
    for number in 0..40 {
        put(node, &format!("key-{number}"), &value(number));
    }
    let seals = counter(node, "norikv_log_seals_total").unwrap();
    put(node, "last", "before it is sealed");
    wait_for("the log to be sealed", || {
        (counter(node, "norikv_log_seals_total")? > seals).then_some(())
    });
}

fn value(number: u32) -> String {
    format!("the value number {number}.")
}

fn put(node: &Node, key: &str, value: &str) {
    wait_for("a write", || {
        let reply = http::put(&node.http, &format!("/kv/{key}"), value.as_bytes())?;
        (reply.status == 200).then_some(())
    });
}

/// Changes a byte of the record of key 20 in a node's log.
fn corrupt(node: &Node) {
    let log = node.folder.join("store/log");
    let (path, at) = find(&log, value(20).as_bytes()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"X", at).unwrap();
}

fn expect_repair(node: &Node) {
    wait_for("the log to be repaired", || {
        (counter(node, "norikv_log_repaired_total")? > 0).then_some(())
    });
    assert!(counter(node, "norikv_log_damaged_total").unwrap() > 0);
    wait_for("the node to be back", || node.ready().then_some(()));
    for number in 0..40 {
        let read = http::get(&node.http, &format!("/kv/key-{number}")).unwrap();
        assert_eq!(
            (read.status, &read.body[..]),
            (200, value(number).as_bytes())
        );
    }
}

#[test]
fn a_corrupted_byte_in_one_log_is_found_and_repaired_from_peers_while_the_cluster_serves() {
    let cluster = Cluster::start();
    let victim = cluster.nodes[1].clone();
    fill(&victim);
    victim.kill();
    corrupt(&victim);
    // The others serve meanwhile.
    put(&cluster.nodes[0], "meanwhile", "served");
    let _back = victim.start_again();
    expect_repair(&victim);
}

#[test]
fn a_byte_that_rots_under_a_node_that_runs_is_found_and_repaired() {
    let cluster = Cluster::start();
    let victim = &cluster.nodes[2];
    fill(victim);
    corrupt(victim);
    expect_repair(victim);
    // It is there for a restart, too.
    victim.kill();
    let back = victim.start_again();
    wait_for("the node to be back", || victim.ready().then_some(()));
    assert_eq!(counter(victim, "norikv_log_damaged_total"), Some(0));
    drop(back);
}
