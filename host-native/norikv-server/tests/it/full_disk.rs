//! A disk that fills up, on a small file system of the test's own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, Node, start};
use crate::{http, wait_for};

/// Runs in a mount namespace of its own: `$1` becomes a file system of 12 MiB, `$2` is the binary,
/// `$3` the node's configuration; what the disk holds at the end is copied to `$4`.
const SCRIPT: &str = r#"mount -t tmpfs -o size=12m none "$1" || exit 77
"$2" start --config "$3"
code=$?
cp -a "$1"/. "$4"/
exit $code"#;

#[test]
fn a_full_disk_is_named_and_nothing_acknowledged_is_lost() {
    let folder = Cluster::start_with(tempfile::tempdir().unwrap(), &["--nodes", "1"]).stop();
    let node = folder.path().join("node-1");
    let (store, copy) = (node.join("store"), node.join("copy"));
    fs::create_dir(&copy).unwrap();
    let config = node.join("norikv.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str("\n[tuning]\nwal_segment_bytes = 1048576\nmemtable_bytes = 1048576\n");
    fs::write(&config, text).unwrap();
    let seen: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    let address = seen["http"].as_str().unwrap().to_owned();

    let mut child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
        .args([
            store.as_path(),
            Path::new(env!("CARGO_BIN_EXE_norikv")),
            config.as_path(),
            copy.as_path(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ready =
        |address: &str| http::get(address, "/readyz").is_some_and(|reply| reply.status == 200);
    wait_for("the node on the small disk", || {
        ready(&address).then_some(())
    });
    let value = |key: usize| vec![u8::try_from(key % 251).unwrap(); 100_000];
    let mut acknowledged = Vec::new();
    let refusal = (0..1_000)
        .find_map(
            |key| match http::put(&address, &format!("/kv/key-{key}"), &value(key)) {
                Some(reply) if reply.status == 200 => {
                    acknowledged.push(key);
                    None
                }
                other => Some(other),
            },
        )
        .unwrap();
    if let Some(reply) = refusal {
        assert!(
            [500, 507].contains(&reply.status),
            "{}: {}",
            reply.status,
            reply.json()
        );
        assert_ne!(reply.json()["applied"], "yes");
    }
    assert!(
        acknowledged.len() > 20,
        "the disk was full after {}",
        acknowledged.len()
    );
    let output = {
        let status = child.wait().unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        (status.code(), said)
    };
    assert_eq!(output.0, Some(1), "{}", output.1);
    assert!(output.1.contains("no space"), "{}", output.1);

    // The disk is grown: the same bytes, with room.
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&copy, &store).unwrap();
    let _again = start(&config);
    let node = Node {
        number: 1,
        pid: 0,
        http: address,
        folder: node,
    };
    wait_for("the node with room", || node.ready().then_some(()));
    for key in acknowledged {
        let read = http::get(&node.http, &format!("/kv/key-{key}")).unwrap();
        assert!(
            read.status == 200 && read.body == value(key),
            "key-{key} is lost"
        );
    }
}
