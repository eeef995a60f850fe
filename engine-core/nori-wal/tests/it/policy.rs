//! What each sync policy promises, and the faults that others had there.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;
use std::time::Duration;

use nori_env::{BlockStore, IoErrorKind, MemStore};
use nori_wal::{Error, Options, SyncPolicy, Wal};
use norikv_types::{Mono, Prng};

use crate::support::{Seeded, Seen, open};
use norikv_testkit::{CrashDisk, CrashFault as Fault};

const INTERVAL: Duration = Duration::from_millis(10);

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

fn at(ms: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(ms)
}

fn log(disk: &CrashDisk, sync: SyncPolicy) -> Wal {
    open(Arc::new(disk.clone()), &Seeded::new(3), &options(sync))
        .unwrap()
        .0
}

/// What is there after a power cut that takes everything it may take.
fn after_power_cut(disk: &CrashDisk) -> Vec<Vec<u8>> {
    let disk = disk.crash(|_| 0);
    let opened = open(Arc::new(disk), &Seeded::new(4), &options(SyncPolicy::Group));
    let (_, recovery, seen) = opened.unwrap();
    assert_eq!(recovery.corrupt, []);
    seen.payloads().into_iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn always_syncs_every_batch_and_interval_and_never_none() {
    for (policy, expected) in [
        (SyncPolicy::Always, 5),
        (SyncPolicy::Group, 5),
        (SyncPolicy::Interval(INTERVAL), 0),
        (SyncPolicy::Never, 0),
    ] {
        let disk = CrashDisk::new(64, true, true);
        let wal = log(&disk, policy);
        let before = disk.ops();
        for _ in 0..5 {
            wal.append(&[b"x"]).unwrap();
        }
        // One operation is the append.
        assert_eq!(disk.ops() - before, 5 + expected, "{policy:?}");
        assert_eq!(wal.end_lsn(), wal.written_lsn());
        assert_eq!(wal.durable_lsn() == wal.written_lsn(), expected > 0);
    }
}

#[test]
fn a_killed_process_loses_nothing_under_any_policy() {
    for policy in [
        SyncPolicy::Always,
        SyncPolicy::Group,
        SyncPolicy::Interval(INTERVAL),
        SyncPolicy::Never,
    ] {
        let disk = CrashDisk::new(64, true, true);
        let wal = log(&disk, policy);
        for number in 0..40u8 {
            wal.append(&[&[number; 90]]).unwrap();
        }
        drop(wal);
        // The caches stay.
        let opened = open(Arc::new(disk), &Seeded::new(4), &options(policy));
        let (_, recovery, seen) = opened.unwrap();
        assert_eq!((seen.records.len(), recovery.uncertain), (40, None));
    }
}

#[test]
fn what_opening_read_back_of_an_unsynced_log_is_durable_from_then_on() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Never);
    wal.append(&[b"one"]).unwrap();
    wal.append(&[b"two"]).unwrap();
    drop(wal);
    let (_, recovery, _) = open(
        Arc::new(disk.clone()),
        &Seeded::new(4),
        &options(SyncPolicy::Never),
    )
    .unwrap();
    assert!(recovery.rewritten > 0);
    assert_eq!(after_power_cut(&disk), [b"one", b"two"]);
}

#[test]
fn the_tail_of_a_burst_is_synced_when_time_is_up_although_nobody_writes() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Interval(INTERVAL));
    assert_eq!(wal.next_sync(), None, "nothing to sync");
    wal.append(&[b"first"]).unwrap();
    assert!(wal.sync_due(at(100)).unwrap());
    wal.append(&[b"tail"]).unwrap();
    assert_eq!(wal.next_sync(), Some(at(110)));
    assert!(!wal.sync_due(at(109)).unwrap(), "too early");
    assert_eq!(after_power_cut(&disk), [b"first"]);
    assert!(wal.sync_due(at(110)).unwrap());
    assert_eq!(wal.next_sync(), None);
    assert_eq!(wal.durable_lsn(), wal.end_lsn());
    assert_eq!(after_power_cut(&disk), [&b"first"[..], b"tail"]);
}

#[test]
fn a_failed_sync_does_not_count_as_one_and_every_later_append_fails() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Interval(INTERVAL));
    wal.append(&[b"lost"]).unwrap();
    let durable = wal.durable_lsn();
    disk.arm(disk.ops(), Fault::SyncFailed);
    match wal.sync_due(at(100)) {
        Err(Error::Io(error)) => assert_eq!(error.kind, IoErrorKind::SyncFailed),
        other => panic!("{other:?}"),
    }
    // Were time stamped before the sync, nothing would be due until 110 and appends would go on.
    assert_eq!(wal.append(&[b"more"]), Err(Error::Poisoned));
    assert_eq!(wal.sync_due(at(200)), Err(Error::Poisoned));
    assert_eq!(wal.sync(), Err(Error::Poisoned));
    assert_eq!(wal.rotate(b""), Err(Error::Poisoned));
    assert_eq!(wal.close(), Err(Error::Poisoned));
    assert_eq!((wal.durable_lsn(), wal.next_sync()), (durable, None));
}

