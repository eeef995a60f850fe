//! Values in value files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nori_env::{BlockStore, IoErrorKind, IoOp, ObjectId, ObjectKind};
use nori_lsm::{
    Backups, Compaction, CompactionFilter, Error, FilterDecision, KeyspaceOptions, Log, Lsm,
    OpenMode, Options, TableOptions, verify_store,
};
use norikv_testkit::{FailPoint, SimEntropy, VirtualClock};
use norikv_types::{Prng, WallMs};

use crate::backup::unlocked;
use crate::support::{backward, disk, dump, forward, mem, open, small, tiny, work};
use crate::versions::append;

/// Values of 100 bytes and more lie in value files.
fn separated(log: Log) -> Options {
    Options {
        value_separation: Some(100),
        ..small(log)
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("key {number:04}").into_bytes()
}

fn value(number: u32, round: u32) -> Vec<u8> {
    let mut prng = Prng::new(u64::from(number) << 32 | u64::from(round));
    let byte = |_| u8::try_from(prng.below(256)).unwrap();
    (0..120 + number % 50).map(byte).collect()
}

fn fill(lsm: &Lsm, keys: impl IntoIterator<Item = u32>, round: u32) {
    for number in keys {
        lsm.put(&key(number), &value(number, round)).unwrap();
        work(lsm).unwrap();
    }
    lsm.flush().unwrap();
}

fn check(lsm: &Lsm, round_of: impl Fn(u32) -> Option<u32>) {
    let expected = |number| round_of(number).map(|round| Bytes::from(value(number, round)));
    let all: Vec<_> = (0..200)
        .filter_map(|number| Some((Bytes::from(key(number)), expected(number)?)))
        .collect();
    for number in 0..200 {
        assert_eq!(lsm.get(&key(number)).unwrap(), expected(number));
    }
    let snapshot = lsm.snapshot();
    assert_eq!(forward(lsm.iter(.., &snapshot)).unwrap(), all);
    assert_eq!(backward(lsm.iter(.., &snapshot)).unwrap(), all);
}

fn listed(store: &Arc<dyn BlockStore>, kind: ObjectKind) -> Vec<ObjectId> {
    let mut ids = store.list().unwrap();
    ids.retain(|id| id.kind == kind);
    ids
}

fn files(store: &Arc<dyn BlockStore>) -> Vec<ObjectId> {
    listed(store, ObjectKind::Values)
}

fn bytes_of(store: &Arc<dyn BlockStore>, kind: ObjectKind) -> u64 {
    let objects = listed(store, kind).into_iter();
    objects
        .map(|id| store.open(id).unwrap().len().unwrap())
        .sum()
}

#[test]
fn large_values_lie_in_value_files_and_small_ones_in_tables() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    lsm.put(b"large", &[7; 100]).unwrap();
    lsm.put(b"small", &[7; 99]).unwrap();
    lsm.put_expiring(b"until", &[8; 100], WallMs(1000)).unwrap();
    lsm.flush().unwrap();
    assert_eq!(files(&store).len(), 1);
    let values = lsm.stats().values;
    assert_eq!(values.files, 1);
    assert_eq!(values.bytes, values.referenced_bytes);
    for (key, value) in [("large", [7; 100]), ("until", [8; 100])] {
        assert_eq!(lsm.get(key.as_bytes()).unwrap().unwrap(), value[..]);
    }
    assert_eq!(lsm.get(b"small").unwrap().unwrap(), [7; 99][..]);
}

#[test]
fn compactions_do_not_copy_values() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    // Each key once, out of order: tables are merged, and no value becomes garbage.
    for step in [7, 3, 1, 5] {
        fill(&lsm, (0..200).filter(|number| number % 8 == step), 1);
    }
    fill(&lsm, (0..200).filter(|number| number % 2 == 0), 1);
    lsm.compact_range(b"", None).unwrap();
    let stats = lsm.stats();
    assert!(stats.compactions > stats.moves, "{stats:?}");
    assert_eq!(stats.values.relocated_bytes, 0);
    let written = stats.values.written_bytes;
    assert_eq!(written, bytes_of(&store, ObjectKind::Values));
    assert_eq!(stats.values.bytes, stats.values.referenced_bytes);
    check(&lsm, |_| Some(1));
}

