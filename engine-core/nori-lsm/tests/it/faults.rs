//! Faults that other engines were found to have: each would fail one of these.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use nori_env::{BlockStore, Clock, SystemClock};
use nori_lsm::{
    CompactionFilter, Error, Expiry, FilterDecision, KeyspaceOptions, Log, Lsm, MergeOperator,
    MergeRefused, Options, WriteBatch,
};
use norikv_testkit::{SimEntropy, VirtualClock};
use norikv_types::WallMs;

use crate::support::{backward, forward, mem, small, tiny, work};
use crate::versions::append;

fn with_default(mut options: Options, keyspace: KeyspaceOptions) -> Options {
    options.keyspaces.insert("default".into(), keyspace);
    options
}

fn merging() -> KeyspaceOptions {
    KeyspaceOptions {
        merge_operator: append(),
        ..KeyspaceOptions::default()
    }
}

fn open(store: &Arc<dyn BlockStore>, clock: &Arc<VirtualClock>, options: &Options) -> Lsm {
    // What is drawn for one table is never drawn for another of the store.
    static OPENS: AtomicU64 = AtomicU64::new(1);
    let entropy = Arc::new(SimEntropy::new(OPENS.fetch_add(1, Ordering::Relaxed)));
    Lsm::open_in(Arc::clone(store), clock.clone(), entropy, options.clone()).unwrap()
}

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(WallMs(1000)))
}

fn settle(lsm: &Lsm) {
    lsm.flush().unwrap();
    work(lsm).unwrap();
}

