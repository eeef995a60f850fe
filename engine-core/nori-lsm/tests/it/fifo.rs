//! The oldest tables go first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nori_env::BlockStore;
use nori_lsm::{Compaction, Error, Log, Lsm, Options};
use norikv_testkit::{SimEntropy, VirtualClock};
use norikv_types::{Prng, WallMs};

use crate::backup::unlocked;
use crate::support::{disk, dump, mem, open, small, tiny, work};

const fn fifo(bytes_max: u64) -> Compaction {
    Compaction::Fifo {
        bytes_max,
        ttl: None,
    }
}

fn options(compaction: Compaction) -> Options {
    Options {
        compaction,
        memtable_bytes: 1 << 10,
        table_bytes: 512,
        fresh_runs_min: 4,
        fresh_runs_max: 8,
        ..small(Log::External)
    }
}

fn bytes(lsm: &Lsm) -> u64 {
    lsm.stats().levels.iter().map(|level| level.bytes).sum()
}

/// What the newest write of each key says, with its number; `None` deletes.
#[derive(Default)]
struct Model {
    newest: BTreeMap<u64, (u64, Option<u64>)>,
    writes: u64,
}

impl Model {
    fn write(&mut self, lsm: &Lsm, prng: &mut Prng, keys: u64) -> Result<(), Error> {
        let (key, number) = (prng.below(keys), self.writes);
        let mut note = |key, value| self.newest.insert(key, (number, value));
        match prng.below(12) {
            0 => {
                note(key, None);
                lsm.delete(&key.to_be_bytes())?;
            }
            1 => {
                (key..key + 3).for_each(|key| {
                    note(key, None);
                });
                lsm.delete_range(&key.to_be_bytes(), &(key + 3).to_be_bytes())?;
            }
            _ => {
                note(key, Some(number));
                lsm.put(&key.to_be_bytes(), &number.to_be_bytes())?;
            }
        }
        self.writes += 1;
        Ok(())
    }

    /// Every key reads as its newest write says or, unless that is one of the last `recent`, as
    /// not found; returns how many are.
    fn check(&self, lsm: &Lsm, recent: u64) -> usize {
        let mut read = BTreeMap::new();
        for (key, value) in dump(lsm, &lsm.snapshot()).unwrap() {
            let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
            assert_eq!(lsm.get(&key).unwrap().as_ref(), Some(&value));
            read.insert(number(&key), number(&value));
        }
        let mut gone = 0;
        for (key, (number, value)) in &self.newest {
            match read.remove(key) {
                None => {
                    assert_eq!(lsm.get(&key.to_be_bytes()).unwrap(), None);
                    gone += usize::from(value.is_some());
                    assert!(
                        value.is_none() || number + recent < self.writes,
                        "write {number} of {} is gone",
                        self.writes
                    );
                }
                found => assert_eq!(found, *value, "key {key} reads as it was before"),
            }
        }
        assert!(read.is_empty(), "keys that nobody wrote");
        gone
    }
}

#[test]
fn what_is_dropped_reads_as_not_found_and_tables_stay_within_their_bytes() {
    for seed in 0..4 {
        let lsm = open(&mem(), options(fifo(12 << 10)), seed).unwrap();
        let (mut model, mut prng) = (Model::default(), Prng::new(seed));
        let mut gone = 0;
        for number in 0..4_000 {
            model.write(&lsm, &mut prng, 800).unwrap();
            if prng.below(8) == 0 {
                work(&lsm).unwrap();
                let stats = lsm.stats();
                assert!(bytes(&lsm) <= 12 << 10, "seed {seed}: {stats:?}");
                assert!(stats.levels[0].runs <= 4, "seed {seed}: {stats:?}");
            }
            if number % 100 == 0 {
                gone += model.check(&lsm, 60);
            }
        }
        assert!(gone > 0, "seed {seed}: nothing was dropped");
    }
}

#[test]
fn keys_that_ascend_are_dropped_in_their_order_and_never_rewritten() {
    let lsm = open(&mem(), options(fifo(16 << 10)), 1).unwrap();
    let mut first = 0;
    for key in 0..4_000_u64 {
        lsm.put(&key.to_be_bytes(), &[7; 20]).unwrap();
        work(&lsm).unwrap();
        if key % 50 == 0 {
            let all = dump(&lsm, &lsm.snapshot()).unwrap();
            let all: Vec<_> = all
                .iter()
                .map(|(key, _)| u64::from_be_bytes((**key).try_into().unwrap()))
                .collect();
            assert!(all.iter().copied().eq(all[0]..=key), "a hole");
            assert!(all[0] >= first, "what was gone is back");
            first = all[0];
        }
    }
    let stats = lsm.stats();
    assert!(first > 1_000 && bytes(&lsm) > 12 << 10, "{first} {stats:?}");
    assert_eq!(stats.compaction_bytes, 0, "{stats:?}");
}

