//! A short run of the harness itself against real processes.
//!
//! `NORIKV_BIN` names the `norikv` binary; unset, it is built in the profile of this test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The `norikv` binary.
fn norikv() -> PathBuf {
    if let Some(path) = env::var_os("NORIKV_BIN") {
        return path.into();
    }
    let harness = PathBuf::from(env!("CARGO_BIN_EXE_norikv-chaos"));
    let folder = harness.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let cargo = env::var_os("CARGO").unwrap();
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "norikv-server",
            "--bin",
            "norikv",
        ])
        .args(["--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "norikv does not build");
    folder.join("norikv")
}

#[test]
fn a_short_run_with_every_fault_has_no_violation() {
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_norikv-chaos"))
        .args(["--short", "--seed", "1", "--minutes", "0.4", "--json"])
        .arg("--binary")
        .arg(norikv())
        .arg("--dir")
        .arg(scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    if report["violations"] != Value::Array(Vec::new()) {
        // What is kept for people would go with the scratch folder.
        let kept = scratch.keep();
        panic!("{}\n{report:#}\n{said}", kept.display());
    }
    assert!(output.status.success(), "{said}");
    let count = |part: &str, field: &str| report[part][field].as_u64().unwrap();
    for kind in norikv_chaos::Kind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        let tally = &report["faults"][name.as_str().unwrap()];
        let carried_out = tally["fired"].as_u64().unwrap_or(0);
        let passed_over = tally["passed_over"].as_u64().unwrap_or(0);
        if kind == norikv_chaos::Kind::FillDisk && report["disks"]["Err"].is_string() {
            assert_eq!(carried_out, 0);
        } else {
            assert!(carried_out + passed_over > 0, "{kind:?}: {report:#}");
        }
    }
    let acknowledged = report["operations"]["put"]["answered"].as_u64().unwrap();
    assert!(acknowledged > 20, "{acknowledged} puts were acknowledged");
    assert!(count("judged", "yes") > 0, "{report:#}");
    assert_eq!(
        report["judged_at_last"]["yes"], report["epochs"],
        "{report:#}"
    );
    assert!(count("packets", "dropped") > 0 && count("packets", "held") > 0);
    assert!(count("rest", "records") > 0 && count("rest", "read") > 0);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn the_plan_of_a_seed_is_printed_and_always_the_same() {
    let plan = || {
        let output = Command::new(env!("CARGO_BIN_EXE_norikv-chaos"))
            .args([
                "--binary",
                "norikv",
                "--seed",
                "9",
                "--minutes",
                "5",
                "--plan",
            ])
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = plan();
    assert!(printed.lines().count() > 50, "{printed}");
    assert!(printed.contains("SIGKILL the leader of group"), "{printed}");
    assert_eq!(printed, plan());
}

#[test]
fn writes_to_every_group_that_a_killed_node_led_resume() {
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_norikv-chaos"))
        .args(["failover", "--kills", "4", "--json"])
        .arg("--binary")
        .arg(norikv())
        .arg("--dir")
        .arg(scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let kills = report["kills"].as_array().unwrap();
    assert_eq!(kills.len(), 4);
    for kill in kills {
        let groups = kill["groups"].as_array().unwrap();
        assert!(
            !groups.is_empty(),
            "a node that leads nothing is not killed"
        );
        for group in groups {
            // No vote is given while the dead leader's lease may hold; the rest is a machine that is
            // busy with other tests.
            let ms = group[1].as_u64().unwrap();
            assert!((100..5_000).contains(&ms), "{report}");
        }
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}