#[test]
fn never_syncs_once_much_is_waiting_and_at_rotations() {
    let disk = CrashDisk::new(4096, true, false);
    let large = Options {
        segment_bytes: 64 << 20,
        first_segment_bytes: 64 << 20,
        batch_bytes_max: 1 << 20,
        ..options(SyncPolicy::Never)
    };
    let (wal, ..) = open(Arc::new(disk), &Seeded::new(3), &large).unwrap();
    let record = vec![1; 1 << 19];
    while (wal.written_lsn().0 - wal.durable_lsn().0) < Wal::UNSYNCED_BYTES_MAX {
        assert_eq!(wal.next_sync(), None);
        wal.append(&[&record]).unwrap();
    }
    assert_eq!(wal.next_sync(), Some(Mono::ZERO));
    assert!(wal.sync_due(Mono::ZERO).unwrap());
    wal.append(&[&record]).unwrap();
    assert!(wal.durable_lsn() < wal.written_lsn());
    wal.rotate(b"").unwrap();
    assert_eq!(wal.durable_lsn(), wal.written_lsn());
}

#[test]
fn an_explicit_sync_makes_everything_durable_and_readable() {
    for policy in [SyncPolicy::Always, SyncPolicy::Never] {
        let disk = CrashDisk::new(64, true, true);
        let wal = log(&disk, policy);
        let mut reader = wal.iter_from(wal.durable_lsn()).unwrap();
        wal.append(&[b"one"]).unwrap();
        if !policy.is_durable() {
            assert!(reader.next().is_none(), "what is not durable is not read");
        }
        assert_eq!(wal.sync().unwrap(), wal.end_lsn());
        assert_eq!(reader.next().unwrap().unwrap().1, b"one");
        assert_eq!(after_power_cut(&disk), [b"one"]);
    }
}

/// Numbered batches over rotations, releases, seals and timed syncs.
fn burst(disk: &CrashDisk, policy: SyncPolicy, told: &mut Burst) -> Result<(), Error> {
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(6), &options(policy))?;
    for number in 0..14u8 {
        told.handed_in = number + 1;
        wal.append(&[&[number; 70], &[number]])?;
        told.returned = told.handed_in;
        told.note(&wal);
        match number {
            3 | 7 => {
                wal.sync_due(at(u64::from(number) * 100))?;
            }
            9 => {
                told.released = told.durable;
                wal.release_before(wal.durable_lsn())?;
            }
            11 => wal.seal()?,
            _ => {}
        }
        told.note(&wal);
    }
    told.handed_in = 14;
    wal.close()?;
    told.note(&wal);
    Ok(())
}

#[derive(Debug, Default)]
struct Burst {
    handed_in: u8,
    /// Those whose append returned.
    returned: u8,
    /// Batches that the log called durable.
    durable: u8,
    released: u8,
    ends: Vec<u64>,
}

impl Burst {
    fn note(&mut self, wal: &Wal) {
        self.ends
            .resize(usize::from(self.handed_in), wal.end_lsn().0);
        let durable = wal.durable_lsn().0;
        let count = self.ends.iter().filter(|end| **end <= durable).count();
        self.durable = u8::try_from(count).unwrap();
    }
}

#[test]
fn a_prefix_that_holds_all_that_was_called_durable_survives_every_crash_point() {
    let seed = 0x5EED;
    let mut prng = Prng::new(seed);
    for policy in [SyncPolicy::Interval(INTERVAL), SyncPolicy::Never] {
        for (unit, psow, recycle) in [(64, true, true), (64, false, false), (512, false, true)] {
            let whole = CrashDisk::new(unit, psow, recycle);
            burst(&whole, policy, &mut Burst::default()).unwrap();
            let mut holes = 0;
            for op in 0..whole.ops() {
                let disk = CrashDisk::new(unit, psow, recycle);
                disk.arm(op, Fault::PowerCut);
                let mut told = Burst::default();
                burst(&disk, policy, &mut told).unwrap_err();
                for _ in 0..60 {
                    let after = disk.crash(|choices| prng.below(choices));
                    let again = after.clone();
                    let context =
                        format!("seed {seed} {policy:?} unit {unit} cut at {op}: {told:?}");
                    let opened = open(Arc::new(after), &Seeded::new(7), &options(policy));
                    let (_, recovery, seen) =
                        opened.unwrap_or_else(|error| panic!("{context}: {error}"));
                    holes += u32::from(recovery.uncertain.is_some());
                    let to = prefix(&seen, &told, &context);
                    assert!(
                        (told.durable..=told.handed_in).contains(&to),
                        "{context}: {to}"
                    );
                    // What opening returned is durable, and opening once more finds the same.
                    let again = Arc::new(again.crash(|_| 0));
                    let (_, _, same) = open(again, &Seeded::new(8), &options(policy)).unwrap();
                    assert_eq!(same.records, seen.records, "{context}");
                }
            }
            assert!(holes > 10, "torn tails were met: {holes}");
        }
    }
}