#[test]
fn what_is_overwritten_gives_its_space_back() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    let mut prng = Prng::new(3);
    let mut last = [0; 200];
    fill(&lsm, 0..200, 0);
    for round in 1..40 {
        let numbers: Vec<_> = (0..30)
            .map(|_| u32::try_from(prng.below(200)).unwrap())
            .collect();
        numbers
            .iter()
            .for_each(|number| last[*number as usize] = round);
        fill(&lsm, numbers, round);
        work(&lsm).unwrap();
    }
    let values = lsm.stats().values;
    assert!(values.relocated_bytes > 0, "{values:?}");
    assert!(values.bytes < 3 * values.referenced_bytes, "{values:?}");
    check(&lsm, |number| Some(last[number as usize]));
    lsm.settle().unwrap();
    let settled = lsm.stats().values;
    // An eighth of each file at most.
    assert!(
        settled.bytes * 7 <= settled.referenced_bytes * 8,
        "{settled:?}"
    );
    assert_eq!(files(&store).len(), settled.files as usize);
    check(&lsm, |number| Some(last[number as usize]));
    let verified = lsm.verify(&mut |_| ()).unwrap();
    assert_eq!(verified.findings, []);

    lsm.delete_range(b"", b"z").unwrap();
    lsm.compact_range(b"", None).unwrap();
    lsm.settle().unwrap();
    assert_eq!((files(&store), lsm.stats().values.files), (vec![], 0));
    check(&lsm, |_| None);
}

#[test]
fn a_value_file_stays_while_a_snapshot_shows_its_values() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    fill(&lsm, 0..40, 1);
    let snapshot = lsm.snapshot();
    let before = files(&store);
    let mut cursor = lsm.cursor(&snapshot);
    assert!(cursor.first().unwrap());
    lsm.delete_range(b"", b"z").unwrap();
    lsm.compact_range(b"", None).unwrap();
    lsm.settle().unwrap();
    assert_eq!(lsm.stats().values.files, 0);
    assert_eq!(files(&store), before);
    assert_eq!(cursor.value().unwrap(), value(0, 1));
    assert_eq!(dump(&lsm, &snapshot).unwrap().len(), 40);
    drop((snapshot, cursor));
    lsm.settle().unwrap();
    assert_eq!(files(&store), []);
}

#[test]
fn a_value_is_read_when_it_is_asked_for_and_its_damage_told_then() {
    let (disk, store) = disk();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    for number in 0..3 {
        lsm.put(&key(number), &value(number, 1)).unwrap();
    }
    lsm.flush().unwrap();
    let [file] = files(&store)[..] else { panic!() };
    let second = 12 + value(0, 1).len() as u64;
    assert!(disk.flip_bit(file, (second + 50) * 8));
    let snapshot = lsm.snapshot();
    let mut cursor = lsm.cursor(&snapshot);
    assert!(cursor.first().unwrap() && cursor.next().unwrap());
    let place = |error: Error| match error {
        Error::Table(nori_sstable::Error::Corrupt { object, offset, .. }) => (object, offset),
        error => panic!("{error}"),
    };
    assert_eq!(place(cursor.value().unwrap_err()), (file, second));
    assert!(cursor.is_valid() && cursor.key() == key(1));
    assert_eq!(place(cursor.value_bytes().unwrap_err()), (file, second));
    assert!(cursor.next().unwrap());
    assert_eq!(cursor.value().unwrap(), value(2, 1));
    assert!(cursor.prev().unwrap());
    assert_eq!(place(cursor.value().unwrap_err()), (file, second));

    let mut iter = lsm.iter(.., &snapshot);
    assert!(iter.next().unwrap().is_some());
    assert_eq!(iter.next().map_err(place), Err((file, second)));
    assert_eq!(
        iter.next().map_err(place),
        Err((file, second)),
        "nothing is skipped"
    );
    assert_eq!(place(lsm.get(&key(1)).unwrap_err()), (file, second));
    assert!(lsm.get(&key(0)).unwrap().is_some());
    // Whether something is there is known without its value.
    let held = lsm.get_versioned(&key(2)).unwrap().unwrap();
    assert!(
        lsm.compare_and_set(&key(2), Some(held.version), None)
            .is_ok()
    );
    assert_eq!(
        lsm.compare_and_set(&key(1), None, None),
        Err(Error::Conflict)
    );
    let found = lsm.verify(&mut |_| ()).unwrap().findings;
    assert_eq!(
        (found.len(), found[0].object, found[0].start),
        (1, file, second)
    );
}

