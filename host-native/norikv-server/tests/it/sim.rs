//! `norikv sim`: runs by seed and by file, told in order, written down and run again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{norikv, said};

/// Runs `norikv sim` with `args`; says the exit code and what was said.
fn sim(args: &[&str]) -> (Option<i32>, String) {
    let output = norikv().arg("sim").args(args).output().unwrap();
    (output.status.code(), said(&output))
}

/// Lines that tell of runs, without the figures of speed.
fn runs(text: &str) -> Vec<String> {
    let runs = text.lines().filter(|line| line.ends_with(" steps"));
    runs.map(str::to_owned).collect()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn seeds_are_told_in_order_and_alike_however_many_run_at_a_time() {
    let (code, alone) = sim(&["--seeds", "3..6", "--jobs", "1"]);
    assert_eq!(code, Some(0), "{alone}");
    assert_eq!(runs(&alone).len(), 4, "{alone}");
    let (_, together) = sim(&["--seeds", "3..6", "--jobs", "4"]);
    assert_eq!(runs(&together), runs(&alone));
    for (seed, run) in (3..).zip(runs(&alone)) {
        let report = norikv_sim::run_seed(seed);
        let expected = format!("{seed} {:016x} {} steps", report.hash, report.steps);
        assert_eq!(run, expected);
    }
    assert!(alone.contains("4 runs, 0 broken") && alone.contains("seeds/s"));
    assert!(alone.contains("times real time") && alone.contains("events/s"));
}

#[test]
fn a_summary_says_what_struck() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.md");
    let (code, said) = sim(&["--seeds", "1..4", "--summary", text(&path)]);
    assert_eq!(code, Some(0), "{said}");
    let summary = fs::read_to_string(path).unwrap();
    assert!(summary.starts_with("4 runs, 0 broken"), "{summary}");
    assert!(summary.contains("| crash at write |"), "{summary}");
}

#[test]
fn a_trace_runs_again_and_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.trace");
    let (code, said) = sim(&["--seed", "7", "--trace", text(&path)]);
    assert_eq!(code, Some(0), "{said}");
    let report = norikv_sim::run_seed(7);
    let (code, said) = sim(&["--replay", text(&path)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("{:016x}", report.hash)), "{said}");
    assert!(said.contains("the same again"), "{said}");

    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, said) = sim(&["--replay", text(&path)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("damaged at"), "{said}");
}

#[test]
fn steps_of_the_page_can_be_written_down_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.trace");
    let args = ["--seed", "42", "--steps", "500", "--trace", text(&path)];
    let (code, said) = sim(&args);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = sim(&["--replay", text(&path), "--output", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let replay: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (replay["same"].as_bool(), replay["steps"].as_u64()),
        (Some(true), Some(500))
    );
}

const SCENARIO: &str = "norikv_scenario = 1
[cluster]
seed = 5
plan = [
    { at_ms = 1500, do = \"put\", client = 0, key = 3 },
    { at_ms = 1600, do = \"kill\", node = 2, for_ms = 300 },
]
[cluster.clients]
count = 1
judged = true
";

#[test]
fn a_scenario_runs_with_its_own_seed_or_with_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "scenario.toml", SCENARIO);
    let (code, own) = sim(&["--scenario", text(&path)]);
    assert_eq!(code, Some(0), "{own}");
    assert!(runs(&own)[0].starts_with("5 "), "{own}");
    let (_, others) = sim(&["--scenario", text(&path), "--seeds", "5..6"]);
    assert_eq!(runs(&others)[0], runs(&own)[0]);
    assert_eq!(runs(&others).len(), 2);
}

#[test]
fn a_scenario_that_is_not_understood_is_refused_by_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    for (wrong, right, named) in [
        ("seeed = 5", "seed = 5", ["line 3", "seeed"]),
        ("count = \"many\"", "count = 1", ["line 9", "count"]),
        ("node = 2, how = 9", "node = 2", ["entry 2", "\"how\""]),
        ("client = 4", "client = 0", ["client 4", "of 1"]),
        (
            "= 2\n[cluster]",
            "= 1\n[cluster]",
            ["scenario format 2", "format 1"],
        ),
    ] {
        let path = file(&folder, "wrong.toml", &SCENARIO.replace(right, wrong));
        let (code, said) = sim(&["--scenario", text(&path)]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("wrong.toml"), "{said}");
        for name in named {
            assert!(said.contains(name), "{name} is not named: {said}");
        }
    }
}

#[test]
fn the_other_worlds_run_by_seed_and_by_file() {
    let (code, said) = sim(&["--world", "storage", "--seeds", "1..3"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(runs(&said).len(), 3, "{said}");
    let (code, said) = sim(&["--world", "storage", "--seed", "1", "--minimise"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("only runs of clusters"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let scenario = "norikv_scenario = 1\n[gossip]\nseed = 12\nmembers = 5\n";
    let path = file(&folder, "gossip.toml", scenario);
    let (code, said) = sim(&["--scenario", text(&path)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(runs(&said)[0].starts_with("12 "), "{said}");
}

#[test]
fn an_unknown_promise_is_refused_with_the_names_of_all() {
    let (code, said) = sim(&["--until", "two-kings"]);
    assert_eq!(code, Some(2), "{said}");
    for name in norikv_sim::Violation::NAMES {
        assert!(said.contains(name), "{name} is missing: {said}");
    }
}

#[test]
fn looking_for_what_never_happens_ends_with_the_seeds() {
    let args = ["--until", "two-leaders", "--seeds", "1..3", "--minimise"];
    let (code, said) = sim(&args);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(runs(&said).len(), 3, "{said}");
    assert!(said.contains("nothing to make small"), "{said}");
}
