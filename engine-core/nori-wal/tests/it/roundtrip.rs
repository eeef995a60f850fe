//! What goes in comes out, over rotations, releases and reopenings.

use std::sync::Arc;

use nori_env::{Geometry, IoErrorKind, MemStore};
use nori_wal::{Error, Limit, Lsn, Options, Wal};

use crate::support::{Seeded, open, small};

fn stores() -> [MemStore; 3] {
    let geometry = |unit, psow, recycle| Geometry {
        unit,
        psow,
        recycle,
        capacity: None,
    };
    [
        MemStore::new(),
        MemStore::with_geometry(geometry(512, false, true)),
        MemStore::with_geometry(geometry(64, false, false)),
    ]
}

fn payload(number: u32) -> Vec<u8> {
    let len = (number * 37 % 300) as usize;
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(4 + len, number.to_le_bytes()[0]);
    bytes
}

fn reopened(disk: &MemStore, entropy: &Arc<Seeded>, options: &Options) -> Vec<(Lsn, Vec<u8>)> {
    let opened = open(Arc::new(disk.clone()), entropy, options);
    opened.expect("the log opens").2.records
}

#[test]
fn everything_appended_is_replayed_in_order_after_each_reopening() {
    for disk in stores() {
        let entropy = Seeded::new(1);
        let mut expected: Vec<(Lsn, Vec<u8>)> = Vec::new();
        for round in 0..5 {
            let store = Arc::new(disk.clone());
            let (wal, recovery, seen) = open(store, &entropy, &small()).unwrap();
            assert_eq!(seen.records, expected);
            assert_eq!(
                (recovery.uncertain, recovery.corrupt.as_slice()),
                (None, &[][..])
            );
            for number in 0..60 {
                let (one, two) = (payload(number), payload(number + round));
                let end = wal.append(&[&one, &two]).unwrap();
                let second = end.0 - two.len() as u64 - Wal::RECORD_OVERHEAD;
                let first = second - one.len() as u64 - Wal::RECORD_OVERHEAD;
                expected.extend([(Lsn(first), one), (Lsn(second), two)]);
            }
            assert!(wal.segments().len() > 3, "segments rotate by themselves");
            for (lsn, payload) in &expected {
                assert_eq!(wal.read(*lsn).as_ref(), Ok(payload));
            }
            for from in [0, 1, expected.len() / 2, expected.len() - 1] {
                let iter = wal.iter_from(expected[from].0).unwrap();
                let got: Vec<_> = iter.map(Result::unwrap).collect();
                assert_eq!(got, expected[from..]);
            }
        }
    }
}

