//! Segments that are set aside before a rotation asks for them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::{Arc, Mutex, Weak};

use nori_env::{BlockStore, ObjectKind};
use nori_wal::{Error, Options, SyncPolicy, Wal};
use norikv_testkit::{CrashDisk, CrashFault as Fault, StoreStep, WatchedStore};
use norikv_types::Prng;

use crate::support::{Seeded, open};

fn options(sync: SyncPolicy) -> Options {
    Options {
        segment_bytes: 1024,
        first_segment_bytes: 1024,
        batch_bytes_max: 256,
        spares_max: 1,
        sync,
        ..Options::default()
    }
}

fn log(disk: &CrashDisk, sync: SyncPolicy) -> Wal {
    let opened = open(Arc::new(disk.clone()), &Seeded::new(3), &options(sync));
    opened.unwrap().0
}

/// Fills the active segment to its half.
fn fill_half(wal: &Wal) {
    while !wal.wants_segment() {
        wal.append(&[&[1; 100]]).unwrap();
    }
}

fn objects(disk: &CrashDisk) -> usize {
    let ids = disk.list().unwrap().into_iter();
    ids.filter(|id| id.kind == ObjectKind::Log).count()
}

#[test]
fn a_rotation_takes_the_segment_that_was_set_aside_and_creates_none() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Group);
    assert!(!wal.wants_segment() && !wal.prepare().unwrap());
    for _ in 0..5 {
        fill_half(&wal);
        assert!(wal.wants_segment_at().unwrap() <= wal.written_lsn());
        assert!(wal.prepare().unwrap());
        assert!(
            !wal.wants_segment() && !wal.prepare().unwrap(),
            "one is enough"
        );
        assert!(wal.wants_segment_at().unwrap() > wal.written_lsn());
        let before = objects(&disk);
        let segments = wal.segments().len();
        while wal.segments().len() == segments {
            wal.append(&[&[2; 100]]).unwrap();
        }
        assert_eq!(objects(&disk), before);
    }
    let count = wal.iter_from(wal.first_lsn()).unwrap().count();
    drop(wal);
    let (_, recovery, _) =
        open(Arc::new(disk), &Seeded::new(4), &options(SyncPolicy::Group)).unwrap();
    assert_eq!(usize::try_from(recovery.records).unwrap(), count);
}

#[test]
fn a_log_whose_commits_wait_for_no_sync_sets_nothing_aside() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Never);
    for _ in 0..30 {
        wal.append(&[&[1; 100]]).unwrap();
        assert!(!wal.wants_segment());
    }
    assert_eq!(wal.wants_segment_at(), None);
    let segments = wal.segments().len();
    assert!(segments > 1);
    wal.release_before(wal.written_lsn()).unwrap();
    assert_eq!((wal.segments().len(), objects(&disk)), (1, 1), "no spares");
}

#[test]
fn a_segment_that_finds_no_room_is_asked_for_again_after_the_next_rotation() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Group);
    fill_half(&wal);
    disk.arm(disk.ops(), Fault::NoSpace);
    assert!(matches!(wal.prepare(), Err(Error::Io(_))));
    assert!(
        !wal.wants_segment() && !wal.prepare().unwrap(),
        "not again and again"
    );
    wal.append(&[b"the log goes on"]).unwrap();
    wal.rotate(b"").unwrap();
    fill_half(&wal);
    assert!(wal.prepare().unwrap());
}

#[test]
fn rotations_and_releases_while_a_segment_is_set_aside_leave_no_gap_before_what_is_left() {
    for rotations in [1, 2, 3, 5, 40] {
        for spares_max in [0, 1, 3] {
            let disk = CrashDisk::new(64, true, true);
            // A good deal happens to the log while it creates a segment.
            let meanwhile = Arc::new(Mutex::new(Weak::<Wal>::new()));
            let store = WatchedStore::new(disk.clone(), {
                let meanwhile = Arc::clone(&meanwhile);
                move |step| {
                    let wal = matches!(step, StoreStep::Created(_))
                        .then(|| std::mem::take(&mut *meanwhile.lock().unwrap()).upgrade());
                    let Some(wal) = wal.flatten() else { return };
                    for number in 0..rotations {
                        wal.rotate(b"").unwrap();
                        wal.append(&[&[9; 50]]).unwrap();
                        if number % 2 == 1 {
                            wal.release_before(wal.durable_lsn()).unwrap();
                        }
                    }
                }
            });
            let options = Options {
                spares_max,
                ..options(SyncPolicy::Group)
            };
            let (wal, ..) = open(store, &Seeded::new(3), &options).unwrap();
            let wal = Arc::new(wal);
            fill_half(&wal);
            *meanwhile.lock().unwrap() = Arc::downgrade(&wal);
            wal.prepare().unwrap();
            for step in 0..12 {
                let context = format!("{rotations} rotations, {spares_max} spares, step {step}");
                for after in [disk.crash(|_| 0), disk.crash(|_| 1), disk.restart()] {
                    let opened = open(Arc::new(after), &Seeded::new(4), &options);
                    let (_, recovery, _) = opened.unwrap_or_else(|e| panic!("{context}: {e}"));
                    assert!(recovery.end >= wal.durable_lsn(), "{context}");
                }
                wal.rotate(b"").unwrap();
                wal.append(&[&[step; 60]]).unwrap();
                if step % 3 != 2 {
                    wal.release_before(wal.durable_lsn()).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_log_with_segments_set_aside_opens_after_a_power_cut_at_every_point() {
    let run = |disk: &CrashDisk, told: &mut (u8, u8)| -> Result<(), Error> {
        let group = options(SyncPolicy::Group);
        let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(5), &group)?;
        for number in 0..24u8 {
            wal.append(&[&[number; 100]])?;
            told.0 = number + 1;
            wal.prepare()?;
            if number == 15 {
                told.1 = told.0;
                wal.release_before(wal.durable_lsn())?;
            }
        }
        Ok(())
    };
    let whole = CrashDisk::new(64, true, true);
    run(&whole, &mut (0, 0)).unwrap();
    let seed = 77;
    let mut prng = Prng::new(seed);
    for op in 0..whole.ops() {
        let disk = CrashDisk::new(64, true, true);
        disk.arm(op, Fault::PowerCut);
        let mut told = (0, 0);
        run(&disk, &mut told).unwrap_err();
        for _ in 0..20 {
            let after = disk.crash(|choices| prng.below(choices));
            let opened = open(
                Arc::new(after),
                &Seeded::new(6),
                &options(SyncPolicy::Group),
            );
            let (wal, _, seen) =
                opened.unwrap_or_else(|error| panic!("seed {seed} op {op}: {error}"));
            let numbers: Vec<u8> = seen.payloads().iter().map(|record| record[0]).collect();
            let from = numbers.first().copied().unwrap_or(told.0);
            let to = from + u8::try_from(numbers.len()).unwrap();
            assert!(numbers.iter().copied().eq(from..to), "op {op}: {numbers:?}");
            assert!(
                from <= told.1 && to >= told.0 && to <= told.0 + 1,
                "op {op}"
            );
            wal.append(&[b"on"]).unwrap();
        }
    }
}
