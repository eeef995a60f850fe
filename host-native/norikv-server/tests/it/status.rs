//! What the cluster says about itself.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{Cluster, alive, signal};
use crate::{http, said, wait_for};

fn rows(cluster: &Cluster) -> Vec<Value> {
    let output = cluster.run(&["cluster", "status", "--output", "json"]);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn state_of(cluster: &Cluster, node: u64) -> Option<String> {
    let rows = rows(cluster);
    let row = rows.iter().find(|row| row["node"] == node)?;
    row["state"].as_str().map(str::to_owned)
}

#[test]
fn a_killed_node_becomes_faulty_and_alive_again_when_it_is_back() {
    let cluster = Cluster::start();
    let victim = cluster.nodes[2].clone();
    wait_for("all nodes alive", || {
        (1..=3)
            .all(|node| state_of(&cluster, node).as_deref() == Some("alive"))
            .then_some(())
    });
    victim.kill();
    wait_for("the killed node to be faulty", || {
        (state_of(&cluster, victim.number)? == "faulty").then_some(())
    });
    let _back = victim.start_again();
    wait_for("the returned node to be alive", || {
        (state_of(&cluster, victim.number)? == "alive").then_some(())
    });
    wait_for("the returned node to be ready", || {
        victim.ready().then_some(())
    });
}

#[test]
fn the_table_shows_every_node() {
    let cluster = Cluster::start();
    let output = said(&cluster.run(&["cluster", "status"]));
    for node in &cluster.nodes {
        assert!(output.contains(&node.http), "{output}");
    }
    assert!(output.contains("GROUPS LED"), "{output}");
}

#[test]
fn a_node_in_a_minority_is_alive_but_not_ready() {
    let cluster = Cluster::start();
    let [first, second, third] = &cluster.nodes[..] else {
        panic!("three nodes")
    };
    second.kill();
    third.kill();
    wait_for("the lone node to say that it cannot serve", || {
        let reply = http::get(&first.http, "/readyz")?;
        (reply.status == 503).then(|| assert_eq!(reply.json()["code"], "no_leader"))
    });
    assert_eq!(http::get(&first.http, "/livez").unwrap().status, 200);
    let refused = http::put(&first.http, "/kv/k?timeout_ms=500", b"v").unwrap();
    assert!([503, 504].contains(&refused.status), "{}", refused.status);
    let stale = http::get(&first.http, "/kv/k?consistency=stale_ok").unwrap();
    assert_eq!(stale.status, 404, "a stale read asks nobody");
}

#[test]
fn metrics_are_openmetrics_and_count_what_happens() {
    let cluster = Cluster::start();
    for key in 0..20 {
        http::put(&cluster.nodes[0].http, &format!("/kv/{key}"), b"v").unwrap();
    }
    let reply = http::get(&cluster.nodes[0].http, "/metrics").unwrap();
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.ends_with("# EOF\n"));
    for name in ["requests", "commit", "sync", "leader", "members"] {
        assert!(text.contains(name), "nothing about {name} in:\n{text}");
    }
}

#[test]
fn a_shard_is_located_without_a_cluster() {
    for (key, shard) in [("hello", 309), ("world", 752), ("user:123", 928)] {
        let output = crate::norikv()
            .args(["shard", "locate", key, "--output", "json"])
            .output()
            .unwrap();
        let located: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (located["shard"].as_u64(), located["key"].as_str()),
            (Some(shard), Some(key))
        );
        assert_eq!(located["group"].as_u64(), Some(shard / 128));
    }
}

#[test]
fn dev_is_ready_within_two_seconds_and_takes_its_nodes_with_it() {
    let start = Instant::now();
    let cluster = Cluster::start();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(2), "ready after {took:?}");
    signal(cluster.dev_pid(), "KILL");
    for node in &cluster.nodes {
        wait_for("the end of a node whose dev was killed", || {
            (!alive(node.pid)).then_some(())
        });
    }
}
