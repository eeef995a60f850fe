//! `norikv inspect` and `norikv verify`: whole files, and damaged ones.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nori_lsm::{Lsm, Options};
use tempfile::TempDir;

use crate::{norikv, said};

/// Runs `norikv` with `args`; says the exit code and what was said.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let output = norikv().args(args).output().unwrap();
    (output.status.code(), said(&output))
}

/// A store with tables, edits and a log.
fn filled() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        memtable_bytes: 20_000,
        log_segment_bytes: 16 << 20,
        ..Options::default()
    };
    let lsm = Lsm::open(dir.path(), options).unwrap();
    for number in 0..600_u32 {
        let key = format!("user {:04}", number * 7 % 400);
        lsm.put(key.as_bytes(), &[b'v'; 100]).unwrap();
    }
    lsm.delete(b"user 0001").unwrap();
    lsm.flush().unwrap();
    lsm.settle().unwrap();
    lsm.put(b"last", b"in the log").unwrap();
    dir
}

fn files(dir: &Path, word: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == word))
        .collect();
    paths.sort();
    paths
}

fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_whole_table_shows_its_blocks_and_a_damaged_one_shows_where() {
    let dir = filled();
    let table = files(dir.path(), "sst").remove(0);
    let (code, shown) = run(&["inspect", "sst", text(&table)]);
    assert_eq!(code, Some(0), "{shown}");
    for word in ["entries", "filter", "top index", "user 0"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let (_, all) = run(&["inspect", "sst", text(&table), "--all"]);
    assert!(all.contains("put at") && all.contains("vvvv"), "{all}");
    let (_, json) = run(&["inspect", "sst", text(&table), "--json"]);
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            value.get("uid").is_some() || value.get("block").is_some(),
            "{line}"
        );
    }

    flip(&table, 40);
    let (code, shown) = run(&["inspect", "sst", text(&table)]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("BAD: ") && shown.contains("top index"),
        "{shown}"
    );
    flip(&table, 40);
    flip(&table, fs::metadata(&table).unwrap().len() - 3);
    let (code, shown) = run(&["inspect", "sst", text(&table), "--json"]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("\"bad\":"), "{shown}");
}

#[test]
fn a_manifest_shows_its_edits_and_which_of_them_is_damaged() {
    let dir = filled();
    let manifest = files(dir.path(), "manifest").remove(0);
    let (code, shown) = run(&["inspect", "manifest", text(&manifest)]);
    assert_eq!(code, Some(0), "{shown}");
    for word in ["head", "base", "edit", "seal", "live at its end"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let (_, json) = run(&["inspect", "manifest", text(&manifest), "--output", "json"]);
    assert!(
        json.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    assert!(
        json.contains("\"part\":\"edit\"") && json.contains("\"table\":"),
        "{json}"
    );

    flip(&manifest, 60);
    let (code, shown) = run(&["inspect", "manifest", text(&manifest)]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("BAD"), "{shown}");
}

#[test]
fn a_segment_shows_its_groups_and_where_it_is_damaged() {
    let dir = filled();
    let logs = files(dir.path(), "log");
    let shown = |args: &[&str]| {
        let shown: Vec<_> = logs
            .iter()
            .map(|log| run(&[&["inspect", "wal", text(log)], args].concat()))
            .collect();
        let all: String = shown.iter().map(|(_, text)| text.as_str()).collect();
        (shown.iter().map(|(code, _)| *code).max().unwrap(), all)
    };
    let (code, whole) = shown(&[]);
    assert_eq!(code, Some(0), "{whole}");
    for word in ["header", "group", "segment"] {
        assert!(whole.contains(word), "{word}: {whole}");
    }
    let (_, all) = shown(&["--all"]);
    assert!(all.contains("record"), "{all}");
    let (_, json) = shown(&["--json"]);
    assert!(
        json.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    flip(&logs[0], 9);
    let (code, damaged) = shown(&[]);
    assert_eq!(code, Some(1), "{damaged}");
    assert!(damaged.contains("BAD: the header"), "{damaged}");
}

#[test]
fn verify_finds_every_damaged_file_and_says_nothing_about_sound_ones() {
    let dir = filled();
    let path = text(dir.path());
    let (code, shown) = run(&["verify", path]);
    assert_eq!(
        (code, shown.contains("sound: ")),
        (Some(0), true),
        "{shown}"
    );
    let tables = files(dir.path(), "sst");
    flip(&tables[0], 40);
    let (code, shown) = run(&["verify", path]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains(text(&tables[0])) && shown.contains("1 finding"),
        "{shown}"
    );
    let (code, json) = run(&["verify", path, "--json"]);
    assert_eq!(code, Some(1), "{json}");
    let report: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    let finding = &report["findings"][0];
    assert!(
        finding["file"].as_str().unwrap().ends_with(".sst"),
        "{json}"
    );
    assert!(finding["start"].as_u64().unwrap() <= 40, "{json}");
    flip(&tables[0], 40);
    fs::remove_file(&tables[0]).unwrap();
    let (code, shown) = run(&["verify", path]);
    assert!(code == Some(1) && shown.contains("missing"), "{shown}");
}

#[test]
fn what_is_no_store_or_in_use_is_refused_with_a_word_about_it() {
    let dir = filled();
    let lsm = Lsm::open(dir.path(), Options::default()).unwrap();
    let (code, shown) = run(&["verify", text(dir.path())]);
    assert!(code == Some(1) && shown.contains("has it open"), "{shown}");
    drop(lsm);
    let empty = tempfile::tempdir().unwrap();
    let (code, shown) = run(&["verify", text(empty.path())]);
    assert!(code == Some(1) && shown.contains("no store"), "{shown}");
    assert_eq!(
        fs::read_dir(empty.path()).unwrap().count(),
        0,
        "nothing is made"
    );
    let missing = empty.path().join("missing");
    let (code, shown) = run(&["verify", text(&missing)]);
    assert!(
        code == Some(1) && shown.contains("no such directory"),
        "{shown}"
    );
    let other = empty.path().join("notes.txt");
    fs::write(&other, "hello").unwrap();
    let (code, shown) = run(&["inspect", "sst", text(&other)]);
    assert!(code == Some(1) && shown.contains("named like"), "{shown}");
    let table = files(dir.path(), "sst").remove(0);
    let (code, shown) = run(&["inspect", "manifest", text(&table)]);
    assert!(code == Some(1) && shown.contains("no .manifest"), "{shown}");
}
