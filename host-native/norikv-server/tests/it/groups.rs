//! A cluster's number of groups: chosen when it is made, never changed.

use std::fs;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::{http, norikv, said};

#[test]
fn the_number_of_groups_is_chosen_when_a_cluster_is_made_and_fixed_then() {
    let cluster = Cluster::start_with(tempfile::tempdir().unwrap(), &["--groups", "64"]);
    let through = &cluster.nodes[0].http;
    for key in 0..100 {
        let reply = http::put(through, &format!("/kv/{key}"), b"v").unwrap();
        assert_eq!(reply.status, 200, "key {key}");
    }
    let seen = http::get(through, "/meta/cluster").unwrap().json();
    assert_eq!(seen["groups"].as_array().unwrap().len(), 64);
    let located = cluster.run(&["shard", "locate", "hello", "--output", "json"]);
    let located: Value = serde_json::from_slice(&located.stdout).unwrap();
    assert_eq!(located["group"].as_u64(), Some(309 / 16));
    let folder = cluster.stop();

    let dev = |groups: &str| {
        let mut dev = norikv();
        dev.args(["dev", "--groups", groups, "--data-dir"]);
        dev.arg(folder.path()).output().unwrap()
    };
    let refused = dev("32");
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("a cluster of 64 groups"),
        "{refused:?}"
    );
    for nonsense in ["0", "3", "2048"] {
        assert!(!dev(nonsense).status.success(), "{nonsense}");
    }

    let config = folder.path().join("node-1").join("norikv.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("groups = 64", "groups = 32")).unwrap();
    let mut start = norikv();
    let refused = start.args(["start", "--config"]).arg(&config).output();
    let refused = refused.unwrap();
    assert!(!refused.status.success());
    assert!(said(&refused).contains("number of groups"), "{refused:?}");
}