#[test]
fn expired_values_go_without_being_read() {
    let (disk, store) = disk();
    let clock = Arc::new(VirtualClock::new(WallMs(0)));
    let entropy = Arc::new(SimEntropy::new(1));
    let options = separated(Log::External);
    let lsm = Lsm::open_in(Arc::clone(&store), clock.clone(), entropy, options).unwrap();
    for number in 0..4 {
        lsm.put_expiring(&key(number), &value(number, 1), WallMs(10))
            .unwrap();
    }
    lsm.flush().unwrap();
    let [file] = files(&store)[..] else { panic!() };
    assert!(disk.flip_bit(file, 400));
    // Another run over the same keys, so that they are merged.
    lsm.delete(&key(0)).unwrap();
    lsm.delete(&key(9)).unwrap();
    lsm.flush().unwrap();
    clock.advance(Duration::from_millis(10));
    check(&lsm, |_| None);
    lsm.compact_range(b"", None).unwrap();
    lsm.settle().unwrap();
    assert_eq!(files(&store), []);
}

/// Keeps values that begin with an even byte, and makes an empty one of every fourth.
#[derive(Debug)]
struct Even;

impl CompactionFilter for Even {
    fn filter(&self, _: &[u8], value: &[u8]) -> FilterDecision {
        match value.first().map(|first| first % 4) {
            Some(0) => FilterDecision::Change(Vec::new()),
            Some(2) | None => FilterDecision::Keep,
            _ => FilterDecision::Remove,
        }
    }
}

#[test]
fn filters_and_merge_operators_see_values_and_not_pointers() {
    let store = mem();
    let mut options = separated(Log::External);
    let filtering = KeyspaceOptions {
        compaction_filter: Some(Arc::new(Even)),
        merge_operator: append(),
        ..KeyspaceOptions::default()
    };
    options.keyspaces.insert("default".into(), filtering);
    let lsm = open(&store, options, 1).unwrap();
    for first in 0..8_u8 {
        let value = [first; 200];
        lsm.put(&[b'p', first], &value).unwrap();
        lsm.put_expiring(&[b'x', first], &value, WallMs(1 << 40))
            .unwrap();
        lsm.put(&[b'm', first], &value).unwrap();
    }
    lsm.flush().unwrap();
    for first in 0..8_u8 {
        lsm.merge(&[b'm', first], b"end").unwrap();
    }
    let merged = |first| [&[first; 200][..], b"end"].concat();
    let read = |letter, first: u8| lsm.get(&[letter, first]).unwrap();
    assert_eq!(read(b'm', 1).unwrap(), merged(1));
    lsm.flush().unwrap();
    assert_eq!(read(b'm', 1).unwrap(), merged(1));
    lsm.compact_range(b"", None).unwrap();
    for first in 0..8_u8 {
        for (letter, whole) in [
            (b'p', vec![first; 200]),
            (b'x', vec![first; 200]),
            (b'm', merged(first)),
        ] {
            let expected = match first % 4 {
                0 => Some(Bytes::new()),
                2 => Some(whole.into()),
                _ => None,
            };
            assert_eq!(read(letter, first), expected, "{letter} {first}");
        }
    }
}

