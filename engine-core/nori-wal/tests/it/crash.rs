//! Every crash point of small workloads, and every way in which the unsynced units survive.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;

use nori_wal::{Error, Lsn, Options, Wal};
use norikv_testkit::{CrashDisk, CrashFault as Fault};
use norikv_types::Prng;

use crate::support::{Seeded, Seen, open};

/// What a workload did, as its caller knows it.
#[derive(Debug, Default, Clone)]
struct Told {
    /// Every batch that was handed in, in order.
    batches: Vec<Vec<Vec<u8>>>,
    /// How many of them were acknowledged: a prefix.
    acknowledged: usize,
    /// Tables of acknowledged rotations.
    tables: Vec<Vec<u8>>,
    /// Batches wholly below this many may be gone.
    released: usize,
}

fn options() -> Options {
    Options {
        segment_bytes: 640,
        first_segment_bytes: 640,
        batch_bytes_max: 128,
        spares_max: 1,
        ..Options::default()
    }
}

fn append(wal: &Wal, told: &mut Told, batch: &[&str]) -> Result<(), Error> {
    told.batches.push(
        batch
            .iter()
            .map(|record| record.as_bytes().to_vec())
            .collect(),
    );
    let bytes: Vec<&[u8]> = batch.iter().map(|record| record.as_bytes()).collect();
    wal.append(&bytes)?;
    told.acknowledged = told.batches.len();
    Ok(())
}

/// Appends and a rotation with a table.
fn short(disk: &CrashDisk, entropy: &Arc<Seeded>, told: &mut Told) -> Result<(), Error> {
    let (wal, ..) = open(Arc::new(disk.clone()), entropy, &options())?;
    append(&wal, told, &["a"])?;
    append(&wal, told, &["b", "bb", ""])?;
    wal.rotate(b"table one")?;
    told.tables.push(b"table one".to_vec());
    wal.rotate(b"")?;
    wal.rotate(b"")?;
    wal.rotate(b"table two")?;
    told.tables.push(b"table two".to_vec());
    append(&wal, told, &["c"])?;
    wal.seal()?;
    append(&wal, told, &["d"])?;
    drop(wal);
    let (wal, ..) = open(Arc::new(disk.clone()), entropy, &options())?;
    append(&wal, told, &["e"])?;
    wal.close()
}

/// Rotations by fullness, releases that recycle, reopenings in between.
fn long(disk: &CrashDisk, entropy: &Arc<Seeded>, told: &mut Told) -> Result<(), Error> {
    let text = "0123456789012345678901234567890123456789012345678901234567890123456789";
    for round in 0..3 {
        let (wal, ..) = open(Arc::new(disk.clone()), entropy, &options())?;
        for number in 0..8 {
            append(&wal, told, &[&format!("{round}.{number} {text}")])?;
            if number == 5 {
                // What is released may go from the moment the call begins.
                told.released = told.acknowledged;
                told.tables.clear();
                wal.release_before(wal.durable_lsn())?;
            }
        }
    }
    Ok(())
}

type Workload = fn(&CrashDisk, &Arc<Seeded>, &mut Told) -> Result<(), Error>;

/// Everything acknowledged and not released is there, in order, in whole batches, and nothing else.
fn check(told: &Told, seen: &Seen, context: &str) {
    let records = seen.payloads();
    let all: Vec<Vec<&[u8]>> = (told.batches.iter())
        .map(|batch| batch.iter().map(Vec::as_slice).collect())
        .collect();
    let possible = (0..=told.released)
        .flat_map(|from| (told.acknowledged.max(from)..=all.len()).map(move |to| (from, to)));
    let fits = possible
        .into_iter()
        .any(|(from, to)| all[from..to].concat() == records);
    assert!(fits, "{context}: {told:?} replayed as {seen:?}");
    let tables: Vec<_> = seen.tables.iter().map(|(_, table)| table.clone()).collect();
    assert!(
        tables.starts_with(&told.tables),
        "{context}: {told:?} replayed as {seen:?}"
    );
    assert!(seen.records.is_sorted_by_key(|(lsn, _)| *lsn), "{context}");
}