#[test]
fn a_byte_is_rewritten_a_few_times_however_much_is_written() {
    for (runs, most) in [(4, 9), (8, 5), (16, 3)] {
        let options = Options {
            fresh_runs_min: runs,
            fresh_runs_max: 2 * runs,
            ..options(fifo(24 << 10))
        };
        let lsm = open(&mem(), options, 1).unwrap();
        let (mut model, mut prng) = (Model::default(), Prng::new(1));
        for _ in 0..10_000 {
            model.write(&lsm, &mut prng, 1 << 40).unwrap();
            work(&lsm).unwrap();
        }
        let stats = lsm.stats();
        assert!(stats.compaction_bytes > 0, "{stats:?}");
        assert!(
            stats.compaction_bytes <= most * stats.flush_bytes,
            "{runs} runs: {stats:?}"
        );
    }
}

#[test]
fn writers_without_background_work_go_on_for_ever() {
    for fresh in [2, 4] {
        let options = Options {
            fresh_runs_min: fresh,
            fresh_runs_max: fresh + 1,
            ..options(fifo(8 << 10))
        };
        let most = (8 << 10) + (u64::from(fresh) + 4) * (4 << 10);
        let lsm = open(&mem(), options, 1).unwrap();
        let (mut model, mut prng) = (Model::default(), Prng::new(9));
        for _ in 0..3_000 {
            model.write(&lsm, &mut prng, 500).unwrap();
            assert!(bytes(&lsm) <= most, "{:?}", lsm.stats());
        }
        model.check(&lsm, 20);
        lsm.compact_range(b"", None).unwrap();
        assert!(bytes(&lsm) <= 8 << 10);
        let stats = lsm.stats();
        assert!(stats.levels[1..].iter().all(|level| level.tables == 0));
        model.check(&lsm, 20);
    }
}

#[test]
fn styles_may_change_to_and_from_first_in_first_out() {
    let (data, mut model, mut prng) = (mem(), Model::default(), Prng::new(3));
    let styles = [
        Compaction::Tiered { last: true },
        fifo(10 << 10),
        Compaction::Adaptive,
        fifo(10 << 10),
        Compaction::Leveled,
        fifo(10 << 10),
    ];
    let mut lost = 0;
    for (seed, style) in (1..).zip(styles.into_iter().cycle().take(18)) {
        let lsm = open(&data, options(style), seed).unwrap();
        for _ in 0..700 {
            model.write(&lsm, &mut prng, 600).unwrap();
            if prng.below(8) == 0 {
                work(&lsm).unwrap();
                // What another style brought in order is dropped slot by slot, new or not.
                lost += model.check(&lsm, 0);
            }
        }
        lsm.flush().unwrap();
        work(&lsm).unwrap();
        if matches!(style, Compaction::Fifo { .. }) {
            assert!(bytes(&lsm) <= 10 << 10, "{:?}", lsm.stats());
        }
        model.check(&lsm, 0);
    }
    assert!(lost > 0, "nothing was dropped");
}

#[test]
fn tables_go_when_all_in_them_is_old_however_often_the_store_is_opened() {
    let data = mem();
    let clock = Arc::new(VirtualClock::new(WallMs(1_000_000)));
    let open = |style, seed| {
        let (data, clock) = (Arc::clone(&data), Arc::clone(&clock));
        Lsm::open_in(data, clock, Arc::new(SimEntropy::new(seed)), options(style)).unwrap()
    };
    let style = Compaction::Fifo {
        bytes_max: u64::MAX,
        ttl: Some(Duration::from_secs(60)),
    };
    let lsm = open(Compaction::Leveled, 1);
    lsm.put(b"unknown", b"v").unwrap();
    lsm.flush().unwrap();
    drop(lsm);
    // Every ten seconds a table, and another process.
    for number in 0..20_u64 {
        let lsm = open(style, 2 + number);
        lsm.put(&number.to_be_bytes(), b"v").unwrap();
        lsm.put(b"written again and again", &number.to_be_bytes())
            .unwrap();
        lsm.flush().unwrap();
        work(&lsm).unwrap();
        let is_there = |key: &[u8]| lsm.get(key).unwrap().is_some();
        assert_eq!(is_there(b"unknown"), number < 6, "{number}");
        assert!(is_there(b"written again and again"));
        // Nothing goes early; what was merged goes with the newest that it was merged with.
        for key in 0..=number {
            assert!(number - key >= 6 || is_there(&key.to_be_bytes()), "{key}");
        }
        drop(lsm);
        clock.jump_wall(10_000);
    }
    let lsm = open(style, 99);
    assert!(lsm.next_due().is_some(), "it says when to look again");
    clock.jump_wall(60_000);
    work(&lsm).unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), []);
    assert_eq!(bytes(&lsm), 0);
    assert_eq!(lsm.next_due(), None);
    lsm.put(b"life", b"goes on").unwrap();
    lsm.flush().unwrap();
    drop(lsm);
    assert_eq!(open(style, 100).get(b"life").unwrap().unwrap(), "goes on");
}