#[test]
fn opening_again_and_again_does_not_pile_up_segments() {
    let disk = MemStore::new();
    let entropy = Seeded::new(2);
    open(Arc::new(disk.clone()), &entropy, &small())
        .unwrap()
        .0
        .append(&[b"kept"])
        .unwrap();
    let mut counts = Vec::new();
    for _ in 0..6 {
        let (wal, _, seen) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
        assert_eq!(seen.payloads(), [b"kept"]);
        counts.push(wal.segments().len());
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[test]
fn staged_batches_become_durable_together() {
    let disk = MemStore::new();
    let entropy = Seeded::new(3);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    let before = wal.durable_lsn();
    let one = wal.stage(&[b"one"]).unwrap();
    let two = wal.stage(&[b"two", b""]).unwrap();
    assert_eq!((wal.durable_lsn(), wal.end_lsn()), (before, two));
    assert!(matches!(wal.read(before), Err(Error::NoRecord { .. })));
    let durable = wal.commit().unwrap();
    assert!(one < two && two <= durable && durable == wal.durable_lsn());
    assert_eq!(wal.commit(), Ok(durable), "nothing to do");
    drop(wal);
    let (_, _, seen) = open(Arc::new(disk), &entropy, &small()).unwrap();
    assert_eq!(seen.payloads(), [b"one".as_slice(), b"two", b""]);
}

#[test]
fn what_was_staged_and_not_committed_is_not_there() {
    let disk = MemStore::new();
    let entropy = Seeded::new(4);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    wal.append(&[b"in"]).unwrap();
    wal.stage(&[b"out"]).unwrap();
    drop(wal);
    assert_eq!(reopened(&disk, &entropy, &small()).len(), 1);
}

#[test]
fn tables_come_back_where_they_stood() {
    let disk = MemStore::new();
    let entropy = Seeded::new(5);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    wal.append(&[b"1"]).unwrap();
    wal.rotate(b"after one").unwrap();
    wal.append(&[b"2"]).unwrap();
    wal.append(&[b"3"]).unwrap();
    wal.rotate(b"after three").unwrap();
    drop(wal);
    for _ in 0..3 {
        let (wal, _, seen) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
        let tables = [(1, b"after one".to_vec()), (3, b"after three".to_vec())];
        assert_eq!(seen.tables, tables);
        assert_eq!(seen.payloads(), [b"1", b"2", b"3"]);
        drop(wal);
    }
}

#[test]
fn released_segments_are_gone_and_their_space_is_used_again() {
    for disk in stores() {
        let entropy = Seeded::new(6);
        let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
        let mut used = Vec::new();
        for number in 0..400 {
            let end = wal.append(&[&payload(number)]).unwrap();
            if number % 20 == 19 {
                wal.release_before(end).unwrap();
                assert_eq!(wal.segments().len(), 1, "only the active one is left");
                used.push(disk.used());
            }
        }
        let bound = 5 * 4096;
        assert!(used.iter().all(|used| *used <= bound), "{used:?}");
        let first = wal.first_lsn();
        assert!(matches!(wal.read(Lsn(0)), Err(Error::NoRecord { .. })));
        assert!(matches!(wal.iter_from(Lsn(0)), Err(Error::NoRecord { .. })));
        drop(wal);
        let records = reopened(&disk, &entropy, &small());
        assert!(records.iter().all(|(lsn, _)| *lsn >= first));
        assert_eq!(
            records.last().map(|(_, last)| last.clone()),
            Some(payload(399))
        );
    }
}

#[test]
fn a_segment_that_reaches_beyond_the_released_position_stays() {
    let disk = MemStore::new();
    let entropy = Seeded::new(12);
    let (wal, ..) = open(Arc::new(disk), &entropy, &small()).unwrap();
    for number in 0..100 {
        wal.append(&[&payload(number)]).unwrap();
    }
    let segments = wal.segments();
    for segment in &segments[..segments.len() - 1] {
        wal.release_before(Lsn(segment.end.0 - 1)).unwrap();
        assert_eq!(wal.first_lsn(), segment.base);
        wal.release_before(segment.end).unwrap();
        assert_eq!(wal.first_lsn(), segment.end);
    }
}

#[test]
fn a_table_survives_the_release_of_everything_before_it() {
    let disk = MemStore::new();
    let entropy = Seeded::new(7);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    wal.append(&[b"old"]).unwrap();
    wal.rotate(b"state").unwrap();
    wal.release_before(wal.durable_lsn()).unwrap();
    assert_eq!(wal.segments().len(), 1);
    drop(wal);
    let (_, _, seen) = open(Arc::new(disk), &entropy, &small()).unwrap();
    assert_eq!(
        (seen.tables, seen.records),
        (vec![(0, b"state".to_vec())], vec![])
    );
}

#[test]
fn a_record_as_large_as_the_limit_fits_and_a_larger_one_is_refused_by_name() {
    for disk in stores() {
        let entropy = Seeded::new(8);
        let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
        let largest = vec![7; 1024 - 8];
        for _ in 0..10 {
            wal.append(&[&largest]).unwrap();
        }
        let refused = wal.append(&[&[7; 1024 - 7]]).unwrap_err();
        let limit = Limit::BatchBytesMax;
        let (max, got) = (1024, 1025);
        assert_eq!(refused, Error::TooLarge { limit, max, got });
        assert_eq!(
            refused.to_string(),
            "the batch is 1025 bytes, the limit is 1024"
        );
        let refused = wal.rotate(&[0; 1025]).unwrap_err();
        let limit = Limit::TableBytesMax;
        assert_eq!(refused, Error::TooLarge { limit, max, got });
        wal.rotate(&[1; 1024]).unwrap();
        wal.append(&[&largest]).unwrap();
        drop(wal);
        assert_eq!(reopened(&disk, &entropy, &small()).len(), 11);
    }
}

#[test]
fn a_closed_log_accepts_nothing_and_opens_clean() {
    let disk = MemStore::new();
    let entropy = Seeded::new(9);
    let (wal, recovery, _) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    assert!(recovery.clean, "a new log");
    wal.append(&[b"x"]).unwrap();
    wal.close().unwrap();
    assert_eq!(wal.append(&[b"y"]), Err(Error::Closed));
    assert_eq!(wal.close(), Err(Error::Closed));
    drop(wal);
    let (wal, recovery, seen) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    assert_eq!(
        (recovery.clean, recovery.rewritten > 0, seen.records.len()),
        (true, true, 1)
    );
    wal.append(&[b"y"]).unwrap();
    drop(wal);
    let (_, recovery, _) = open(Arc::new(disk), &entropy, &small()).unwrap();
    assert!(!recovery.clean);
}

#[test]
fn a_second_opening_is_fenced() {
    let disk = MemStore::new();
    let entropy = Seeded::new(10);
    let (_wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    let second = open(Arc::new(disk), &entropy, &small()).unwrap_err();
    assert!(matches!(second, Error::Io(error) if error.kind == IoErrorKind::Fenced));
}

#[test]
fn an_iterator_follows_the_log() {
    let disk = MemStore::new();
    let entropy = Seeded::new(11);
    let (wal, ..) = open(Arc::new(disk), &entropy, &small()).unwrap();
    let mut iter = wal.iter_from(wal.durable_lsn()).unwrap();
    for number in 0..100 {
        assert!(iter.next().is_none());
        wal.append(&[&payload(number)]).unwrap();
        let (_, got) = iter.next().unwrap().unwrap();
        assert_eq!(got, payload(number));
    }
}
