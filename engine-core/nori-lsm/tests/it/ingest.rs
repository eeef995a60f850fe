//! Sorted entries taken in at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use nori_env::{BlockStore, IoErrorKind, IoOp, ObjectKind};
use nori_lsm::{Error, KEY_BYTES_MAX, Log, Lsm, Options};
use norikv_testkit::{FailPoint, SimDisk};
use norikv_types::Prng;

use crate::support::{disk, dump, mem, open, small, tiny, work};

fn own(store: &Arc<dyn BlockStore>) -> Options {
    tiny(Log::Own(Arc::clone(store)))
}

fn key(number: u32) -> Vec<u8> {
    format!("key {number:05}").into_bytes()
}

fn tables(store: &Arc<dyn BlockStore>) -> usize {
    let listed = store.list().unwrap().into_iter();
    listed.filter(|id| id.kind == ObjectKind::Table).count()
}

#[test]
fn what_is_ingested_covers_what_was_there_and_is_covered_by_what_comes_later() {
    let store = mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    let mut model = BTreeMap::new();
    let mut prng = Prng::new(7);
    for round in 0..12_u32 {
        for _ in 0..prng.below(60) {
            let key = key(u32::try_from(prng.below(200)).unwrap());
            let value = format!("written in {round}");
            lsm.put(&key, value.as_bytes()).unwrap();
            model.insert(Bytes::from(key), Bytes::from(value));
        }
        let mut ingestion = lsm.ingest().unwrap();
        let step = 1 + u32::try_from(prng.below(9)).unwrap();
        for number in (0..200).step_by(step as usize) {
            let key = key(number);
            if number % 5 == 0 {
                ingestion.delete(&key).unwrap();
                model.remove(&key[..]);
            } else {
                let value = format!("ingested in {round}");
                ingestion.put(&key, value.as_bytes()).unwrap();
                model.insert(Bytes::from(key), Bytes::from(value));
            }
        }
        let before = lsm.snapshot();
        let shown = dump(&lsm, &before).unwrap();
        let seqno = ingestion.finish().unwrap();
        assert!(seqno <= lsm.visible_seqno());
        assert_eq!(
            dump(&lsm, &before).unwrap(),
            shown,
            "a snapshot stays as it is"
        );
        let expected: Vec<_> = model.clone().into_iter().collect();
        assert_eq!(
            dump(&lsm, &lsm.snapshot()).unwrap(),
            expected,
            "round {round}"
        );
        if round % 3 == 0 {
            work(&lsm).unwrap();
            assert_eq!(
                dump(&lsm, &lsm.snapshot()).unwrap(),
                expected,
                "round {round}"
            );
        }
    }
    drop(lsm);
    let lsm = open(&store, own(&store), 2);
    assert!(lsm.is_ok(), "the same owner opens it again");
    let expected: Vec<_> = model.into_iter().collect();
    let lsm = lsm.unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), expected);
}

#[test]
fn what_is_written_while_it_goes_on_counts_as_written_before_or_after_all_of_it() {
    // How much is written, and whether all of it gets into tables before the end.
    for (writes, flush) in [(1, false), (1, true), (40, false), (40, true)] {
        let store = mem();
        let lsm = open(&store, own(&store), 1).unwrap();
        lsm.put(&key(5), b"before").unwrap();
        let mut ingestion = lsm.ingest().unwrap();
        for number in 0..10 {
            ingestion.put(&key(number), b"ingested").unwrap();
        }
        for number in 0..writes {
            lsm.put(&key(number % 10), b"meanwhile").unwrap();
        }
        if flush {
            lsm.flush().unwrap();
            work(&lsm).unwrap();
        }
        ingestion.finish().unwrap();
        let context = format!("{writes} writes, flushed: {flush}");
        let read = |number| lsm.get(&key(number)).unwrap().unwrap();
        assert_eq!(
            read(9) == "meanwhile",
            writes > 9 && read(0) == "meanwhile",
            "{context}"
        );
        let shown = dump(&lsm, &lsm.snapshot()).unwrap();
        lsm.flush().unwrap();
        work(&lsm).unwrap();
        assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), shown, "{context}");
        lsm.put(&key(3), b"after").unwrap();
        assert_eq!(read(3), "after", "{context}");
    }
}

