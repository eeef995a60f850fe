//! Whose a data directory is, and what happens when it is damaged.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nori_observe::Value;
use norikv_node::{Answer, Call, Consistency};
use norikv_runtime::{Error, Runtime, RuntimeHandle};
use norikv_types::{ErrorKind, NodeId};

use crate::cluster::{Cluster, PATIENCE, put, until, until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_directory_is_refused() {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    let error = cluster.refused(cluster.config(1));
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains("node-1 is in use"), "{error}");
    // The first one did not notice.
    until_ready(node.handle()).await;
    put(node.handle(), "key", "value").await.expect("written");
    node.shutdown().await.expect("clean");
    cluster.start(1).shutdown().await.expect("released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_cluster_or_node_is_refused_and_kept() {
    let cluster = Cluster::of(2);
    cluster.start(1).shutdown().await.expect("clean");
    let mut config = cluster.config(1);
    config.node.cluster = 7;
    let error = cluster.refused(config);
    let text = error.to_string();
    assert!(
        text.contains("cluster is 0x0123456789abcdef") && text.contains("0x0000000000000007"),
        "{text}"
    );
    let mut config = cluster.config(2);
    config.data_dir = cluster.data_dir(1);
    let error = cluster.refused(config);
    assert!(
        matches!(error, Error::Foreign { what: "node", .. }),
        "{error}"
    );
    let mut config = cluster.config(1);
    config.node.groups = 4;
    let error = cluster.refused(config);
    assert!(
        matches!(
            error,
            Error::Foreign {
                what: "number of groups",
                ..
            }
        ),
        "{error}"
    );
    cluster.start(1).shutdown().await.expect("still its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_identity_is_refused_by_name() {
    let cluster = Cluster::of(1);
    cluster.start(1).shutdown().await.expect("clean");
    let path = cluster.data_dir(1).join("identity");
    let mut bytes = fs::read(&path).expect("there");
    bytes[9] ^= 1;
    fs::write(&path, bytes).expect("written");
    let error = cluster.refused(cluster.config(1));
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_manifest_is_refused_by_name() {
    let cluster = filled().await;
    let manifest = files(&cluster.data_dir(1).join("data"), "manifest")
        .pop()
        .expect("there");
    flip(&manifest, fs::read(&manifest).expect("there").len() / 2);
    let error = cluster.refused(cluster.config(1));
    assert!(error.to_string().contains(&name(&manifest)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_log_is_refused_by_name() {
    let cluster = filled().await;
    let logs = files(&cluster.data_dir(1).join("log"), "log");
    // Somewhere among the records of the segment that has the most of them.
    let used = |path: &PathBuf| {
        let bytes = fs::read(path).expect("there");
        bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0)
    };
    let log = logs.iter().max_by_key(|path| used(path)).expect("there");
    flip(log, used(log) / 2);
    let error = cluster.refused(cluster.config(1));
    let text = error.to_string();
    assert!(
        text.contains(&name(log)) && text.contains("bytes "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_before_a_pause_is_proven_and_never_taken_for_a_torn_tail() {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    until_ready(node.handle()).await;
    let value = "something that was acknowledged";
    put(node.handle(), "key", value).await.expect("written");
    // A seal that is counted from here on proves it, and the second write sees to it that one comes.
    let before = seals(node.handle());
    put(node.handle(), "other", "x").await.expect("written");
    until(node.handle(), "sealed", async |node| seals(node) > before).await;
    // Ends without closing its log.
    drop(node);
    let logs = files(&cluster.data_dir(1).join("log"), "log");
    let found = logs.iter().find_map(|log| {
        let bytes = fs::read(log).expect("there");
        let at = bytes
            .windows(value.len())
            .position(|window| window == value.as_bytes())?;
        Some((log, at))
    });
    let (log, at) = found.expect("it is in the log");
    flip(log, at);
    let error = loop {
        match cluster.refused(cluster.config(1)) {
            // The threads of before have not let go yet.
            Error::Locked { .. } | Error::Transport(_) => tokio::task::yield_now().await,
            error => break error,
        }
    };
    assert!(error.to_string().contains(&name(log)), "{error}");
}

fn seals(node: &RuntimeHandle) -> u64 {
    let samples = node.metrics().snapshot();
    let seals = samples
        .iter()
        .find(|sample| sample.name() == "norikv_log_seals");
    match seals.map(|sample| sample.value()) {
        Some(Value::Counter(count)) => *count,
        other => panic!("no counter: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_a_table_is_never_a_wrong_value() {
    let cluster = filled().await;
    for table in files(&cluster.data_dir(1).join("data"), "sst") {
        flip(&table, 1_000);
    }
    let node = match Runtime::start(cluster.config(1)) {
        Ok(node) => node,
        Err(error) => {
            assert!(error.to_string().contains(".sst"), "{error}");
            return;
        }
    };
    until_ready(node.handle()).await;
    let mut corrupt = 0;
    for number in 0..KEYS {
        let call = Call::Get {
            key: Bytes::from(format!("key-{number}")),
            consistency: Consistency::Linearizable,
        };
        match node.handle().call(call, PATIENCE).await {
            Ok(Answer::Value { value, .. }) => assert_eq!(value, "x".repeat(100)),
            Err(failure) => {
                assert_eq!(failure.kind, ErrorKind::Corrupt, "{failure}");
                assert!(failure.message.contains(".sst"), "{failure}");
                corrupt += 1;
            }
            Ok(other) => panic!("key-{number}: {other:?}"),
        }
    }
    assert!(corrupt > 0, "the byte lies in no block that was read");
    drop(node);
}

/// A cluster of one, stopped, with something in its log and its storage.
async fn filled() -> Cluster {
    let cluster = Cluster::of(1);
    let node = cluster.start(1);
    until_ready(node.handle()).await;
    for number in 0..KEYS {
        put(node.handle(), &format!("key-{number}"), &"x".repeat(100))
            .await
            .expect("written");
    }
    node.shutdown().await.expect("clean");
    cluster
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("there");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn name(path: &Path) -> String {
    path.file_name()
        .expect("named")
        .to_string_lossy()
        .into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_and_the_directory_released() {
    let cluster = Cluster::of(1);
    let config = cluster.config(1);
    let held = std::net::UdpSocket::bind(config.listen).expect("free");
    let error = cluster.refused(config.clone());
    let text = error.to_string();
    assert!(
        text.contains("node 1") && text.contains(&config.listen.to_string()),
        "{text}"
    );
    drop(held);
    cluster.start(1).shutdown().await.expect("released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_an_address_is_refused() {
    let cluster = Cluster::of(2);
    let mut config = cluster.config(1);
    config.peers.remove(&NodeId(2));
    let error = cluster.refused(config);
    assert!(
        error
            .to_string()
            .contains("node 1 has no address for node 2"),
        "{error}"
    );
    assert!(
        fs::read_dir(cluster.folder())
            .expect("there")
            .next()
            .is_none(),
        "nothing was made"
    );
    assert!(Runtime::start(cluster.config(1)).is_ok());
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

const KEYS: u32 = 500;
