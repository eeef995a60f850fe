//! The storage world over many seeds.

use norikv_sim::storage::{self, FaultKind, StorageConfig, StorageCounters, StorageViolation};

/// `NORIKV_SIM_STORAGE_SEEDS=1..100000` runs others.
fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("NORIKV_SIM_STORAGE_SEEDS").unwrap_or_else(|_| String::from("1..601"));
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn no_seed_of_the_standard_swarm_breaks_a_promise_of_storage_and_every_fault_strikes() {
    let mut sum = StorageCounters::default();
    let mut units = [0; 4];
    let mut broken = Vec::new();
    for seed in seeds() {
        let report = storage::run(&StorageConfig::standard(seed));
        if report.violation.is_some() {
            broken.push(report.to_string());
        }
        sum = sum.plus(&report.counters);
        units[0] += report.disk.units_kept;
        units[1] += report.disk.units_lost;
        units[2] += report.disk.units_torn;
        units[3] += report.disk.names_lost;
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    println!("{sum:?} units {units:?}");
    for kind in FaultKind::ALL {
        assert!(sum.faults.of(kind) > 0, "{kind:?} never struck");
    }
    assert!(units.iter().all(|count| *count > 0), "{units:?}");
    let happened = [
        sum.writes,
        sum.writes_failed,
        sum.writes_surfaced,
        sum.refusals,
        sum.read_errors,
        sum.lost,
        sum.flushes,
        sum.compactions,
        sum.conflicts,
        sum.transactions,
        sum.copies,
        sum.settled,
    ];
    assert!(happened.iter().all(|count| *count > 0), "{happened:?}");
}

#[test]
fn a_seed_of_the_storage_world_gives_the_same_report_each_time() {
    let mut hashes = Vec::new();
    for seed in 1..=20 {
        let config = StorageConfig::standard(seed);
        let (first, again) = (storage::run(&config), storage::run(&config));
        assert_eq!(first, again, "seed {seed}");
        hashes.push(first.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn a_storage_scenario_survives_as_text() {
    for seed in 1..=200 {
        let config = StorageConfig::standard(seed);
        let text = toml::to_string(&config).expect("it can be written");
        let read: StorageConfig = toml::from_str(&text).expect("it can be read");
        assert_eq!(read, config, "seed {seed}:\n{text}");
    }
    let short: StorageConfig = toml::from_str("seed = 7\noperations = 10").expect("defaults");
    assert_eq!(short.keys, StorageConfig::default().keys);
    assert!(toml::from_str::<StorageConfig>("sed = 7").is_err());
}

#[test]
fn operations_that_are_left_out_do_not_change_the_others() {
    let mut config = StorageConfig::standard(5);
    let whole = storage::run(&config);
    config.omitted = vec![(0, 500), (700, 1_900)];
    let part = storage::run(&config);
    assert_eq!(part.violation, None);
    assert_eq!(part.steps, 300);
    assert!(part.counters.writes < whole.counters.writes);
}

/// Seed 331 found the log taken for new, 42 a disk that filled up, 477 a log that grew at each opening,
/// 19 a manifest that gave up when it was interrupted.
#[test]
fn seeds_that_broke_a_promise_once_keep_it() {
    for seed in [19, 42, 113, 230, 331, 477, 520, 537, 1_029, 1_105] {
        let report = storage::run(&StorageConfig::standard(seed));
        assert_eq!(report.violation, None, "{report}");
    }
}

#[test]
fn a_model_that_misremembers_one_write_is_a_wrong_value() {
    let mut caught = 0;
    for seed in 1..=20 {
        let mut config = StorageConfig::standard(seed);
        config.faults.clear();
        // The very last batch, so that nothing overwrites it.
        config.misremember = Some(storage::run(&config).counters.writes);
        match storage::run(&config).violation {
            None => {}
            Some(StorageViolation::WrongValue { .. }) => caught += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(caught >= 5, "{caught} of 20 were noticed");
}
