//! Faults that other logs had, each a test that fails where this one has it too.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nori_env::{BlockStore, Geometry, MemStore, ObjectId, ObjectKind};
use nori_wal::{Damage, Error, OpenMode, Options, SyncPolicy};
use norikv_testkit::{CrashDisk, CrashFault as Fault};
use norikv_types::Prng;

use crate::support::{Seeded, open, small};

fn recycling() -> MemStore {
    MemStore::with_geometry(Geometry {
        unit: 64,
        psow: true,
        recycle: true,
        capacity: None,
    })
}

fn segments(options: &Options) -> Options {
    Options {
        segment_bytes: 640,
        first_segment_bytes: 640,
        batch_bytes_max: 256,
        ..options.clone()
    }
}

/// `count` numbered records over several segments, the log closed.
fn written(disk: &MemStore, count: u8) {
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &segments(&small())).unwrap();
    for number in 0..count {
        wal.append(&[&[number; 100]]).unwrap();
    }
    assert!(wal.segments().len() > 3);
    wal.close().unwrap();
}

/// A copy of `disk` with one byte of `object` changed.
fn with_flip(disk: &MemStore, object: ObjectId, at: usize) -> MemStore {
    let copy = MemStore::new();
    for id in disk.list().unwrap() {
        let from = disk.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
        from.read_at(0, &mut bytes).unwrap();
        if id == object {
            bytes[at] ^= 1;
        }
        let to = copy.create(id, Some(bytes.len() as u64)).unwrap();
        to.append(0, &[&bytes]).unwrap();
    }
    copy
}

#[test]
fn a_segment_cut_at_its_first_bad_record_leaves_no_silent_hole() {
    let disk = recycling();
    written(&disk, 20);
    // In the middle of the second of several segments.
    let damaged = with_flip(&disk, ObjectId::log(2), 300);
    let refused = open(
        Arc::new(damaged.clone()),
        &Seeded::new(2),
        &segments(&small()),
    );
    assert!(matches!(refused, Err(Error::Corrupt(range)) if range.object == ObjectId::log(2)));
    let salvage = Options {
        mode: OpenMode::Salvage,
        ..segments(&small())
    };
    let (_, recovery, seen) = open(Arc::new(damaged), &Seeded::new(2), &salvage).unwrap();
    let [hole] = recovery.corrupt.as_slice() else {
        panic!("{:?}", recovery.corrupt)
    };
    assert_eq!(hole.damage, Damage::Frame);
    // Exactly what stood in the range that was named is missing.
    assert_eq!(seen.records.len(), 19);
    let inside = |lsn| hole.lsns.start <= lsn && lsn < hole.lsns.end;
    assert!(seen.records.iter().all(|(lsn, _)| !inside(*lsn)));
}

#[test]
fn acknowledged_records_behind_a_bad_spot_are_not_dropped_as_a_point_in_time() {
    let disk = recycling();
    written(&disk, 20);
    for at in [110, 200, 330] {
        let damaged = with_flip(&disk, ObjectId::log(2), at);
        let strict = open(
            Arc::new(damaged.clone()),
            &Seeded::new(2),
            &segments(&small()),
        );
        assert!(strict.is_err(), "{at}: a shorter log is not a whole one");
        let salvage = Options {
            mode: OpenMode::Salvage,
            ..segments(&small())
        };
        let (_, _, seen) = open(Arc::new(damaged), &Seeded::new(2), &salvage).unwrap();
        assert_eq!(seen.payloads().last().unwrap(), &[19; 100], "{at}");
    }
}

#[test]
fn replay_does_not_stop_behind_the_first_segment() {
    let disk = recycling();
    written(&disk, 20);
    let (_, recovery, seen) = open(Arc::new(disk), &Seeded::new(2), &segments(&small())).unwrap();
    assert_eq!((recovery.records, seen.records.len()), (20, 20));
}

#[test]
fn a_record_of_any_size_that_is_accepted_is_read_back() {
    let options = Options {
        segment_bytes: 1 << 20,
        first_segment_bytes: 1 << 20,
        batch_bytes_max: 4 << 20,
        ..Options::default()
    };
    for compress_min in [None, Some(1024)] {
        let options = Options {
            compress_min,
            ..options.clone()
        };
        let disk = MemStore::new();
        let entropy = Seeded::new(3);
        let mut prng = Prng::new(5);
        let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options).unwrap();
        let limit = options.batch_bytes_max as usize - 8;
        let sizes = [
            0,
            1,
            32 << 10,
            (32 << 10) + 1,
            64 << 10,
            1 << 20,
            (1 << 20) + 7,
            limit,
        ];
        let mut records = Vec::new();
        for size in sizes {
            let noise: Vec<u8> = (0..size)
                .map(|_| u8::try_from(prng.below(4)).unwrap())
                .collect();
            let first = wal.end_lsn();
            wal.append(&[&noise]).unwrap();
            let (lsn, read) = wal.iter_from(first).unwrap().next().unwrap().unwrap();
            assert!(read == noise && wal.read(lsn).unwrap() == noise, "{size}");
            records.push(noise);
        }
        let over = vec![0; limit + 1];
        assert!(matches!(wal.append(&[&over]), Err(Error::TooLarge { .. })));
        drop(wal);
        let (_, _, seen) = open(Arc::new(disk), &entropy, &options).unwrap();
        assert!(seen.payloads() == records, "all of them come back");
    }
}

