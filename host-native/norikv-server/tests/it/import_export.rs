//! Files in and out.

use std::fs;
use std::process::Stdio;

use crate::cluster::Cluster;
use crate::{said, wait_for};

fn ndjson(count: usize, generation: u32) -> String {
    (0..count)
        .map(|n| {
            format!("{{\"id\":\"pkg_{n:06}\",\"generation\":{generation},\"text\":\"x{n}\"}}\n")
        })
        .collect()
}

#[test]
fn an_export_is_what_was_imported_line_for_line() {
    let cluster = Cluster::start();
    let file = cluster.folder.path().join("records.ndjson");
    let file = file.to_str().unwrap();
    let text = ndjson(3_000, 1);
    fs::write(file, &text).unwrap();
    let import = [
        "import", file, "--format", "ndjson", "--key", "id", "--output", "json",
    ];
    let output = cluster.run(&import);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(r#"{"lines":3000,"written":3000,"refused":0}"#));
    let exported = cluster.run(&["export", "--format", "ndjson", "--key", "id"]);
    assert_eq!(String::from_utf8_lossy(&exported.stdout), text);

    let tsv = cluster.folder.path().join("all.tsv");
    assert!(
        cluster
            .run(&["export", tsv.to_str().unwrap(), "--format", "tsv"])
            .status
            .success()
    );
    let other = Cluster::start();
    assert!(
        other
            .run(&["import", tsv.to_str().unwrap(), "--format", "tsv"])
            .status
            .success()
    );
    let again = other.run(&["export", "--format", "tsv"]);
    assert_eq!(again.stdout, fs::read(&tsv).unwrap());
}

#[test]
fn an_import_goes_on_where_it_stood_when_it_was_killed() {
    let cluster = Cluster::start();
    let path = cluster.folder.path().join("records.ndjson");
    let file = path.to_str().unwrap();
    let text = ndjson(20_000, 1);
    fs::write(file, &text).unwrap();
    let import = [
        "import", file, "--format", "ndjson", "--key", "id", "--output", "json",
    ];
    let mut killed = cluster
        .command(&import)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let progress = cluster.folder.path().join("records.ndjson.progress");
    let offset = wait_for("the import to be under way", || {
        let text = fs::read_to_string(&progress).ok()?;
        let offset = serde_json::from_str::<serde_json::Value>(&text).ok()?["offset"].as_u64()?;
        (offset > 0).then_some(offset)
    });
    killed.kill().unwrap();
    assert!(
        !killed.wait().unwrap().success(),
        "it was killed in its middle"
    );
    assert!(offset < text.len() as u64);
    let output = cluster.run(&import);
    assert!(
        said(&output).contains(r#"{"lines":20000,"written":20000,"refused":0}"#),
        "{}",
        said(&output)
    );
    assert!(
        !progress.exists(),
        "a complete import leaves no progress file"
    );
    let exported = cluster.run(&["export", "--format", "ndjson", "--key", "id"]);
    assert!(
        exported.stdout == text.as_bytes(),
        "the export differs from the input"
    );
}

#[test]
fn the_last_of_two_lines_with_one_key_counts() {
    let cluster = Cluster::start();
    let file = cluster.folder.path().join("twice.tsv");
    let text: String = (0..2_000)
        .map(|n| format!("key-{}\t{n}\n", n % 10))
        .collect();
    fs::write(&file, text).unwrap();
    assert!(
        cluster
            .run(&["import", file.to_str().unwrap(), "--format", "tsv"])
            .status
            .success()
    );
    let exported = String::from_utf8(cluster.run(&["export"]).stdout).unwrap();
    let expected: String = (0..10)
        .map(|n| format!("key-{n}\t{}\n", 1_990 + n))
        .collect();
    assert_eq!(exported, expected);
}
