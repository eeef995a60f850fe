//! The standard swarm: whatever goes wrong, every promise holds.

use norikv_sim::{FaultKind, Report, Summary, run_seed};

/// A build without optimisation takes minutes for them; xtask optimises.
const SEEDS: u64 = 300;

#[test]
fn every_seed_of_the_swarm_keeps_every_promise() {
    let mut summary = Summary::default();
    let mut broken = Vec::new();
    for report in run_all(1..=SEEDS) {
        summary.add(&report);
        if report.violation.is_some() {
            broken.push(report.to_string());
        }
    }
    println!("{summary}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(summary.undecided, 0, "the checker decides every history");
    let clients = &summary.clients;
    assert!(
        clients.answered * 10 > clients.invoked * 9,
        "most operations are answered: {clients:?}"
    );
    let (most, all) = (
        summary.leaders_within_ms(99),
        summary.leaders_within_ms(100),
    );
    assert!(
        most <= 1_200,
        "99 of 100 runs have their leaders in {most} ms"
    );
    assert!(all <= 6_000, "every run has its leaders in {all} ms");
    // What never happens proves nothing.
    for kind in FaultKind::ALL {
        let struck = summary.coverage.faults.of(kind) > 0;
        assert!(struck, "{kind:?} never struck");
    }
    for (what, count) in summary.counts() {
        assert!(count > 0, "never seen: {what}");
    }
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
