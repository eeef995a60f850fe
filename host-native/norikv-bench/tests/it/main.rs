//! Small runs of everything: the workloads check every answer, so a run that ends well has read what
//! was written.

use std::time::Duration;

use norikv_bench::embedded::{self, Nori};
use norikv_bench::{Scratch, Times, cluster};

const TIMES: Times = Times {
    warm_up: Duration::from_millis(50),
    measured: Duration::from_millis(500),
};

#[test]
fn a_small_embedded_run_gives_each_figure_and_leaves_nothing_behind() {
    let scratch = Scratch::make(None).expect("a folder");
    let settings = embedded::Settings {
        keys: 5_000,
        times: TIMES,
        // Several flushes and a compaction.
        sizes: embedded::Sizes {
            memtable_bytes: 64 << 10,
            cache_bytes: 1 << 20,
        },
    };
    let report = embedded::run::<Nori>(&settings, &scratch, &mut |_what| {}).expect("a report");
    let names: Vec<_> = report
        .figures
        .iter()
        .map(|figure| (figure.name.as_str(), figure.clients))
        .collect();
    let expected = [
        ("nothing", 1),
        ("fillrandom", 1),
        ("readrandom", 1),
        ("readmissing", 1),
        ("readhot", 1),
        ("scan100", 1),
        ("rawsync", 1),
        ("fillsync", 1),
        ("fillsync", 16),
    ];
    assert_eq!(names, expected);
    assert_eq!(report.figures[1].operations, 5_000);
    assert_eq!(report.load.logical_bytes, 5_000 * 116);
    assert!(report.load.space_bytes > 0 && report.load.written_bytes > 0);
    let left = std::fs::read_dir(scratch.path()).expect("readable");
    assert_eq!(left.count(), 0, "each store is removed");
    let path = scratch.path().to_path_buf();
    scratch.remove().expect("removed");
    assert!(!path.exists());
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
    assert_eq!(clients(&report.gets), [1, 4, 1, 4]);
    assert_eq!(report.groups_led.iter().sum::<u32>(), report.groups);
    let operations: u64 = report.puts.iter().map(|figure| figure.operations).sum();
    assert!(report.keys >= operations);
    for figure in report.puts.iter().chain(&report.gets) {
        assert_eq!(figure.failed, 0, "{figure:?}");
        assert!(figure.cpu_us > 0.0, "{figure:?}");
    }
}