#[test]
fn a_store_opens_with_separation_on_or_off_and_values_come_back_as_files_are_given_back() {
    let store = mem();
    let options = |least| Options {
        value_separation: least,
        ..separated(Log::External)
    };
    let lsm = open(&store, options(None), 1).unwrap();
    fill(&lsm, 0..100, 1);
    assert_eq!(files(&store), []);
    drop(lsm);
    let lsm = open(&store, options(Some(100)), 2).unwrap();
    fill(&lsm, 50..150, 2);
    let expected = |number| match number {
        0..50 => Some(1),
        50..150 => Some(2),
        _ => None,
    };
    check(&lsm, expected);
    // What compactions meet goes to files too.
    lsm.compact_range(b"", None).unwrap();
    assert!(lsm.stats().values.referenced_bytes > 100 * 120);
    check(&lsm, expected);
    drop(lsm);
    let lsm = open(&store, options(None), 3).unwrap();
    check(&lsm, expected);
    for round in 3..20 {
        fill(&lsm, 0..150, round);
    }
    lsm.settle().unwrap();
    assert_eq!(files(&store), []);
    check(&lsm, |number| (number < 150).then_some(19));
}

#[test]
fn orphans_are_deleted_at_the_next_opening_and_their_numbers_not_used_again() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    fill(&lsm, 0..20, 1);
    let live = files(&store);
    drop(lsm);
    let orphan = ObjectId::values(1000);
    store
        .create(orphan, None)
        .unwrap()
        .append(0, &[b"debris"])
        .unwrap();
    let found = verify_store(&*store, None, &mut |_| ()).unwrap();
    assert_eq!((found.orphans, found.findings), (1, vec![]));
    let lsm = open(&store, separated(Log::External), 2).unwrap();
    work(&lsm).unwrap();
    assert_eq!(files(&store), live);
    fill(&lsm, 0..20, 2);
    assert!(files(&store).iter().any(|id| id.number > 1000));
    check(&lsm, |number| (number < 20).then_some(2));
}

#[test]
fn a_missing_value_file_is_corruption_and_no_store_without_its_values_opens() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    fill(&lsm, 0..20, 1);
    drop(lsm);
    let file = files(&store)[0];
    store.delete(file).unwrap();
    let refused = open(&store, separated(Log::External), 2).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { object, .. } if object == file));
    let found = verify_store(&*store, None, &mut |_| ()).unwrap().findings;
    assert_eq!((found.len(), found[0].object), (1, file));
}

#[test]
fn ingested_and_replaced_values_lie_in_files_and_survive_being_overtaken() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    let mut ingestion = lsm.ingest().unwrap();
    for number in 0..100 {
        ingestion.put(&key(number), &value(number, 1)).unwrap();
    }
    // Later than the place that the ingestion has taken, and in a table before it is done.
    lsm.put(&key(3), b"overtaken").unwrap();
    lsm.flush().unwrap();
    ingestion.finish().unwrap();
    check(&lsm, |number| (number < 100).then_some(1));
    work(&lsm).unwrap();
    assert_eq!(files(&store).len(), lsm.stats().values.files as usize);
    let verified = lsm.verify(&mut |_| ()).unwrap();
    assert_eq!(verified.findings, []);

    let mut pairs =
        (50..120).map(|number| (Bytes::from(key(number)), Bytes::from(value(number, 2))));
    let range = Bytes::from(key(40))..Bytes::from(key(200));
    lsm.replace_ranges(&[range], &mut || Ok(pairs.next()))
        .unwrap();
    let expected = |number| match number {
        0..40 => Some(1),
        50..120 => Some(2),
        _ => None,
    };
    check(&lsm, expected);
    lsm.compact_range(b"", None).unwrap();
    check(&lsm, expected);

    let mut dropped = lsm.ingest().unwrap();
    dropped.put(&key(0), &value(0, 9)).unwrap();
    drop(dropped);
    lsm.settle().unwrap();
    assert_eq!(files(&store).len(), lsm.stats().values.files as usize);
    check(&lsm, expected);
}

