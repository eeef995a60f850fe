//! Small runs of everything: the workloads check every answer, so a run that ends well has read what
//! was written.

use std::process::Command;
use std::time::Duration;

use norikv_bench::embedded::{ENGINES, GROUPS};
use norikv_bench::{Scratch, Times, cluster};

const TIMES: Times = Times {
    warm_up: Duration::from_millis(50),
    measured: Duration::from_millis(500),
};

/// Runs the program with `arguments` and gives its standard output.
fn embedded(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_norikv-bench"));
    command.arg("embedded").args(arguments);
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_small_embedded_run_gives_a_row_for_every_workload_and_leaves_nothing_behind() {
    let scratch = Scratch::make(None).expect("a folder");
    let (data, out) = (scratch.join("data"), scratch.join("out"));
    let size = ["--keys", "2000", "--seconds", "0.02", "--rounds", "2"];
    let sizes = ["--memtable-mib", "1", "--cache-mib", "1"];
    let text = embedded(
        &[
            &size[..],
            &sizes,
            &["--json"],
            &["--out", out.to_str().expect("text")],
            &["--dir", data.to_str().expect("text")],
        ]
        .concat(),
    );
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    for engine in ENGINES {
        let groups = GROUPS.iter();
        let groups = groups.filter(|group| engine.is_lsm || !group.is_lsm_only);
        for workload in groups.flat_map(|group| group.workloads) {
            let row = rows.iter().find(|row| {
                row["workload"] == *workload && row["engine"] == engine.name && row["rounds"] == 2
            });
            let row = row.unwrap_or_else(|| panic!("{} has no {workload}", engine.name));
            assert!(row["per_second"]["median"].as_f64() > Some(0.0), "{row}");
            assert!(row["cpu_us"]["median"].as_f64() > Some(0.0), "{row}");
        }
    }
    assert_eq!(report["failures"].as_array().map(Vec::len), Some(0));
    let left = std::fs::read_dir(&data).expect("readable");
    assert_eq!(left.count(), 0, "each store is removed");
    let markdown = std::fs::read_to_string(out.join("embedded.md")).expect("a table");
    assert!(markdown.contains("| fillrandom"), "{markdown}");
    let svg = std::fs::read_to_string(out.join("embedded.svg")).expect("a picture");
    assert!(svg.starts_with("<svg"), "{svg}");
}

#[test]
fn an_engine_or_a_workload_that_is_not_there_is_named() {
    for arguments in [["--engines", "magic"], ["--workloads", "magic"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_norikv-bench"));
        command.arg("embedded").args(arguments);
        let output = command.output().expect("the program runs");
        assert!(!output.status.success());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("magic"), "{errors}");
    }
}

#[test]
fn a_small_cluster_run_gives_each_figure_and_no_call_fails() {
    let scratch = Scratch::make(None).expect("a folder");
    let settings = cluster::Settings {
        times: TIMES,
        clients: vec![1, 4],
    };
    let report = cluster::run(&settings, &scratch, &mut |_what| {}).expect("a report");
    let clients = |figures: &[norikv_bench::Figure]| -> Vec<u32> {
        figures.iter().map(|figure| figure.clients).collect()
    };
    assert_eq!(clients(&report.puts), [1, 4]);
    // Linearizable, with a lease, and at a follower.
    assert_eq!(clients(&report.gets), [1, 4, 1, 4, 1, 4]);
    assert_eq!(report.groups_led.iter().sum::<u32>(), report.groups);
    let operations: u64 = report.puts.iter().map(|figure| figure.operations).sum();
    assert!(report.keys >= operations);
    for figure in report.puts.iter().chain(&report.gets) {
        assert_eq!(figure.failed, 0, "{figure:?}");
        assert!(figure.cpu_us > 0.0, "{figure:?}");
    }
}