#[test]
fn with_others_writing_all_the_time_each_key_has_one_of_the_two_values_and_keeps_the_later() {
    let store = mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2_u32 {
            let (lsm, ended) = (lsm.clone(), &ended);
            scope.spawn(move || {
                let mut round = 0_u32;
                while !ended.load(Ordering::Relaxed) {
                    // Keys of its own: what it wrote last it reads back, or what was ingested since.
                    let key = key(writer + 2 * (round % 40));
                    let value = format!("{round:08}");
                    let before = lsm.put(&key, value.as_bytes()).unwrap();
                    let read = lsm.get(&key).unwrap().unwrap();
                    assert!(
                        read == value || read.starts_with(b"ingested"),
                        "{before:?} wrote {value}, read {read:?}"
                    );
                    round += 1;
                }
            });
        }
        let mut done = 0;
        for round in 0..30 {
            let mut ingestion = lsm.ingest().unwrap();
            for number in 0..80 {
                ingestion
                    .put(&key(number), format!("ingested {round}").as_bytes())
                    .unwrap();
            }
            match ingestion.finish() {
                Ok(_) => done += 1,
                Err(error) => assert_eq!(error, Error::Overtaken),
            }
        }
        ended.store(true, Ordering::Relaxed);
        assert!(done > 0);
    });
    lsm.settle().unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap().len(), 80);
}

#[test]
fn entries_that_do_not_ascend_are_refused_one_by_one() {
    let store = mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    let mut ingestion = lsm.ingest().unwrap();
    ingestion.put(b"b", b"1").unwrap();
    assert_eq!(ingestion.put(b"a", b"2"), Err(Error::BadEntry { index: 1 }));
    assert_eq!(ingestion.put(b"b", b"2"), Err(Error::BadEntry { index: 1 }));
    assert_eq!(ingestion.delete(b"b"), Err(Error::BadEntry { index: 1 }));
    let long = vec![b'x'; KEY_BYTES_MAX as usize + 1];
    assert!(matches!(
        ingestion.put(&long, b""),
        Err(Error::KeyTooLarge { .. })
    ));
    ingestion.put(b"c", b"3").unwrap();
    ingestion.finish().unwrap();
    let expected =
        [("b", "1"), ("c", "3")].map(|(key, value)| (Bytes::from(key), Bytes::from(value)));
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), expected);
}

#[test]
fn an_ingestion_that_is_dropped_or_empty_leaves_nothing() {
    let store = mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    let mut ingestion = lsm.ingest().unwrap();
    for number in 0..200 {
        ingestion.put(&key(number), &[7; 40]).unwrap();
    }
    drop(ingestion);
    lsm.ingest().unwrap().finish().unwrap();
    work(&lsm).unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), []);
    assert_eq!(tables(&store), 0);
}

/// Two hundred keys are there; another value for half of them is taken in while `happen` strikes.
fn ingest_and_crash(context: &str, happen: impl Fn(&SimDisk)) -> [bool; 2] {
    let (sim, store) = disk();
    let lsm = open(&store, own(&store), 1).unwrap();
    let mut old = BTreeMap::new();
    for number in 0..60 {
        lsm.put(&key(number), b"old").unwrap();
        old.insert(Bytes::from(key(number)), Bytes::from("old"));
    }
    let mut new = old.clone();
    happen(&sim);
    let ingest = |lsm: &Lsm| {
        let mut ingestion = lsm.ingest()?;
        for number in (0..120).step_by(2) {
            ingestion.put(&key(number), &[b'n'; 30])?;
        }
        ingestion.finish()
    };
    for number in (0..120).step_by(2) {
        new.insert(Bytes::from(key(number)), Bytes::from(vec![b'n'; 30]));
    }
    let done = ingest(&lsm).is_ok();
    drop(lsm);
    sim.clear_failures();
    sim.crash(&mut Prng::new(1));
    let lsm = open(&store, own(&store), 2).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found: BTreeMap<_, _> = dump(&lsm, &lsm.snapshot()).unwrap().into_iter().collect();
    assert!(
        found == new || (found == old && !done),
        "{context}: done {done}, a mixture"
    );
    // And again, now that nothing fails.
    ingest(&lsm).unwrap();
    work(&lsm).unwrap();
    let again: BTreeMap<_, _> = dump(&lsm, &lsm.snapshot()).unwrap().into_iter().collect();
    assert_eq!(again, new, "{context}");
    let live: u32 = lsm.stats().levels.iter().map(|level| level.tables).sum();
    assert_eq!(
        tables(&store),
        live as usize,
        "{context}: nothing is left behind"
    );
    [done, found == new]
}