#[test]
fn checkpoints_and_backups_take_value_files_along_and_share_them() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    fill(&lsm, 0..100, 1);
    let target: Arc<dyn BlockStore> = mem();
    lsm.checkpoint_in(&target, &mut |_| ()).unwrap();
    let copy = open(&unlocked(&target), separated(Log::External), 2).unwrap();
    check(&copy, |number| (number < 100).then_some(1));

    let kept: Arc<dyn BlockStore> = mem();
    let backups = Backups::open_in(Arc::clone(&kept), Arc::new(SimEntropy::new(3)));
    let first = lsm.backup(&backups, &mut |_| ()).unwrap();
    let shared = files(&kept).len();
    fill(&lsm, 100..120, 1);
    let second = lsm.backup(&backups, &mut |_| ()).unwrap();
    assert!(second.added_bytes * 3 < second.bytes, "{second:?}");
    assert!(files(&kept).len() > shared && files(&kept).len() < 2 * shared);
    let listed = backups.generations().unwrap();
    assert_eq!(listed, [first, second]);
    // In the second one files stand under other numbers than in the store.
    let (of_backup, of_store) = (files(&kept), files(&store));
    assert_ne!(of_backup, of_store);
    for (number, count) in [(1, 100), (2, 120)] {
        backups.verify(number, &mut |_| ()).unwrap();
        let target: Arc<dyn BlockStore> = mem();
        backups.restore(number, &target, &mut |_| ()).unwrap();
        let restored = open(&unlocked(&target), separated(Log::External), 4).unwrap();
        check(&restored, |number| (number < count).then_some(1));
        assert_eq!(restored.verify(&mut |_| ()).unwrap().findings, []);
    }
    let found = verify_store(&*kept, None, &mut |_| ()).unwrap();
    assert_eq!((found.orphans, found.findings), (0, vec![]));

    for round in 2..6 {
        fill(&lsm, 0..120, round);
    }
    lsm.settle().unwrap();
    lsm.backup(&backups, &mut |_| ()).unwrap();
    let pruned = backups.prune(1).unwrap();
    assert!(pruned.values > 0, "{pruned:?}");
    assert_eq!(files(&kept).len(), lsm.stats().values.files as usize);
    backups.verify(3, &mut |_| ()).unwrap();
}

#[test]
fn a_read_only_store_reads_values_and_changes_nothing() {
    let store = mem();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    fill(&lsm, 0..50, 1);
    drop(lsm);
    let before = store.list().unwrap();
    let read_only = Options {
        mode: OpenMode::ReadOnly,
        ..separated(Log::External)
    };
    let lsm = open(&store, read_only, 2).unwrap();
    check(&lsm, |number| (number < 50).then_some(1));
    assert_eq!(store.list().unwrap(), before);
}

#[test]
fn a_scrub_reads_value_files_too_and_finds_rot_in_them() {
    let (disk, store) = disk();
    let clock = Arc::new(VirtualClock::new(WallMs(0)));
    let options = Options {
        scrub_bytes_per_second: 1 << 20,
        ..separated(Log::External)
    };
    let entropy = Arc::new(SimEntropy::new(1));
    let lsm = Lsm::open_in(Arc::clone(&store), clock.clone(), entropy, options).unwrap();
    fill(&lsm, 0..60, 1);
    let pass = || {
        let passes = lsm.scrubbed().passes;
        for _ in 0..1000 {
            clock.advance(Duration::from_secs(1));
            work(&lsm).unwrap();
            if lsm.scrubbed().passes > passes + 1 {
                return;
            }
        }
        panic!("{:?}", lsm.scrubbed());
    };
    pass();
    let done = lsm.scrubbed();
    assert!(done.values >= u64::from(lsm.stats().values.files) && done.findings.is_empty());
    let file = files(&store)[0];
    assert!(disk.flip_bit(file, 100));
    pass();
    let found = lsm.scrubbed().findings;
    assert_eq!((found.len(), found[0].object), (1, file));
}

