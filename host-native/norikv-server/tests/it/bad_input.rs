//! Every bad input gets a clear error, and nothing is lost.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::cluster::{Cluster, start};
use crate::{http, norikv, said, wait_for};

#[test]
fn a_key_over_1024_bytes_is_refused_by_its_limit() {
    let cluster = Cluster::start();
    let address = &cluster.nodes[0].http;
    let longest = format!("/kv/{}", "k".repeat(1_024));
    assert_eq!(http::put(address, &longest, b"v").unwrap().status, 200);
    let refused = http::put(address, &format!("{longest}k"), b"v").unwrap();
    assert_eq!(
        (refused.status, refused.json()["applied"].as_str()),
        (413, Some("no"))
    );
    assert!(refused.json()["message"].as_str().unwrap().contains("1024"));
}

#[test]
fn a_value_over_1_mib_is_refused_by_its_limit() {
    let cluster = Cluster::start();
    let address = &cluster.nodes[0].http;
    assert_eq!(
        http::put(address, "/kv/big", &vec![7; 1 << 20])
            .unwrap()
            .status,
        200
    );
    for length in [(1 << 20) + 1, 3 << 20] {
        let refused = http::put(address, "/kv/big", &vec![8; length]).unwrap();
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (413, Some("too_large"))
        );
    }
    let kept = http::get(address, "/kv/big").unwrap();
    assert_eq!(
        kept.body,
        vec![7; 1 << 20],
        "the refused writes changed nothing"
    );
}