/// What was replayed is a run of whole batches that begins at or below what was released; its end.
fn prefix(seen: &Seen, told: &Burst, context: &str) -> u8 {
    let payloads = seen.payloads();
    assert!(
        payloads.len().is_multiple_of(2),
        "{context}: a batch in halves"
    );
    let firsts: Vec<u8> = payloads.chunks(2).map(|pair| pair[0][0]).collect();
    let from = firsts.first().copied().unwrap_or(told.durable);
    let to = from + u8::try_from(firsts.len()).unwrap();
    assert!(firsts.iter().copied().eq(from..to), "{context}: {firsts:?}");
    assert!(from <= told.released, "{context}: {firsts:?}");
    to
}

#[test]
fn no_space_and_failed_syncs_at_every_operation_lose_nothing_that_was_promised() {
    for policy in [
        SyncPolicy::Interval(INTERVAL),
        SyncPolicy::Never,
        SyncPolicy::Always,
    ] {
        let whole = CrashDisk::new(64, true, false);
        burst(&whole, policy, &mut Burst::default()).unwrap();
        for fault in [Fault::NoSpace, Fault::SyncFailed] {
            let mut happened = 0;
            for op in 0..whole.ops() {
                let disk = CrashDisk::new(64, true, false);
                disk.arm(op, fault);
                let mut told = Burst::default();
                let result = burst(&disk, policy, &mut told);
                let context = format!("{policy:?} {fault:?} at {op}: {told:?}");
                if disk.armed() {
                    assert_eq!(result, Ok(()), "{context}");
                    continue;
                }
                happened += 1;
                assert!(matches!(result, Err(Error::Io(_))), "{context}: {result:?}");
                // Batches whose append returned. After a failed sync caches promise nothing.
                let returned = match fault {
                    Fault::NoSpace => told.returned,
                    _ => told.durable,
                };
                for (after, least) in [
                    (disk.restart(), returned),
                    (disk.crash(|_| 0), told.durable),
                    (disk.crash(|_| 1), told.durable),
                ] {
                    let opened = open(Arc::new(after), &Seeded::new(9), &options(policy));
                    let (_, _, seen) = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
                    let end = prefix(&seen, &told, &context);
                    assert!((least..=told.handed_in).contains(&end), "{context}: {end}");
                }
            }
            assert!(happened > 3, "{policy:?} {fault:?}: {happened}");
        }
    }
}

#[test]
fn appends_go_on_while_a_sync_is_under_way() {
    let disk = CrashDisk::new(64, true, true);
    let wal = log(&disk, SyncPolicy::Interval(INTERVAL));
    std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            for number in 0..200u8 {
                wal.append(&[&[number; 40]]).unwrap();
            }
        });
        let mut now = 0;
        while !appender.is_finished() {
            now += 10;
            wal.sync_due(at(now)).unwrap();
        }
    });
    wal.sync().unwrap();
    assert_eq!(after_power_cut(&disk).len(), 200);
}

#[test]
fn a_flipped_bit_below_what_was_synced_is_corruption_and_above_it_a_torn_tail() {
    let disk = MemStore::new();
    let options = Options {
        sync: SyncPolicy::Interval(INTERVAL),
        ..Options {
            segment_bytes: 4096,
            first_segment_bytes: 4096,
            ..options(SyncPolicy::Group)
        }
    };
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &options).unwrap();
    for number in 0..5_u8 {
        wal.append(&[&[number; 30]]).unwrap();
    }
    assert!(wal.sync_due(at(50)).unwrap());
    let synced = wal.durable_lsn();
    for number in 5..10_u8 {
        wal.append(&[&[number; 30]]).unwrap();
    }
    let active = *wal.segments().last().unwrap();
    let end = usize::try_from(96 + wal.written_lsn().0 - active.base.0).unwrap();
    let proven = usize::try_from(96 + synced.0 - active.base.0).unwrap();
    drop(wal);
    let mut image = Vec::new();
    for id in disk.list().unwrap() {
        let object = disk.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        image.push((id, bytes));
    }
    let mut uncertain = 0;
    for bit in 0..end * 8 {
        let damaged = MemStore::new();
        for (id, bytes) in &image {
            let mut bytes = bytes.clone();
            if id.number == active.number {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let object = damaged.create(*id, None).unwrap();
            object.append(0, &[&bytes]).unwrap();
        }
        let opened = open(Arc::new(damaged), &Seeded::new(2), &options);
        if bit / 8 < proven {
            assert!(matches!(opened, Err(Error::Corrupt(_))), "bit {bit}");
            continue;
        }
        let (_, recovery, seen) = opened.unwrap();
        let numbers: Vec<u8> = seen.payloads().iter().map(|record| record[0]).collect();
        assert!(
            numbers
                .iter()
                .copied()
                .eq(0..u8::try_from(numbers.len()).unwrap())
        );
        assert!((5..10).contains(&numbers.len()), "bit {bit}: {numbers:?}");
        uncertain += u32::from(recovery.uncertain.is_some());
    }
    assert_eq!(
        uncertain,
        u32::try_from((end - proven) * 8).unwrap(),
        "each is told"
    );
}
