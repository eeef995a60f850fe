//! Following a log, and what it tells about itself.

use std::sync::Arc;
use std::time::Duration;

use nori_env::sync::Waited;
use nori_env::{IoErrorKind, MemStore, ObjectId};
use nori_wal::{Event, LogId, Lsn, Options, SyncPolicy};
use norikv_testkit::{CrashDisk, CrashFault as Fault};

use crate::support::{Seeded, open, small};

#[test]
fn a_reader_that_waits_sees_every_record_once_it_is_durable_and_ends_with_the_log() {
    let (wal, ..) = open(Arc::new(MemStore::new()), &Seeded::new(1), &small()).unwrap();
    let mine = LogId(4);
    let total = 150_u32;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut iter = wal.iter_log(mine, wal.first_lsn()).unwrap();
            let mut numbers = Vec::new();
            loop {
                match iter.next() {
                    Some(record) => {
                        let (lsn, payload) = record.unwrap();
                        assert!(lsn < wal.durable_lsn());
                        numbers.push(u32::from_le_bytes(*payload.first_chunk().unwrap()));
                    }
                    None if iter.wait(None) == Waited::Idle => return numbers,
                    None => {}
                }
            }
        });
        for number in 0..total {
            wal.append_to(mine, &[&number.to_le_bytes()]).unwrap();
            wal.append(&[b"of another log"]).unwrap();
        }
        wal.close().unwrap();
        assert!(reader.join().unwrap().into_iter().eq(0..total));
    });
}

#[test]
fn a_reader_does_not_wait_longer_than_it_is_told_to_nor_for_what_is_not_durable() {
    let options = Options {
        sync: SyncPolicy::Never,
        ..small()
    };
    let (wal, ..) = open(Arc::new(MemStore::new()), &Seeded::new(1), &options).unwrap();
    let mut iter = wal.iter_from(wal.durable_lsn()).unwrap();
    wal.append(&[b"written only"]).unwrap();
    assert!(iter.next().is_none());
    assert_eq!(iter.wait(Some(Duration::from_millis(1))), Waited::TimedOut);
    wal.sync().unwrap();
    assert_eq!(iter.wait(None), Waited::Woken);
    assert_eq!(iter.next().unwrap().unwrap().1, b"written only");
}

#[test]
fn a_log_tells_what_happened_to_it() {
    let disk = CrashDisk::new(64, true, true);
    let options = Options {
        segment_bytes: 1024,
        first_segment_bytes: 1024,
        batch_bytes_max: 256,
        spares_max: 1,
        ..Options::default()
    };
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &options).unwrap();
    assert_eq!(wal.drain_events(), []);
    wal.append(&[b"one"]).unwrap();
    wal.append(&[b"two"]).unwrap();
    let (end, syncs) = (wal.durable_lsn(), 2);
    assert_eq!(wal.drain_events(), [Event::Synced { end, syncs }]);
    assert_eq!(wal.drain_events(), []);

    while !wal.wants_segment() {
        wal.append(&[&[1; 200]]).unwrap();
    }
    wal.drain_events();
    wal.prepare().unwrap();
    assert_eq!(wal.drain_events(), [Event::Prepared(ObjectId::log(19))]);
    wal.rotate(b"").unwrap();
    let rotated = Event::Rotated {
        from: ObjectId::log(2),
        to: ObjectId::log(19),
        base: wal.segments().last().unwrap().base,
        ready: true,
    };
    assert_eq!(wal.drain_events(), [rotated]);
    wal.append(&[b"three"]).unwrap();
    wal.drain_events();
    wal.release_before(wal.durable_lsn()).unwrap();
    let freed = [
        Event::Deleted(ObjectId::log(1)),
        Event::Recycled {
            from: ObjectId::log(2),
            to: ObjectId::log(20),
        },
    ];
    assert_eq!(wal.drain_events(), freed);

    disk.arm(disk.ops(), Fault::NoSpace);
    wal.append(&[b"four"]).unwrap_err();
    let [Event::NoSpace(error)] = &wal.drain_events()[..] else {
        panic!("no space is told")
    };
    assert_eq!(error.kind, IoErrorKind::NoSpace);
    wal.commit().unwrap();
    wal.drain_events();
    disk.arm(disk.ops() + 1, Fault::SyncFailed);
    wal.append(&[b"five"]).unwrap_err();
    assert!(matches!(wal.drain_events()[..], [Event::Poisoned(_)]));
    drop(wal);

    let after = disk.restart();
    let (wal, ..) = open(Arc::new(after), &Seeded::new(2), &options).unwrap();
    wal.close().unwrap();
    assert!(matches!(wal.drain_events()[..], [.., Event::Closed]));
}

#[test]
fn opening_tells_of_a_torn_tail_and_what_nobody_asks_for_is_forgotten_and_counted() {
    let disk = CrashDisk::new(64, true, true);
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &small()).unwrap();
    for _ in 0..300 {
        wal.append(&[b"x"]).unwrap();
        wal.rotate(b"").unwrap();
    }
    let events = wal.drain_events();
    assert!(matches!(events[0], Event::Forgotten(count) if count > 300));
    assert_eq!(events.len(), 257);
    disk.arm(disk.ops() + 1, Fault::PowerCut);
    wal.append(&[&[7; 200]]).unwrap_err();
    let torn = disk.crash(|choices| choices - 1);
    let (wal, recovery, _) = open(Arc::new(torn), &Seeded::new(2), &small()).unwrap();
    let uncertain = recovery.uncertain.unwrap();
    assert_eq!(wal.drain_events(), [Event::Torn(uncertain)]);
    assert!(uncertain.start > Lsn(0));
}