#[test]
fn a_crash_brings_nothing_back_that_is_older_than_what_was_acknowledged() {
    let options = |store: &Arc<dyn BlockStore>| Options {
        compaction: Compaction::Fifo {
            bytes_max: 2 << 10,
            ttl: Some(Duration::from_secs(1)),
        },
        ..tiny(Log::Own(Arc::clone(store)))
    };
    // Batch n writes n to `last` and to a key of its own; returns how many were acknowledged.
    let run = |lsm: &Lsm, from: u32| {
        for number in from..60 {
            let mut batch = nori_lsm::WriteBatch::new();
            let key = [b'k', u8::try_from(number * 7 % 40).unwrap()];
            batch.put(b"last", &number.to_be_bytes());
            batch.put(&key, &number.to_be_bytes().repeat(4));
            if lsm.write(batch).is_err() {
                return number;
            }
            if number % 3 == 0 {
                let _ = work(lsm);
            }
        }
        60
    };
    // Returns how many batches are there.
    let check = |lsm: &Lsm, context: &str| {
        let last = lsm.get(b"last").unwrap();
        let count = last.map_or(0, |last| {
            u32::from_be_bytes((*last).try_into().unwrap()) + 1
        });
        let mut found = 0;
        for back in 1..=count.min(40) {
            let number = count - back;
            let key = [b'k', u8::try_from(number * 7 % 40).unwrap()];
            match lsm.get(&key).unwrap() {
                Some(value) => {
                    assert_eq!(*value, number.to_be_bytes().repeat(4), "{context}");
                    found += 1;
                }
                None => assert!(back > 1, "{context}: the newest is gone"),
            }
        }
        (count, found)
    };
    let total = {
        let (sim, store) = disk();
        let lsm = open(&store, options(&store), 1).unwrap();
        assert_eq!(run(&lsm, 0), 60);
        work(&lsm).unwrap();
        let (count, found) = check(&lsm, "without a cut");
        assert!(count == 60 && found < 40, "{found}: nothing was dropped");
        sim.counters().mutations
    };
    assert!(total > 100, "{total} are too few");
    for cut in 0..total {
        let context = format!("cut in mutation {cut} of {total}");
        let (sim, store) = disk();
        sim.power_off_after(cut);
        let acknowledged = open(&store, options(&store), 1).map_or(0, |lsm| run(&lsm, 0));
        sim.crash(&mut Prng::new(cut));
        let lsm = open(&store, options(&store), 2).unwrap_or_else(|e| panic!("{context}: {e}"));
        let (count, _) = check(&lsm, &context);
        assert!(
            count == acknowledged || count == acknowledged + 1,
            "{context}: {count} of {acknowledged}"
        );
        assert_eq!(run(&lsm, count), 60);
        lsm.flush().unwrap();
        work(&lsm).unwrap();
        assert_eq!(check(&lsm, &context).0, 60);
        assert!(bytes(&lsm) <= 2 << 10, "{context}");
    }
}

#[test]
fn tables_are_as_old_in_a_checkpoint() {
    let clock = Arc::new(VirtualClock::new(WallMs(1_000_000)));
    let style = Compaction::Fifo {
        bytes_max: u64::MAX,
        ttl: Some(Duration::from_secs(60)),
    };
    let open = |data: &Arc<dyn BlockStore>, seed| {
        let (data, clock) = (Arc::clone(data), Arc::clone(&clock));
        Lsm::open_in(data, clock, Arc::new(SimEntropy::new(seed)), options(style)).unwrap()
    };
    let (data, copy) = (mem(), mem());
    let lsm = open(&data, 1);
    lsm.put(b"key", b"value").unwrap();
    lsm.checkpoint_in(&copy, &mut |_| ()).unwrap();
    clock.jump_wall(59_000);
    let copied = open(&unlocked(&copy), 2);
    work(&copied).unwrap();
    assert_eq!(copied.get(b"key").unwrap().unwrap(), "value");
    clock.jump_wall(1_000);
    work(&copied).unwrap();
    assert_eq!(copied.get(b"key").unwrap(), None);
}