fn keys(lsm: &Lsm) -> Vec<Bytes> {
    let all = forward(lsm.iter(.., &lsm.snapshot())).unwrap();
    assert_eq!(all, backward(lsm.iter(.., &lsm.snapshot())).unwrap());
    all.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn an_acknowledged_key_is_found_at_every_moment_of_its_flush_and_compaction() {
    let lsm = open(&mem(), &clock(), &tiny(Log::External));
    for round in 0..30_u32 {
        lsm.put(
            format!("key{:02}", round % 7).as_bytes(),
            &round.to_be_bytes(),
        )
        .unwrap();
        lsm.rotate();
        while let Some(mut job) = lsm.next_job() {
            loop {
                for key in 0..7 {
                    let last = (0..=round).rev().find(|round| round % 7 == key);
                    let got = lsm.get(format!("key{key:02}").as_bytes()).unwrap();
                    assert_eq!(got, last.map(|last| last.to_be_bytes().to_vec().into()));
                }
                if job.step(1).unwrap() == nori_lsm::JobState::Done {
                    break;
                }
            }
        }
    }
}

#[test]
fn after_compactions_the_newer_of_two_versions_wins_and_snapshots_keep_theirs() {
    let lsm = open(&mem(), &clock(), &tiny(Log::External));
    lsm.put(b"key", b"old").unwrap();
    let old = lsm.snapshot();
    lsm.rotate();
    lsm.put(b"key", b"new").unwrap();
    let new = lsm.snapshot();
    lsm.delete(b"key").unwrap();
    settle(&lsm);
    assert_eq!(lsm.get(b"key").unwrap(), None);
    assert_eq!(
        lsm.get_at(b"key", &new).unwrap().as_deref(),
        Some(&b"new"[..])
    );
    assert_eq!(
        lsm.get_at(b"key", &old).unwrap().as_deref(),
        Some(&b"old"[..])
    );
}

#[test]
fn scans_never_give_deleted_keys_wherever_the_deletion_lies() {
    let lsm = open(&mem(), &clock(), &tiny(Log::External));
    for key in ["a", "b", "c", "d", "e", "f"] {
        lsm.put(key.as_bytes(), b"value").unwrap();
    }
    settle(&lsm);
    lsm.delete(b"b").unwrap();
    lsm.delete_range(b"d", b"f").unwrap();
    for _ in 0..3 {
        assert_eq!(keys(&lsm), ["a", "c", "f"]);
        settle(&lsm);
    }
}

#[test]
fn what_one_end_of_an_iterator_has_given_the_other_does_not_give_again() {
    let lsm = open(&mem(), &clock(), &tiny(Log::External));
    for key in ["a", "b", "c"] {
        lsm.put(key.as_bytes(), b"value").unwrap();
    }
    let iter = || lsm.iter(.., &lsm.snapshot());
    let mut forward = iter();
    while forward.next().unwrap().is_some() {}
    assert_eq!(forward.prev(), Ok(None));
    let mut backward = iter();
    while backward.prev().unwrap().is_some() {}
    assert_eq!(backward.next(), Ok(None));
}

#[test]
fn a_deleted_range_does_not_delete_what_is_written_after_it_and_is_seen_as_of_its_place() {
    let lsm = open(&mem(), &clock(), &tiny(Log::External));
    let mut batch = WriteBatch::new();
    batch
        .put(b"a", b"before")
        .put(b"b", b"before")
        .delete_range(b"a", b"c")
        .put(b"b", b"after");
    lsm.write(batch).unwrap();
    for _ in 0..3 {
        assert_eq!(keys(&lsm), ["b"]);
        assert_eq!(lsm.get(b"a").unwrap(), None);
        settle(&lsm);
    }
}

#[test]
fn an_iterator_jumps_over_a_large_deleted_range_without_reading_its_keys() {
    let mut options = small(Log::External);
    options.memtable_bytes = 1 << 20;
    options.table_bytes = 16 << 10;
    let lsm = open(&mem(), &clock(), &options);
    for key in 0..20_000_u32 {
        lsm.put(&key.to_be_bytes(), b"a value of some bytes")
            .unwrap();
    }
    settle(&lsm);
    // The best of some: others use the machine too.
    let read = || {
        let once = |_| {
            let began = SystemClock.now();
            let count = keys(&lsm).len();
            (SystemClock.now().as_nanos() - began.as_nanos(), count)
        };
        (0..5).map(once).min().unwrap()
    };
    let (whole, count) = read();
    assert_eq!(count, 20_000);
    lsm.delete_range(&1_u32.to_be_bytes(), &19_999_u32.to_be_bytes())
        .unwrap();
    // Nothing is compacted yet: only the iterator can make this cheap.
    let (jumped, count) = read();
    assert_eq!(count, 2);
    assert!(
        jumped < whole / 4,
        "{jumped} ns against {whole} for all keys"
    );
}

#[test]
fn a_value_that_ends_survives_log_flush_compaction_and_restart_and_uncovers_nothing() {
    let (data, log, clock) = (mem(), mem(), clock());
    let options = tiny(Log::Own(log));
    let mut lsm = open(&data, &clock, &options);
    lsm.put(b"key", b"old").unwrap();
    settle(&lsm);
    lsm.put_expiring(b"key", b"short", WallMs(1500)).unwrap();
    let before = lsm.snapshot();
    let there = |lsm: &Lsm, there: bool| {
        let expected = there.then_some(Bytes::from("short"));
        assert_eq!(lsm.get(b"key").unwrap(), expected);
        assert_eq!(keys(lsm).len(), usize::from(there));
    };
    // In the log only, then in a table, then after a restart.
    there(&lsm, true);
    drop(lsm);
    lsm = open(&data, &clock, &options);
    there(&lsm, true);
    lsm.flush().unwrap();
    there(&lsm, true);
    clock.advance(Duration::from_millis(499));
    work(&lsm).unwrap();
    there(&lsm, true);
    clock.advance(Duration::from_millis(1));
    there(&lsm, false);
    drop(lsm);
    lsm = open(&data, &clock, &options);
    there(&lsm, false);
    settle(&lsm);
    there(&lsm, false);
    assert_eq!(
        lsm.get_at(b"key", &before).unwrap().as_deref(),
        Some(&b"short"[..])
    );
}

#[test]
fn a_keyspace_where_values_end_ends_them_and_the_time_may_be_the_hosts() {
    let ending = KeyspaceOptions {
        ttl: Some(Duration::from_millis(100)),
        ..KeyspaceOptions::default()
    };
    let mut options = with_default(tiny(Log::External), ending);
    options.expiry = Expiry::Stamp;
    let clock = clock();
    let lsm = open(&mem(), &clock, &options);
    lsm.advance_expiry(WallMs(50));
    lsm.put(b"key", b"value").unwrap();
    clock.advance(Duration::from_secs(10));
    assert!(lsm.get(b"key").unwrap().is_some(), "the clock says nothing");
    lsm.advance_expiry(WallMs(149));
    assert!(lsm.get(b"key").unwrap().is_some());
    lsm.advance_expiry(WallMs(150));
    assert_eq!(lsm.get(b"key").unwrap(), None);
    lsm.advance_expiry(WallMs(60));
    assert_eq!(lsm.get(b"key").unwrap(), None, "the time never goes back");
}

#[test]
fn what_has_ended_stays_so_when_the_wall_clock_goes_back() {
    let (data, clock) = (mem(), clock());
    let lsm = open(&data, &clock, &tiny(Log::External));
    lsm.put_expiring(b"key", b"short", WallMs(1_500)).unwrap();
    let version = lsm.put_expiring(b"other", b"long", WallMs(9_000)).unwrap();
    assert_eq!(lsm.get(b"key").unwrap().unwrap(), "short");
    clock.jump_wall(600);
    assert_eq!(lsm.get(b"key").unwrap(), None);
    clock.jump_wall(-5_000);
    let read = || {
        assert_eq!(lsm.get(b"key").unwrap(), None);
        assert_eq!(keys(&lsm), ["other"]);
    };
    read();
    lsm.flush().unwrap();
    read();
    lsm.compare_and_set(b"key", None, Some(b"new")).unwrap();
    let set = lsm.compare_and_set(b"other", Some(version), None);
    set.unwrap();
    assert_eq!(keys(&lsm), ["key"]);
}

#[test]
fn versions_stay_what_they_were_over_flush_compaction_and_restart() {
    let (data, log, clock) = (mem(), mem(), clock());
    let options = with_default(tiny(Log::Own(log)), merging());
    let mut lsm = open(&data, &clock, &options);
    let put = lsm.put(b"put", b"1").unwrap();
    lsm.put(b"merged", b"a").unwrap();
    let merged = lsm.merge(b"merged", b"b").unwrap();
    for _ in 0..3 {
        for (key, version, value) in [("put", put, "1"), ("merged", merged, "ab")] {
            let found = lsm.get_versioned(key.as_bytes()).unwrap().unwrap();
            assert_eq!(
                (found.version, &found.value[..]),
                (version, value.as_bytes())
            );
        }
        settle(&lsm);
        drop(lsm);
        lsm = open(&data, &clock, &options);
    }
    assert_eq!(
        lsm.compare_and_set(b"put", None, None),
        Err(Error::Conflict)
    );
    lsm.compare_and_set(b"put", Some(put), Some(b"2")).unwrap();
    assert_eq!(
        lsm.compare_and_set(b"put", Some(put), None),
        Err(Error::Conflict)
    );
}

#[test]
fn of_many_threads_that_expect_one_version_one_succeeds() {
    for log in [Log::External, Log::Own(mem())] {
        let lsm = open(&mem(), &clock(), &small(log));
        let mut version = None;
        for round in 0..40_u32 {
            let won = AtomicU64::new(0);
            let wins = AtomicU64::new(0);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        match lsm.compare_and_set(b"key", version, Some(&round.to_be_bytes())) {
                            Ok(seqno) => {
                                wins.fetch_add(1, Ordering::Relaxed);
                                won.store(seqno.0, Ordering::Relaxed);
                            }
                            Err(error) => assert_eq!(error, Error::Conflict),
                        }
                    });
                }
            });
            assert_eq!(wins.into_inner(), 1, "round {round}");
            version = Some(nori_lsm::SeqNo(won.into_inner()));
        }
    }
}