#[test]
fn a_malformed_import_line_is_named_and_the_rest_goes_on() {
    let cluster = Cluster::start();
    let file = cluster.folder.path().join("records.tsv");
    let long = "k".repeat(1_025);
    fs::write(
        &file,
        format!("a\t1\nno tab here\nb\t2\n{long}\t3\nc\\q\t4\nd\t5\n"),
    )
    .unwrap();
    let output = cluster.run(&[
        "import",
        file.to_str().unwrap(),
        "--format",
        "tsv",
        "--output",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let said = said(&output);
    for line in ["line 2:", "line 4:", "line 5:"] {
        assert!(said.contains(line), "{line} is not named in:\n{said}");
    }
    assert!(
        said.contains(r#"{"lines":6,"written":3,"refused":3}"#),
        "{said}"
    );
    let exported = cluster.run(&["export", "--format", "tsv"]);
    assert_eq!(
        String::from_utf8_lossy(&exported.stdout),
        "a\t1\nb\t2\nd\t5\n"
    );
}

#[test]
fn a_certificate_of_another_authority_or_node_is_refused() {
    let cluster = Cluster::start();
    let [first, second, _] = &cluster.nodes[..] else {
        panic!("three nodes")
    };
    let [first_tls, second_tls] = [first, second].map(|node| node.folder.join("tls"));
    second.kill();

    copy_folder(&first_tls, &second_tls);
    let refused = norikv()
        .args(["start", "--config"])
        .arg(second.folder.join("norikv.toml"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("certificate"), "{}", said(&refused));

    let elsewhere = tempfile::tempdir().unwrap();
    let authority = elsewhere.path().join("authority");
    let issued = elsewhere.path().join("issued");
    let cert = |args: &[&str]| assert!(norikv().arg("cert").args(args).status().unwrap().success());
    cert(&["authority", authority.to_str().unwrap()]);
    cert(&[
        "node",
        authority.to_str().unwrap(),
        issued.to_str().unwrap(),
        "--node",
        "2",
    ]);
    copy_folder(&issued, &second_tls);
    let _foreign = second.start_again();
    let log = first.folder.join("log/norikv.log");
    wait_for("the refusal in the log of a node", || {
        let text = fs::read_to_string(&log).unwrap();
        text.lines()
            .find(|line| line.contains("certificate"))
            .map(str::to_owned)
    });
    assert!(first.ready(), "the others go on");
    assert!(!second.ready(), "a node that nobody talks to cannot serve");
}

#[test]
fn a_taken_port_is_named_with_its_node() {
    let cluster = Cluster::start();
    let taken = cluster.nodes[1].http.clone();
    let folder = cluster.stop();
    let _squatter = TcpListener::bind(&taken).unwrap();
    let refused = norikv()
        .args(["dev", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = said(&refused);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("node 2") && said.contains(&taken), "{said}");
}

#[test]
fn a_data_directory_of_another_cluster_is_refused() {
    let (one, other) = (Cluster::start(), Cluster::start());
    assert!(one.run(&["put", "k", "v"]).status.success());
    let (one, other) = (one.stop(), other.stop());
    let config = one.path().join("node-1/norikv.toml");
    let foreign = fs::read_to_string(other.path().join("node-1/norikv.toml")).unwrap();
    fs::write(&config, foreign).unwrap();
    copy_folder(
        &other.path().join("node-1/tls"),
        &one.path().join("node-1/tls"),
    );
    let refused = norikv()
        .args(["start", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("cluster"), "{}", said(&refused));
}

#[test]
fn a_data_directory_in_use_is_locked() {
    let cluster = Cluster::start();
    let config = cluster.nodes[0].folder.join("norikv.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    // Another port, so that only the directory is in the way.
    let http = &cluster.nodes[0].http;
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    text = text.replace(http, &free);
    let beside = cluster.nodes[0].folder.join("second.toml");
    fs::write(&beside, text).unwrap();
    let refused = norikv()
        .args(["start", "--config"])
        .arg(&beside)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let second_dev = norikv()
        .args(["dev", "--data-dir"])
        .arg(cluster.folder.path())
        .output()
        .unwrap();
    assert!(
        said(&second_dev).contains("another `norikv dev`"),
        "{}",
        said(&second_dev)
    );
}

#[test]
fn a_corrupted_file_is_named_and_never_read_as_something_else() {
    let cluster = Cluster::start();
    for key in 0..50 {
        let path = format!("/kv/key-{key}");
        assert_eq!(
            http::put(&cluster.nodes[0].http, &path, &[b'v'; 500])
                .unwrap()
                .status,
            200
        );
    }
    let folder = cluster.stop();
    let node = folder.path().join("node-1");
    let config = node.join("norikv.toml");
    let damage = |extension| {
        let victim = newest(&node.join("store"), extension);
        let sound = fs::read(&victim).unwrap();
        let mut damaged = sound.clone();
        damaged[100] ^= 0xff;
        fs::write(&victim, &damaged).unwrap();
        let name = victim.file_name().unwrap().to_str().unwrap().to_owned();
        (victim, name, sound)
    };
    // What a log held the others have too: it is named, and asked of them.
    let (_, name, _) = damage("log");
    let alone = start(&config);
    wait_for("the damage to be named", || {
        let log = fs::read_to_string(node.join("log/norikv.log")).ok()?;
        let tells = |line: &str| line.contains("corrupt") && line.contains(&name);
        log.lines().any(tells).then_some(())
    });
    drop(alone);
    // No other node has this one's tables.
    let (manifest, name, sound) = damage("manifest");
    let refused = norikv()
        .args(["start", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(
        refused.status.code(),
        Some(1),
        "a damaged manifest was taken"
    );
    let words = said(&refused);
    assert!(words.contains(&name), "{name} is not named: {words}");
    fs::write(&manifest, &sound).unwrap();
    let cluster = Cluster::start_with(folder, &[]);
    assert_eq!(
        http::get(&cluster.nodes[0].http, "/kv/key-7").unwrap().body,
        [b'v'; 500]
    );
}

#[test]
fn nonsense_on_the_command_line_is_refused_with_code_2() {
    for args in [
        &["put"][..],
        &["shard", "locate"],
        &["sim", "--seeds", "9..1"],
        &["fly"],
    ] {
        assert_eq!(
            norikv().args(args).output().unwrap().status.code(),
            Some(2),
            "{args:?}"
        );
    }
    let nobody = norikv()
        .args(["--endpoint", "127.0.0.1:1", "--timeout", "0.3", "get", "k"])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said(&nobody).contains("norikv dev"), "{}", said(&nobody));
    let empty = tempfile::tempdir().unwrap();
    let output = norikv()
        .arg("--data-dir")
        .arg(empty.path())
        .args(["get", "k"])
        .output()
        .unwrap();
    assert!(
        said(&output).contains("there is no cluster in"),
        "{}",
        said(&output)
    );
    assert_eq!(
        start(&empty.path().join("absent.toml"))
            .0
            .wait()
            .unwrap()
            .code(),
        Some(1)
    );
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The newest file below `folder` with this extension, by number.
fn newest(folder: &Path, extension: &str) -> PathBuf {
    let mut found = Vec::new();
    for sub in fs::read_dir(folder).unwrap() {
        let sub = sub.unwrap().path();
        let Ok(files) = fs::read_dir(&sub) else {
            continue;
        };
        for file in files {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|found| found == extension) {
                found.push(file);
            }
        }
    }
    found.sort();
    found.pop().unwrap()
}
