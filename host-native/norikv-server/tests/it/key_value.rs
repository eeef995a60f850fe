//! The README's promises about keys and values.

use std::thread;

use crate::cluster::Cluster;
use crate::{http, said};

#[test]
fn values_go_in_and_come_out_through_any_node() {
    let cluster = Cluster::start();
    let [first, second, third] = &cluster.nodes[..] else {
        panic!("three nodes")
    };
    let written = http::put(&first.http, "/kv/a%2Fb%FF", b"raw\0bytes").unwrap();
    assert_eq!(written.status, 200);
    let version = &written.json()["version"];
    for node in [first, second, third] {
        let read = http::get(&node.http, "/kv/a%2Fb%FF").unwrap();
        assert_eq!((read.status, &read.body[..]), (200, &b"raw\0bytes"[..]));
        let tag = format!("\"{}-{}\"", version["term"], version["index"]);
        assert_eq!(read.header("etag"), Some(&tag[..]));
        let lease = http::get(&node.http, "/kv/a%2Fb%FF?consistency=lease").unwrap();
        assert_eq!(lease.status, 200);
    }
    let deleted = http::ask(&second.http, "DELETE", "/kv/a%2Fb%FF", &[], b"").unwrap();
    assert_eq!(deleted.status, 200);
    assert_eq!(http::get(&third.http, "/kv/a%2Fb%FF").unwrap().status, 404);
    let again = http::ask(&second.http, "DELETE", "/kv/a%2Fb%FF", &[], b"").unwrap();
    assert_eq!(
        again.status, 200,
        "deleting what is absent is a write like any other"
    );
}

#[test]
fn the_command_line_reads_what_it_wrote() {
    let cluster = Cluster::start();
    assert!(cluster.run(&["put", "hello", "world"]).status.success());
    assert_eq!(cluster.run(&["get", "hello"]).stdout, b"world\n");
    let absent = cluster.run(&["get", "nobody"]);
    assert!(!absent.status.success() && said(&absent).contains("nobody"));
    assert!(
        cluster
            .run(&["cas", "hello", "absent", "moon"])
            .status
            .code()
            == Some(1)
    );
    for key in ["user:1", "user:2", "user:3", "zoo"] {
        assert!(cluster.run(&["put", key, "x"]).status.success());
    }
    let scan = cluster.run(&["scan", "user:", "--output", "json"]);
    let keys: Vec<String> = String::from_utf8(scan.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["key"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(keys, ["user:1", "user:2", "user:3"]);
    assert!(cluster.run(&["del", "hello"]).status.success());
    assert!(!cluster.run(&["get", "hello"]).status.success());
}

#[test]
fn of_sixteen_concurrent_if_match_writers_exactly_one_wins() {
    let cluster = Cluster::start();
    let tag = http::put(&cluster.nodes[0].http, "/kv/contested", b"start")
        .unwrap()
        .json();
    let tag = format!("\"{}-{}\"", tag["version"]["term"], tag["version"]["index"]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let address = &cluster.nodes[writer % 3].http;
                let tag = &tag;
                scope.spawn(move || {
                    let body = format!("writer {writer}");
                    let condition = [("If-Match", &tag[..])];
                    let path = "/kv/contested";
                    http::ask(address, "PUT", path, &condition, body.as_bytes())
                        .unwrap()
                        .status
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 412).count(),
        15,
        "{statuses:?}"
    );
}

#[test]
fn a_named_write_happens_once_and_its_name_serves_no_other() {
    let cluster = Cluster::start();
    let name = [("Idempotency-Key", "order-7")];
    let address = |node: usize| &cluster.nodes[node].http;
    let put =
        |node, body: &[u8]| http::ask(address(node), "PUT", "/kv/order", &name, body).unwrap();
    let first = put(0, b"one").json();
    http::put(address(1), "/kv/order", b"two").unwrap();
    assert_eq!(
        put(2, b"one").json(),
        first,
        "the repeated write answers with the first version"
    );
    assert_eq!(http::get(address(0), "/kv/order").unwrap().body, b"two");
    let other = put(1, b"three");
    assert_eq!(
        (other.status, other.json()["applied"].as_str()),
        (422, Some("no"))
    );
}
