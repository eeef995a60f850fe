//! Groups under random faults: every invariant after every step, and life when the faults end.

use std::time::Duration;

use norikv_types::Prng;

use crate::checker::Violation;
use crate::cluster::{Cluster, Counts, Faults};

/// Whether a run changes who belongs to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    Stay,
    Change,
}

/// One run: faults for a while, then a healed world.
pub(crate) fn run(seed: u64, members: Members) -> Result<Counts, Violation> {
    let mut prng = Prng::new(seed ^ 0x5eed);
    let size = [3, 5, 3, 1, 3, 5, 2, 4][usize::try_from(prng.below(8)).unwrap()];
    let faults = Faults {
        loss_ppm: [0, 20_000, 100_000][usize::try_from(prng.below(3)).unwrap()],
        duplicate_ppm: 50_000,
        straggle_ppm: [0, 5_000, 50_000][usize::try_from(prng.below(3)).unwrap()],
        delay_max: prng.duration(Duration::from_micros(100), Duration::from_millis(20)),
        reply_delay: Duration::from_millis([0, 0, 0, 140][usize::try_from(prng.below(4)).unwrap()]),
        disk_max: prng.duration(Duration::from_micros(100), Duration::from_millis(25)),
        crash_every: (prng.below(4) > 0).then_some(Duration::from_millis(600)),
        partition_every: (prng.below(3) > 0).then_some(Duration::from_millis(500)),
        quiesce_after: (seed % 2 == 1).then_some(Duration::from_millis(100)),
        spares: 0,
        witness: false,
        changes_ppm: 0,
    };
    let faults = match members {
        Members::Stay => faults,
        Members::Change => Faults {
            spares: prng.below(3) + u64::from(seed.is_multiple_of(3)),
            witness: seed.is_multiple_of(3),
            changes_ppm: 80_000,
            ..faults
        },
    };
    let mut cluster = Cluster::new(seed, size, faults);
    cluster.run(Duration::from_secs(5))?;
    cluster.heal()?;
    cluster.check_alive()?;
    Ok(cluster.counts)
}

/// Runs seeds and adds up what they did.
fn run_all(seeds: std::ops::Range<u64>, members: Members) -> Counts {
    let mut sum = Counts::default();
    for seed in seeds {
        match run(seed, members) {
            Ok(counts) => sum.add(counts),

            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    sum
}

#[test]
fn invariants_hold_under_faults_and_groups_recover_a() {
    assert_repaired(run_all(0..160, Members::Stay));
}

#[test]
fn invariants_hold_under_faults_and_groups_recover_b() {
    assert_repaired(run_all(160..320, Members::Stay));
}

#[test]
fn invariants_hold_while_the_members_change_a() {
    assert_members_changed(run_all(1_000..1_150, Members::Change));
}

#[test]
fn invariants_hold_while_the_members_change_b() {
    assert_members_changed(run_all(1_150..1_300, Members::Change));
}

fn assert_repaired(counts: Counts) {
    assert_did_something(counts);
    let seen = [counts.damages, counts.repairs];
    assert!(seen.iter().all(|count| *count > 20), "{counts:?}");
}

fn assert_members_changed(counts: Counts) {
    assert_did_something(counts);
    let seen = [
        counts.configurations,
        counts.transfers,
        counts.reads_elsewhere,
    ];
    assert!(seen.iter().all(|count| *count > 50), "{counts:?}");
}

#[test]
fn the_same_seed_runs_the_same_way() {
    for members in [Members::Stay, Members::Change] {
        let (once, again) = (run(11, members).unwrap(), run(11, members).unwrap());
        assert_eq!(once, again);
    }
}

fn assert_did_something(counts: Counts) {
    let seen = [
        counts.leaders,
        counts.reads,
        counts.lease_reads,
        counts.snapshots,
        counts.resets,
        counts.truncations,
        counts.crashes,
        counts.slept,
        counts.fetched_for_peers,
    ];
    assert!(seen.iter().all(|count| *count > 20), "{counts:?}");
}