/// Calls `each` with every outcome of a power cut, or with `most` of them drawn by `prng`.
fn outcomes(disk: &CrashDisk, most: u64, prng: &mut Prng, mut each: impl FnMut(CrashDisk)) {
    let count = disk.outcomes();
    if count <= most {
        for index in 0..count {
            let mut rest = index;
            each(disk.crash(|choices| {
                let choice = rest % choices;
                rest /= choices;
                choice
            }));
        }
    } else {
        for _ in 0..most {
            each(disk.crash(|choices| prng.below(choices)));
        }
    }
}

fn cut_power_everywhere(workload: Workload, unit: u32, psow: bool, recycle: bool) -> u64 {
    let seed = 0xC0FFEE;
    let mut prng = Prng::new(seed);
    let mut checked = 0;
    let whole = CrashDisk::new(unit, psow, recycle);
    workload(&whole, &Seeded::new(seed), &mut Told::default()).unwrap();
    for op in 0..whole.ops() {
        let disk = CrashDisk::new(unit, psow, recycle);
        disk.arm(op, Fault::PowerCut);
        let entropy = Seeded::new(seed);
        let mut told = Told::default();
        workload(&disk, &entropy, &mut told).unwrap_err();
        outcomes(&disk, 2_200, &mut prng.clone(), |after| {
            checked += 1;
            let context = format!("unit {unit} psow {psow} cut at {op} outcome {checked}");
            let deep = prng.below(8) == 0;
            recover(&after, &entropy, &told, &context, deep.then_some(&mut prng));
        });
    }
    checked
}

/// Opens what a crash left, and with `prng` crashes the opening itself everywhere too.
fn recover(
    disk: &CrashDisk,
    entropy: &Arc<Seeded>,
    told: &Told,
    context: &str,
    prng: Option<&mut Prng>,
) {
    let calm = disk.fork();
    let opened = open(Arc::new(calm.clone()), entropy, &options());
    let (wal, _, seen) = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
    check(told, &seen, context);
    // What was replayed is durable from here on, and the log goes on behind it.
    let first_op = disk.ops();
    let opened_op = calm.ops();
    wal.append(&[b"after"]).unwrap();
    drop(wal);
    let again = calm.crash(|_| 0);
    let (_, _, more) = open(Arc::new(again), entropy, &options()).unwrap();
    let mut expected = seen.clone();
    let after = (
        more.records.last().map_or(Lsn(0), |(lsn, _)| *lsn),
        b"after".to_vec(),
    );
    expected.records.push(after);
    assert_eq!(more.records, expected.records, "{context}");
    assert_eq!(more.tables, expected.tables, "{context}");

    let Some(prng) = prng else { return };
    for op in first_op..opened_op {
        let disk = disk.fork();
        disk.arm(op, Fault::PowerCut);
        open(Arc::new(disk.clone()), entropy, &options()).unwrap_err();
        outcomes(&disk, 6, prng, |after| {
            let opened = open(Arc::new(after), entropy, &options());
            let (_, _, same) =
                opened.unwrap_or_else(|error| panic!("{context}, again at {op}: {error}"));
            assert_eq!(same, seen, "{context}, again at {op}");
        });
    }
}

#[test]
fn a_short_log_survives_every_crash_point() {
    for (unit, psow, recycle) in [(64, true, true), (64, false, false), (512, false, true)] {
        let checked = cut_power_everywhere(short, unit, psow, recycle);
        assert!(checked > 100, "{checked}");
    }
}

