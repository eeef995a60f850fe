//! A node that was away longer than the log reaches back.

use std::fs;

use crate::cluster::Cluster;
use crate::{http, said, wait_for};

/// Small enough that the log is released while the node is away.
const TUNING: &str =
    "\n[tuning]\nmemtable_bytes = 262144\nwal_segment_bytes = 1048576\nkeep_log_bytes = 65536\n";

#[test]
fn a_node_whose_log_was_released_meanwhile_returns_by_snapshot() {
    let folder = Cluster::start().stop();
    for node in 1..=3 {
        let path = folder.path().join(format!("node-{node}/norikv.toml"));
        // Tables of TOML come last, so the peers move behind the tuning.
        let text = fs::read_to_string(&path).unwrap();
        let (head, peers) = text.split_once("[[peers]]").unwrap();
        fs::write(&path, format!("{head}{TUNING}\n[[peers]]{peers}")).unwrap();
    }
    let cluster = Cluster::start_with(folder, &[]);
    let import = |generation: u32| {
        let path = cluster
            .folder
            .path()
            .join(format!("gen-{generation}.ndjson"));
        let filler = "x".repeat(400);
        let text: String = (0..6_000)
            .map(|n| format!("{{\"id\":\"pkg_{n:05}\",\"generation\":{generation},\"filler\":\"{filler}\"}}\n"))
            .collect();
        fs::write(&path, &text).unwrap();
        let file = path.to_str().unwrap();
        let output = cluster.run(&["import", file, "--format", "ndjson", "--key", "id"]);
        assert!(output.status.success(), "{}", said(&output));
        text
    };
    import(1);
    let victim = cluster.leader(0, &cluster.nodes[0]).unwrap();
    let witness = cluster.other(&victim);
    victim.kill();
    let last_applied = |node: &str, field: &str| -> Option<Vec<u64>> {
        let seen = http::get(node, "/meta/cluster")?.json();
        seen["groups"]
            .as_array()?
            .iter()
            .map(|group| group["replica"][field].as_u64())
            .collect()
    };
    let before = last_applied(&witness.http, "last_index").unwrap();
    let text = import(2);
    wait_for(
        "the log of every group to be released beyond where the node stopped",
        || {
            let released = last_applied(&witness.http, "released_index")?;
            released
                .iter()
                .zip(&before)
                .all(|(released, before)| released > before)
                .then_some(())
        },
    );
    let back = victim.start_again();
    wait_for("the returned node to have caught up", || {
        let there = last_applied(&victim.http, "applied_index")?;
        let here = last_applied(&witness.http, "applied_index")?;
        (there == here && victim.ready()).then_some(())
    });
    let metrics = String::from_utf8(http::get(&victim.http, "/metrics").unwrap().body).unwrap();
    let installed: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("norikv_snapshots_installed_total"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    assert!(installed > 0, "it did not return by snapshot:\n{metrics}");
    let export = [
        "--endpoint",
        &victim.http,
        "export",
        "--format",
        "ndjson",
        "--key",
        "id",
    ];
    assert!(crate::norikv().args(export).output().unwrap().stdout == text.as_bytes());
    drop(back);
    let cluster = Cluster::start_with(cluster.kill_all(), &[]);
    let exported = cluster
        .run(&["export", "--format", "ndjson", "--key", "id"])
        .stdout;
    assert!(
        exported == text.as_bytes(),
        "the export differs after a power cut of all nodes"
    );
}