#[test]
fn transactions_of_many_threads_lose_no_increment_while_tables_come_and_go() {
    let lsm = open(&mem(), &clock(), &tiny(Log::Own(mem())));
    let count = |bytes: Option<Bytes>| {
        bytes.map_or(0, |bytes| u32::from_be_bytes(bytes[..].try_into().unwrap()))
    };
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let lsm = &lsm;
            scope.spawn(move || {
                for round in 0..50 {
                    loop {
                        let mut transaction = lsm.transaction();
                        let held = count(transaction.get(b"count").unwrap());
                        transaction.put(b"count", &(held + 1).to_be_bytes());
                        // Fills memtables, so that flushes and compactions happen in between.
                        let filler = format!("filler{thread}/{round}");
                        transaction.put(filler.as_bytes(), &[7; 40]);
                        match transaction.commit() {
                            Ok(_) => break,
                            Err(error) => assert_eq!(error, Error::Conflict),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(count(lsm.get(b"count").unwrap()), 200);
}

#[test]
fn two_transactions_that_read_what_the_other_writes_do_not_both_commit() {
    let lsm = open(&mem(), &clock(), &tiny(Log::External));
    let (mut left, mut right) = (lsm.transaction(), lsm.transaction());
    assert_eq!(
        forward(left.iter(Bytes::from("a")..Bytes::from("c"))).unwrap(),
        []
    );
    assert_eq!(right.get(b"a").unwrap(), None);
    left.put(b"a", b"left");
    right.put(b"b", b"right");
    right.commit().unwrap();
    assert_eq!(
        left.commit(),
        Err(Error::Conflict),
        "b appeared in its range"
    );
    assert_eq!(keys(&lsm), ["b"]);
}

#[derive(Debug)]
struct Numbers;

impl MergeOperator for Numbers {
    fn merge(&self, _: &[u8], older: Option<&[u8]>, newer: &[u8]) -> Result<Vec<u8>, MergeRefused> {
        let number = |bytes: &[u8]| {
            let bytes = bytes.try_into().map_err(|_wrong| MergeRefused(3))?;
            Ok(u64::from_be_bytes(bytes))
        };
        let older = older.map_or(Ok(0), number)?;
        Ok((older + number(newer)?).to_be_bytes().into())
    }
}

#[test]
fn operands_that_cannot_be_merged_are_a_typed_error_that_a_put_cures() {
    let numbers = KeyspaceOptions {
        merge_operator: Some(Arc::new(Numbers)),
        ..KeyspaceOptions::default()
    };
    let data = mem();
    let lsm = open(&data, &clock(), &with_default(tiny(Log::External), numbers));
    lsm.put(b"key", b"no number").unwrap();
    lsm.merge(b"key", &1_u64.to_be_bytes()).unwrap();
    for _ in 0..2 {
        let refused = Error::Merge {
            keyspace: 0,
            code: 3,
        };
        assert_eq!(lsm.get(b"key"), Err(refused.clone()));
        assert_eq!(lsm.iter(.., &lsm.snapshot()).next(), Err(refused));
        settle(&lsm);
    }
    lsm.put(b"key", &41_u64.to_be_bytes()).unwrap();
    lsm.merge(b"key", &1_u64.to_be_bytes()).unwrap();
    settle(&lsm);
    assert_eq!(
        lsm.get(b"key").unwrap().as_deref(),
        Some(&42_u64.to_be_bytes()[..])
    );
    lsm.merge(b"key", &1_u64.to_be_bytes()).unwrap();
    lsm.flush().unwrap();
    drop(lsm);
    let lsm = open(&data, &clock(), &tiny(Log::External));
    assert_eq!(lsm.get(b"key"), Err(Error::NoMergeOperator { keyspace: 0 }));
}

#[derive(Debug)]
struct NoDebug;

impl CompactionFilter for NoDebug {
    fn filter(&self, key: &[u8], _: &[u8]) -> FilterDecision {
        match key.starts_with(b"debug") {
            true => FilterDecision::Remove,
            false => FilterDecision::Keep,
        }
    }
}

#[test]
fn what_a_filter_removes_brings_no_older_value_back() {
    let filtered = KeyspaceOptions {
        compaction_filter: Some(Arc::new(NoDebug)),
        ..KeyspaceOptions::default()
    };
    let data = mem();
    let plain = open(&data, &clock(), &tiny(Log::External));
    plain.put(b"debug", b"old").unwrap();
    settle(&plain);
    drop(plain);
    let lsm = open(
        &data,
        &clock(),
        &with_default(tiny(Log::External), filtered),
    );
    for round in 0..4_u8 {
        lsm.put(b"debug", &[round]).unwrap();
        lsm.put(b"kept", &[round]).unwrap();
        lsm.flush().unwrap();
    }
    lsm.compact_range(b"", None).unwrap();
    assert_eq!(keys(&lsm), ["kept"]);
}

#[test]
fn a_dropped_keyspace_stays_gone_over_restarts_and_its_number_is_not_given_again() {
    let (data, log, clock) = (mem(), mem(), clock());
    let options = tiny(Log::Own(log));
    let mut lsm = open(&data, &clock, &options);
    let first = lsm.keyspace("users").unwrap();
    lsm.keyspace("other")
        .unwrap()
        .put(b"key", b"other")
        .unwrap();
    first.put(b"key", b"value").unwrap();
    settle(&lsm);
    assert!(lsm.drop_keyspace("users").unwrap());
    assert!(!lsm.drop_keyspace("users").unwrap());
    let id = first.id();
    assert_eq!(
        first.put(b"key", b""),
        Err(Error::KeyspaceDropped { keyspace: id })
    );
    for _ in 0..3 {
        assert_eq!(lsm.keyspaces().concat(), "defaultother");
        assert_eq!(first.get(b"key").unwrap(), None);
        drop(lsm);
        lsm = open(&data, &clock, &options);
        settle(&lsm);
    }
    let second = lsm.keyspace("users").unwrap();
    assert_ne!(second.id(), id);
    assert_eq!(second.get(b"key").unwrap(), None);
    let other = lsm.keyspace("other").unwrap();
    assert_eq!(other.get(b"key").unwrap().as_deref(), Some(&b"other"[..]));
    assert_eq!(
        keys(&lsm),
        [""; 0],
        "nothing of a keyspace shows in another"
    );
}

#[test]
fn keyspaces_that_are_made_and_dropped_at_once_stay_closed_once_they_are_dropped() {
    let lsm = open(&mem(), &clock(), &small(Log::External));
    thread::scope(|scope| {
        for thread in 0..4 {
            let lsm = &lsm;
            scope.spawn(move || {
                for round in 0..25 {
                    let name = format!("{thread}/{round}");
                    let keyspace = lsm.keyspace(&name).unwrap();
                    keyspace.put(b"key", b"value").unwrap();
                    assert!(lsm.drop_keyspace(&name).unwrap());
                    let refused = keyspace.put(b"key", b"late");
                    assert!(matches!(refused, Err(Error::KeyspaceDropped { .. })));
                    assert_eq!(keyspace.get(b"key").unwrap(), None);
                }
            });
        }
    });
    assert_eq!(lsm.keyspaces().len(), 1);
}