#[test]
fn an_ingestion_that_a_crash_cuts_off_is_there_whole_or_not_at_all() {
    let mut outcomes = [0, 0];
    for cut in (0..400).step_by(3) {
        let [_, there] = ingest_and_crash(&format!("cut {cut}"), |sim| sim.power_off_after(cut));
        outcomes[usize::from(there)] += 1;
    }
    assert!(outcomes[0] > 10 && outcomes[1] > 5, "{outcomes:?}");
}

#[test]
fn an_ingestion_without_room_or_whose_sync_fails_changes_nothing_else() {
    let mut failed = 0;
    for (op, kind) in [
        (IoOp::Append, IoErrorKind::NoSpace),
        (IoOp::Create, IoErrorKind::NoSpace),
        (IoOp::Append, IoErrorKind::Other),
        (IoOp::Sync, IoErrorKind::SyncFailed),
    ] {
        for skip in 0..30 {
            let context = format!("{kind:?} at {op} {skip}");
            let fail = |sim: &SimDisk| sim.fail(FailPoint::nth(op, skip, kind));
            let [done, _] = ingest_and_crash(&context, fail);
            failed += u32::from(!done);
        }
    }
    assert!(failed > 20, "{failed} ingestions failed");
}

#[test]
fn every_keyspace_takes_in_entries_tells_its_size_and_is_compacted_for_itself() {
    let store = mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    let (left, right) = (
        lsm.keyspace("left").unwrap(),
        lsm.keyspace("right").unwrap(),
    );
    lsm.put(&key(3), b"default").unwrap();
    right.put(&key(3), b"before").unwrap();
    for (space, value) in [(&left, b"left"), (&right, b"rite")] {
        let mut ingestion = space.ingest().unwrap();
        for number in 0..100 {
            ingestion.put(&key(number), &value.repeat(10)).unwrap();
        }
        ingestion.finish().unwrap();
    }
    assert_eq!(lsm.get(&key(3)).unwrap().unwrap(), "default");
    assert_eq!(left.get(&key(3)).unwrap().unwrap(), &b"left".repeat(10)[..]);
    assert_eq!(
        right.get(&key(3)).unwrap().unwrap(),
        &b"rite".repeat(10)[..]
    );
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap().len(), 1);
    work(&lsm).unwrap();
    let (whole, half) = (
        right.approximate_size(..).unwrap(),
        right.approximate_size(Bytes::from(key(50))..).unwrap(),
    );
    assert!(
        whole > 4_000 && half * 3 < whole * 2 && half * 3 > whole,
        "{half} of {whole}"
    );
    assert!(lsm.approximate_size(..).unwrap() < whole);
    left.delete_range(&key(0), &key(90)).unwrap();
    left.compact_range(b"", None).unwrap();
    assert!(left.approximate_size(..).unwrap() * 3 < whole);

    // One that is dropped meanwhile takes in nothing, and its entries are not found by its heir.
    let mut late = left.ingest().unwrap();
    late.put(&key(1), b"late").unwrap();
    lsm.drop_keyspace("left").unwrap();
    assert!(matches!(late.finish(), Err(Error::KeyspaceDropped { .. })));
    assert_eq!(left.get(&key(1)).unwrap(), None);
    assert_eq!(lsm.keyspace("left").unwrap().get(&key(1)).unwrap(), None);
}

#[test]
fn the_size_of_a_range_is_about_that_of_its_tables_share() {
    let lsm = open(&mem(), small(Log::External), 1).unwrap();
    let key = |number| Bytes::from(key(number));
    let mut ingestion = lsm.ingest().unwrap();
    for number in 0..2_000_u32 {
        let value = number.to_be_bytes().repeat(10);
        ingestion.put(&key(number), &value).unwrap();
    }
    assert_eq!(lsm.approximate_size(..).unwrap(), 0);
    ingestion.finish().unwrap();
    work(&lsm).unwrap();
    let all = lsm.approximate_size(..).unwrap();
    let levels = lsm.stats().levels;
    assert_eq!(all, levels.iter().map(|level| level.bytes).sum::<u64>());
    let share = |from, to| {
        let range = key(from)..key(to);
        lsm.approximate_size(range).unwrap() * 100 / all
    };
    assert!((20..=30).contains(&share(500, 1_000)));
    assert!((45..=55).contains(&share(0, 1_000)));
    assert!(share(700, 701) <= 5);
    assert_eq!((share(3_000, 4_000), share(1_000, 1_000)), (0, 0));
}