#[test]
fn with_fifo_value_files_go_with_their_tables_and_count_for_what_they_take() {
    let store = mem();
    let options = Options {
        compaction: Compaction::Fifo {
            bytes_max: 20_000,
            ttl: None,
        },
        ..separated(Log::External)
    };
    let lsm = open(&store, options, 1).unwrap();
    let mut most = 0;
    for number in 0..600_u32 {
        lsm.put(&number.to_be_bytes(), &value(number, 1)).unwrap();
        work(&lsm).unwrap();
        let took = bytes_of(&store, ObjectKind::Values) + bytes_of(&store, ObjectKind::Table);
        most = most.max(took);
    }
    assert!(most > 15_000 && most < 30_000, "{most}");
    assert_eq!(
        lsm.get(&599_u32.to_be_bytes()).unwrap().unwrap(),
        value(599, 1)
    );
    assert_eq!(lsm.get(&0_u32.to_be_bytes()).unwrap(), None);
}

#[test]
fn a_full_disk_during_a_flush_or_a_compaction_leaves_no_value_files_behind() {
    let (disk, store) = disk();
    let lsm = open(&store, separated(Log::External), 1).unwrap();
    for round in 1..30 {
        for number in 0..30 {
            lsm.put(&key(number), &value(number, round)).unwrap();
        }
        disk.fail(FailPoint::next(IoOp::Append, IoErrorKind::NoSpace).on(ObjectKind::Values));
        lsm.rotate();
        // The job that fails, if one writes values now, and all that comes after it.
        while let Some(mut job) = lsm.next_job() {
            while let Ok(nori_lsm::JobState::More) = job.step(256) {}
        }
        lsm.settle().unwrap();
        check(&lsm, |number| (number < 30).then_some(round));
        assert_eq!(
            files(&store).len(),
            lsm.stats().values.files as usize,
            "round {round}"
        );
    }
    assert!(lsm.stats().failures > 0);
}

#[test]
fn how_much_a_range_takes_counts_its_values() {
    let store = mem();
    let options = Options {
        table_bytes: 16 << 10,
        memtable_bytes: 64 << 10,
        table: TableOptions {
            block_bytes: 256,
            ..TableOptions::default()
        },
        ..separated(Log::External)
    };
    let lsm = open(&store, options, 1).unwrap();
    for number in 0..200 {
        lsm.put(&key(number), &value(number, 1)).unwrap();
    }
    lsm.flush().unwrap();
    let all = lsm.approximate_size(..).unwrap();
    let stored = bytes_of(&store, ObjectKind::Values);
    assert!(all > stored && all < stored * 2, "{all} of {stored}");
    let half = lsm.approximate_size(..Bytes::from(key(100))).unwrap();
    assert!(half * 3 > all && half * 3 < all * 2, "{half} of {all}");
}

#[test]
fn a_run_repeats_with_value_files() {
    let run = || {
        let store = mem();
        let options = Options {
            value_separation: Some(100),
            ..tiny(Log::Inside)
        };
        let lsm = open(&store, options, 5).unwrap();
        for round in 0..5 {
            fill(&lsm, 0..60, round);
        }
        let bytes = |id: &ObjectId| {
            let object = store.open(*id).unwrap();
            let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
            object.read_at(0, &mut bytes).unwrap();
            bytes
        };
        let ids = store.list().unwrap();
        ids.iter().map(|id| (*id, bytes(id))).collect::<Vec<_>>()
    };
    assert!(run() == run());
}