#[test]
fn a_log_that_rotates_and_releases_survives_every_crash_point() {
    for (unit, psow, recycle) in [(64, true, true), (128, false, true), (64, true, false)] {
        let checked = cut_power_everywhere(long, unit, psow, recycle);
        assert!(checked > 500, "{checked}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_what_opening_returns_is_durable() {
    for workload in [short as Workload, long] {
        let seed = 7;
        let whole = CrashDisk::new(64, true, true);
        workload(&whole, &Seeded::new(seed), &mut Told::default()).unwrap();
        let mut happened = 0;
        for op in 0..whole.ops() {
            let disk = CrashDisk::new(64, true, true);
            disk.arm(op, Fault::SyncFailed);
            let entropy = Seeded::new(seed);
            let mut told = Told::default();
            let result = workload(&disk, &entropy, &mut told);
            if disk.armed() {
                assert_eq!(result, Ok(()), "the operation was not a sync");
                continue;
            }
            assert!(result.is_err(), "at {op}");
            happened += 1;
            // The caches still show what the disk does not hold.
            let disk = disk.restart();
            let (_, _, seen) = open(Arc::new(disk.clone()), &entropy, &options()).unwrap();
            check(&told, &seen, "restarted");
            let (_, _, after) = open(Arc::new(disk.crash(|_| 0)), &entropy, &options()).unwrap();
            assert_eq!(after, seen, "failed sync at {op}");
        }
        assert!(happened > 10, "{happened}");
    }
}

#[test]
fn a_poisoned_log_refuses_everything() {
    let disk = CrashDisk::new(64, true, true);
    let entropy = Seeded::new(8);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options()).unwrap();
    let end = wal.append(&[b"good"]).unwrap();
    disk.arm(disk.ops() + 1, Fault::SyncFailed);
    assert!(matches!(wal.append(&[b"bad"]), Err(Error::Io(_))));
    assert_eq!(wal.append(&[b"more"]), Err(Error::Poisoned));
    assert_eq!(wal.stage(&[b"more"]), Err(Error::Poisoned));
    assert_eq!(wal.commit(), Err(Error::Poisoned));
    assert_eq!(wal.rotate(b""), Err(Error::Poisoned));
    assert_eq!(wal.seal(), Err(Error::Poisoned));
    assert_eq!(wal.close(), Err(Error::Poisoned));
    assert_eq!(wal.release_before(end), Err(Error::Poisoned));
    assert_eq!(wal.durable_lsn(), wal.segments().last().unwrap().end);
}

#[test]
fn without_space_nothing_is_lost_and_the_log_goes_on_when_there_is_some() {
    for workload in [short as Workload, long] {
        let seed = 9;
        let whole = CrashDisk::new(64, true, false);
        workload(&whole, &Seeded::new(seed), &mut Told::default()).unwrap();
        let mut happened = 0;
        for op in 0..whole.ops() {
            let disk = CrashDisk::new(64, true, false);
            disk.arm(op, Fault::NoSpace);
            let entropy = Seeded::new(seed);
            let mut told = Told::default();
            let result = workload(&disk, &entropy, &mut told);
            if disk.armed() {
                assert_eq!(result, Ok(()));
                continue;
            }
            happened += 1;
            assert!(matches!(result, Err(Error::Io(_))), "at {op}: {result:?}");
            for after in [disk.restart(), disk.crash(|_| 0), disk.crash(|_| 1)] {
                let (_, _, seen) = open(Arc::new(after), &entropy, &options()).unwrap();
                check(&told, &seen, "without space");
            }
        }
        assert!(happened > 10, "{happened}");
    }
}

#[test]
fn a_group_that_found_no_space_is_committed_later() {
    for offset in 0..12 {
        let disk = CrashDisk::new(64, true, false);
        let entropy = Seeded::new(10);
        let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options()).unwrap();
        let mut expected = Vec::new();
        let mut refused = 0;
        disk.arm(disk.ops() + offset, Fault::NoSpace);
        for number in 0..12u8 {
            let record = vec![number; 100];
            match wal.append(&[&record]) {
                Ok(_) => {}
                Err(Error::Io(_)) => {
                    refused += 1;
                    // It is staged, unless the segment had to change first.
                    if wal.end_lsn() == wal.durable_lsn() {
                        wal.append(&[&record]).unwrap();
                    } else {
                        assert_eq!(wal.commit().unwrap(), wal.durable_lsn());
                    }
                }
                Err(error) => panic!("{error}"),
            }
            expected.push(record);
        }
        drop(wal);
        let (_, _, seen) = open(Arc::new(disk.crash(|_| 0)), &entropy, &options()).unwrap();
        assert_eq!(seen.payloads(), expected, "at {offset}");
        assert_eq!(refused, u32::from(!disk.armed()));
    }
}
