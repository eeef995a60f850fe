//! How tables are merged as they age.

use nori_lsm::{Compaction, Log, Lsm, Options};
use norikv_types::Prng;

use crate::support::{dump, mem, open, small, work};

fn styles() -> [Compaction; 4] {
    [
        Compaction::Adaptive,
        Compaction::Leveled,
        Compaction::Tiered { last: false },
        Compaction::Tiered { last: true },
    ]
}

fn options(compaction: Compaction) -> Options {
    Options {
        compaction,
        memtable_bytes: 1 << 10,
        table_bytes: 512,
        ..small(Log::External)
    }
}

/// Overwrites `keys` keys at random, and gives what they are then.
fn overwrite(lsm: &Lsm, keys: u64, writes: u64, seed: u64) -> Vec<u64> {
    let mut prng = Prng::new(seed);
    let mut last = vec![u64::MAX; usize::try_from(keys).unwrap()];
    for number in 0..writes {
        let key = prng.below(keys);
        lsm.put(&key.to_be_bytes(), &number.to_be_bytes()).unwrap();
        last[usize::try_from(key).unwrap()] = number;
        if prng.below(16) == 0 {
            work(lsm).unwrap();
        }
    }
    last
}

fn check(lsm: &Lsm, expected: &[u64]) {
    let all: Vec<_> = (0_u64..)
        .zip(expected)
        .filter(|(_, number)| **number != u64::MAX)
        .map(|(key, number)| (key.to_be_bytes().to_vec(), number.to_be_bytes().to_vec()))
        .collect();
    let dumped = dump(lsm, &lsm.snapshot()).unwrap();
    let dumped: Vec<_> = dumped
        .iter()
        .map(|(k, v)| (k.to_vec(), v.to_vec()))
        .collect();
    assert_eq!(dumped, all);
    for (key, value) in &all {
        assert_eq!(lsm.get(key).unwrap().as_deref(), Some(&value[..]));
    }
}

#[test]
fn every_style_keeps_the_newest_version_of_each_key() {
    for style in styles() {
        let lsm = open(&mem(), options(style), 1).unwrap();
        let expected = overwrite(&lsm, 300, 2_000, 7);
        check(&lsm, &expected);
        lsm.flush().unwrap();
        work(&lsm).unwrap();
        check(&lsm, &expected);
        lsm.compact_range(b"", None).unwrap();
        let stats = lsm.stats();
        assert!(
            stats.levels[..6].iter().all(|level| level.tables == 0),
            "all is in the last level: {style:?}: {stats:?}"
        );
        check(&lsm, &expected);
    }
}

#[test]
fn a_store_may_change_its_style_whenever_it_is_opened() {
    let data = mem();
    let mut expected = vec![u64::MAX; 200];
    for (seed, style) in (1..).zip(styles().into_iter().cycle().take(5)) {
        let lsm = open(&data, options(style), seed).unwrap();
        check(&lsm, &expected);
        for (old, new) in expected.iter_mut().zip(overwrite(&lsm, 200, 600, seed)) {
            *old = if new == u64::MAX { *old } else { new };
        }
        lsm.flush().unwrap();
        check(&lsm, &expected);
    }
}

#[test]
fn tiered_levels_have_several_runs_and_leveled_ones_do_not() {
    let runs = |style| {
        let options = Options {
            level_ratio: 4,
            ..options(style)
        };
        let lsm = open(&mem(), options, 1).unwrap();
        let mut most = 0;
        for seed in 0..20 {
            overwrite(&lsm, 400, 100, seed);
            work(&lsm).unwrap();
            most = most.max(
                lsm.stats().levels[1..]
                    .iter()
                    .map(|level| level.runs)
                    .max()
                    .unwrap(),
            );
        }
        most
    };
    assert_eq!(runs(Compaction::Leveled), 1);
    assert!(runs(Compaction::Tiered { last: false }) > 1);
}

#[test]
fn a_store_that_settles_takes_little_more_than_what_is_in_it() {
    let lsm = open(&mem(), options(Compaction::Adaptive), 1).unwrap();
    for seed in 0..30 {
        overwrite(&lsm, 400, 200, seed);
    }
    lsm.flush().unwrap();
    lsm.settle().unwrap();
    let space = |lsm: &Lsm| -> u64 { lsm.stats().levels.iter().map(|level| level.bytes).sum() };
    let settled = space(&lsm);
    lsm.compact_range(b"", None).unwrap();
    // With a ratio of 2 leveled compaction allows as much again above the last level.
    assert!(settled <= 2 * space(&lsm), "{settled} of {}", space(&lsm));
}