#[test]
fn a_tail_of_zeros_that_was_set_aside_is_no_corruption() {
    for policy in [SyncPolicy::Group, SyncPolicy::Never] {
        let disk = recycling();
        let options = Options {
            sync: policy,
            ..small()
        };
        let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &options).unwrap();
        wal.append(&[b"one"]).unwrap();
        drop(wal);
        let (_, recovery, seen) = open(Arc::new(disk), &Seeded::new(2), &options).unwrap();
        assert_eq!((recovery.uncertain, recovery.corrupt), (None, Vec::new()));
        assert_eq!(seen.payloads(), [b"one"]);
    }
}

#[test]
fn two_appenders_that_find_a_segment_full_rotate_once() {
    let disk = recycling();
    let options = Options {
        spares_max: 0,
        ..segments(&small())
    };
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &options).unwrap();
    let wal = Arc::new(wal);
    let barrier = std::sync::Barrier::new(8);
    let total = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let (wal, barrier, total) = (Arc::clone(&wal), &barrier, &total);
            scope.spawn(move || {
                for _ in 0..40 {
                    barrier.wait();
                    wal.append(&[&[thread; 90]]).unwrap();
                    total.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let held = wal.segments();
    // Each segment begins where the one before ended, holds something, and there are not more than
    // the bytes ask for.
    for pair in held.windows(2) {
        assert!(pair[0].end == pair[1].base && pair[1].number > pair[0].number);
    }
    let empty = held
        .iter()
        .filter(|segment| segment.end.0 - segment.base.0 < 100);
    assert!(
        empty.count() <= 2,
        "the bridge, and the one just begun: {held:?}"
    );
    drop(wal);
    let (_, recovery, _) = open(Arc::new(disk), &Seeded::new(2), &options).unwrap();
    assert_eq!(recovery.records, total.into_inner());
}

#[test]
fn a_stale_record_of_a_recycled_segment_is_never_accepted() {
    let disk = recycling();
    let mut appended = 0_u32;
    for round in 0..6 {
        let options = segments(&small());
        let opened = open(Arc::new(disk.clone()), &Seeded::new(round), &options);
        let (wal, _, seen) = opened.unwrap();
        let numbers: Vec<u32> = (seen.payloads().into_iter())
            .map(|record| u32::from_le_bytes(*record.first_chunk().unwrap()))
            .collect();
        // Records of equal length: stale frames stand exactly where new ones would.
        assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
        assert_eq!(numbers.last().map_or(0, |last| last + 1), appended);
        for number in 0..17 {
            wal.append(&[&appended.to_le_bytes().repeat(25)]).unwrap();
            appended += 1;
            if number % 5 == 4 {
                wal.release_before(wal.durable_lsn()).unwrap();
            }
        }
    }
}

#[test]
fn a_segment_whose_name_was_never_synced_loses_nothing_acknowledged() {
    // The crash takes every name that no sync and no barrier made durable.
    for policy in [SyncPolicy::Group, SyncPolicy::Always] {
        let disk = CrashDisk::new(64, true, true);
        let options = Options {
            sync: policy,
            ..segments(&small())
        };
        let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &options).unwrap();
        for number in 0..20_u8 {
            wal.append(&[&[number; 100]]).unwrap();
            let after = disk.crash(|_| 0);
            let (_, _, seen) = open(Arc::new(after), &Seeded::new(2), &options).unwrap();
            assert_eq!(seen.records.len(), usize::from(number) + 1);
        }
    }
}

#[test]
fn a_batch_is_never_there_in_part_after_a_crash() {
    let seed = 91;
    let mut prng = Prng::new(seed);
    for policy in [SyncPolicy::Group, SyncPolicy::Never] {
        let options = Options {
            sync: policy,
            ..segments(&small())
        };
        let run = |disk: &CrashDisk| -> Result<(), Error> {
            let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &options)?;
            for number in 0..12_u8 {
                let record = [number; 40];
                wal.append(&[&record, &record, &record])?;
            }
            wal.close()
        };
        let whole = CrashDisk::new(64, true, false);
        run(&whole).unwrap();
        for op in 0..whole.ops() {
            let disk = CrashDisk::new(64, true, false);
            disk.arm(op, Fault::PowerCut);
            run(&disk).unwrap_err();
            for _ in 0..40 {
                let after = disk.crash(|choices| prng.below(choices));
                let (_, _, seen) = open(Arc::new(after), &Seeded::new(2), &options).unwrap();
                let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
                for record in seen.payloads() {
                    *counts.entry(record[0]).or_default() += 1;
                }
                assert!(
                    counts.values().all(|count| *count == 3),
                    "seed {seed} op {op}: {counts:?}"
                );
            }
        }
    }
}

#[test]
fn the_order_of_the_log_is_the_order_in_which_batches_were_numbered() {
    let disk = MemStore::new();
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &small()).unwrap();
    let numbers = std::sync::Mutex::new(0_u64);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..60 {
                    // Numbered and staged under one lock, committed outside it.
                    let mut next = numbers.lock().unwrap();
                    *next += 1;
                    wal.stage(&[&next.to_le_bytes()]).unwrap();
                    drop(next);
                    wal.commit().unwrap();
                }
            });
        }
    });
    drop(wal);
    let (_, _, seen) = open(Arc::new(disk.clone()), &Seeded::new(2), &small()).unwrap();
    let numbers = (seen.payloads().into_iter())
        .map(|record| u64::from_le_bytes(*record.first_chunk().unwrap()));
    assert!(numbers.eq(1..=360));
    let logs = disk.list().unwrap().into_iter();
    assert!(logs.filter(|id| id.kind == ObjectKind::Log).count() > 1);
}
