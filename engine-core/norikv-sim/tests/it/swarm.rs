//! The standard swarm: whatever goes wrong, every promise holds.

use norikv_sim::{FaultKind, Report, run_seed};

/// A build without optimisation takes minutes for them; xtask optimises.
const SEEDS: u64 = 300;

#[test]
fn every_seed_of_the_swarm_keeps_every_promise() {
    let reports = run_all(1..=SEEDS);
    let broken: Vec<String> = reports
        .iter()
        .filter(|report| report.violation.is_some())
        .map(ToString::to_string)
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    for report in &reports {
        assert_eq!(report.undecided_key, None, "{report}");
        let known = report.clients.answered * 10 > report.clients.invoked * 8;
        assert!(known, "most operations are answered: {report}");
    }
    every_fault_struck(&reports);
}

/// A fault that never happens proves nothing.
fn every_fault_struck(reports: &[Report]) {
    for kind in [
        FaultKind::Kill,
        FaultKind::PowerCut,
        FaultKind::Blackout,
        FaultKind::Partition,
        FaultKind::Isolate,
        FaultKind::OneWay,
        FaultKind::Pause,
        FaultKind::SlowDisk,
        FaultKind::Storm,
        FaultKind::SyncFailure,
    ] {
        let struck = reports.iter().flat_map(|report| &report.faults);
        let count: u64 = struck
            .filter(|(own, _)| *own == kind)
            .map(|(_, count)| count)
            .sum();
        assert!(count > 0, "{kind:?} never struck");
    }
    let messages: [u64; 5] =
        core::array::from_fn(|nth| reports.iter().map(|report| report.messages[nth]).sum());
    let units: [u64; 3] =
        core::array::from_fn(|nth| reports.iter().map(|report| report.units[nth]).sum());
    assert!(messages.iter().all(|count| *count > 0), "{messages:?}");
    assert!(units.iter().all(|count| *count > 0), "{units:?}");
}

/// Every seed's report, on as many threads as there are cores: the runs know nothing of each other.
fn run_all(seeds: std::ops::RangeInclusive<u64>) -> Vec<Report> {
    let next = std::sync::atomic::AtomicU64::new(*seeds.start());
    let reports = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed > *seeds.end() {
                        return;
                    }
                    let report = run_seed(seed);
                    reports.lock().expect("no thread panicked").push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no thread panicked");
    reports.sort_by_key(|report| report.seed);
    reports
}
