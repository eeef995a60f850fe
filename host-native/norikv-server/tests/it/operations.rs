//! Numbers, transactions, values that end and watches, by the command line and over HTTP.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::{http, said, wait_for};

#[test]
fn numbers_and_transactions_by_the_command_line() {
    let cluster = Cluster::start();
    assert_eq!(cluster.run(&["incr", "visits"]).stdout, b"1\n");
    assert_eq!(cluster.run(&["incr", "visits", "--by=-5"]).stdout, b"-4\n");
    assert!(cluster.run(&["put", "text", "hello"]).status.success());
    let refused = cluster.run(&["incr", "text"]);
    assert!(said(&refused).contains("not_a_number"), "{refused:?}");
    let sell = [
        "txn",
        "--if",
        "{shop}.stock is 5",
        "--then",
        "put {shop}.stock 4",
        "--then",
        "put {shop}.order ann and bob",
        "--else",
        "get {shop}.stock",
    ];
    let early = cluster.run(&sell);
    assert_eq!(early.status.code(), Some(1), "{early:?}");
    assert!(said(&early).contains("{shop}.stock: absent"), "{early:?}");
    assert!(cluster.run(&["put", "{shop}.stock", "5"]).status.success());
    assert!(cluster.run(&sell).status.success());
    assert_eq!(cluster.run(&["get", "{shop}.stock"]).stdout, b"4\n");
    let order = cluster.run(&["get", "{shop}.order"]).stdout;
    assert_eq!(order, b"ann and bob\n");
    let apart = cluster.run(&["txn", "--then", "put hello 1", "--then", "put world 2"]);
    assert!(said(&apart).contains("several_groups"), "{apart:?}");
}

#[test]
fn a_value_ends_on_every_node() {
    let cluster = Cluster::start();
    let address = &cluster.nodes[0].http;
    let written = http::put(address, "/kv/k?ttl=900ms", b"v").unwrap();
    assert_eq!(written.status, 200);
    let read = http::get(address, "/kv/k").unwrap();
    if read.status == 200 {
        let left: u64 = read.header("norikv-ttl-ms").unwrap().parse().unwrap();
        assert!(left <= 900, "{left}");
    }
    for node in &cluster.nodes {
        wait_for("the end of the value", || {
            let read = http::get(&node.http, "/kv/k").unwrap();
            (read.status == 404).then_some(())
        });
    }
    let bad = http::put(address, "/kv/k?ttl=soon", b"v").unwrap();
    assert_eq!(bad.status, 400);
    assert!(
        cluster
            .run(&["put", "k", "v", "--ttl", "1h"])
            .status
            .success()
    );
    let read = cluster.run(&["get", "k", "--output", "json"]);
    let item: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert!(item["expires_at_ms"].as_u64().is_some(), "{item}");
}

#[test]
fn transactions_over_http_are_refused_by_name_and_done_once() {
    let cluster = Cluster::start();
    let address = &cluster.nodes[1].http;
    let body = json!({
        "then": [{"op": "put", "key": "{a}x", "value": "1"}, {"op": "get", "key": "{a}y"}],
    });
    let body = body.to_string();
    let ask = |name| {
        let headers = [("Idempotency-Key", name)];
        http::ask(address, "POST", "/txn", &headers, body.as_bytes()).unwrap()
    };
    let first = ask("once");
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["succeeded"], true);
    assert_eq!(first.json()["results"][1]["exists"], false);
    assert_eq!(ask("once").json(), first.json());
    assert_ne!(ask("twice").json()["version"], first.json()["version"]);
    let bad = http::ask(
        address,
        "POST",
        "/txn",
        &[],
        b"{\"then\":[{\"op\":\"jump\"}]}",
    )
    .unwrap();
    assert_eq!(bad.status, 400);
    let counted = http::ask(address, "POST", "/incr/n?by=41", &[], b"").unwrap();
    assert_eq!(counted.json()["value"], 41);
}

#[test]
fn a_watch_goes_on_when_its_node_is_killed() {
    let cluster = Cluster::start();
    let mut watch = cluster
        .command(&["watch", "user:", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = |event: &str| loop {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if line["event"] == event {
            return line;
        }
    };
    next("cursor");
    assert!(cluster.run(&["put", "other", "x"]).status.success());
    for n in 0..6 {
        if n == 3 {
            cluster.nodes[0].kill();
        }
        wait_for("a write", || {
            let put = cluster.run(&["put", &format!("user:{n}"), "x"]);
            put.status.success().then_some(())
        });
        let line = next("put");
        assert_eq!(line["key"], format!("user:{n}"));
    }
    assert!(cluster.run(&["del", "user:0"]).status.success());
    assert_eq!(next("delete")["key"], "user:0");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_watch_goes_on_where_a_scan_of_a_follower_was() {
    let cluster = Cluster::start();
    for n in 0..20 {
        let key = format!("user:{n:02}");
        assert!(cluster.run(&["put", &key, "v"]).status.success());
    }
    let scan = [
        "scan",
        "user:",
        "--consistency",
        "follower",
        "--limit",
        "15",
    ];
    let scan = [&scan[..], &["--cursor", "--output", "json"]].concat();
    let scanned = String::from_utf8(cluster.run(&scan).stdout).unwrap();
    let (items, last) = scanned.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(items.lines().count(), 15, "{scanned}");
    let last: Value = serde_json::from_str(last).unwrap();
    let cursor = last["cursor"].as_str().unwrap();
    assert!(cluster.run(&["put", "user:03", "later"]).status.success());
    assert!(cluster.run(&["del", "user:04"]).status.success());
    let watch = ["watch", "user:", "--cursor", cursor, "--limit", "2"];
    let told = cluster.run(&watch).stdout;
    let mut told: Vec<&str> = std::str::from_utf8(&told).unwrap().lines().collect();
    // Two keys, maybe of two groups.
    told.sort_unstable();
    assert!(told[0].starts_with("del") && told[0].ends_with("user:04"));
    assert!(told[1].starts_with("put") && told[1].ends_with("user:03\tlater"));
    assert_eq!(told.len(), 2);
    let http = &cluster.nodes[2].http;
    let refused = http::get(http, &format!("/watch?cursor={}", &cursor[..6])).unwrap();
    assert_eq!(refused.status, 400);
}
