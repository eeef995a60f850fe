//! Looking into logs, whole and damaged ones, without opening them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;

use nori_env::{BlockStore, MemStore, ObjectId};
use nori_wal::{FrameKind, Inspected, LogId, Wal};

use crate::support::{Seeded, open, small};
use norikv_testkit::CrashDisk;

/// What was seen, in words.
fn words(store: &dyn BlockStore, id: ObjectId) -> Vec<String> {
    let mut words = Vec::new();
    Wal::inspect(store, id, &mut |seen| {
        words.push(match seen {
            Inspected::Header(header) => format!("header {} base {}", header.number, header.base),
            Inspected::Frame(frame) => match frame.kind {
                FrameKind::Link { number, .. } => format!("link to {number}"),
                kind => format!("{kind:?} of {} at {}", frame.records, frame.offset),
            },
            Inspected::Record {
                log,
                payload,
                verifies,
                ..
            } => {
                assert!(verifies);
                format!("{log}: {}", String::from_utf8_lossy(payload))
            }
            Inspected::Bad { start, end, part } => format!("bad {part:?} {start}..{end}"),
            Inspected::Rest { start, rest, .. } => format!("{rest:?} from {start}"),
            _ => unreachable!("nothing else is told"),
        });
    })
    .unwrap();
    words
}

fn written() -> (MemStore, Vec<u8>) {
    let disk = MemStore::new();
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(1), &small()).unwrap();
    wal.append_to(LogId(7), &[b"one", b"two"]).unwrap();
    wal.append(&[b"three"]).unwrap();
    wal.close().unwrap();
    let mut bytes = vec![0; 4096];
    disk.open(ObjectId::log(2))
        .unwrap()
        .read_at(0, &mut bytes)
        .unwrap();
    (disk, bytes)
}

/// The second segment with these bytes changed.
fn changed(bytes: &[u8], changes: &[usize]) -> MemStore {
    let mut bytes = bytes.to_vec();
    for at in changes {
        bytes[*at] ^= 0x40;
    }
    let disk = MemStore::new();
    let object = disk.create(ObjectId::log(2), Some(4096)).unwrap();
    object.append(0, &[&bytes]).unwrap();
    disk
}

#[test]
fn a_segment_is_told_frame_by_frame_with_what_is_bad_between_them() {
    let (disk, bytes) = written();
    let first = words(&disk, ObjectId::log(1));
    assert_eq!(first, ["header 1 base 0", "link to 2", "Zeros from 152"]);
    let whole = [
        "header 2 base 56",
        "Group of 2 at 96",
        "7: one",
        "7: two",
        "Group of 1 at 168",
        "0: three",
        "Close of 0 at 224",
        "Zeros from 264",
    ];
    assert_eq!(words(&disk, ObjectId::log(2)), whole);

    let mut bad_body = whole.to_vec();
    bad_body.splice(1..4, ["bad Body 96..168"]);
    let disk = changed(&bytes, &[150]);
    assert_eq!(words(&disk, ObjectId::log(2)), bad_body);

    let mut bad_head = whole.to_vec();
    bad_head.splice(1..4, ["bad Frames 96..168"]);
    let disk = changed(&bytes, &[100]);
    assert_eq!(words(&disk, ObjectId::log(2)), bad_head);

    let mut bad_header = whole.to_vec();
    bad_header[0] = "bad Header 0..96";
    let disk = changed(&bytes, &[30]);
    assert_eq!(words(&disk, ObjectId::log(2)), bad_header);

    // With a wrong uid nothing verifies.
    let disk = changed(&bytes, &[9]);
    let nothing = ["bad Header 0..96", "Torn from 0"];
    assert_eq!(words(&disk, ObjectId::log(2)), nothing);

    let disk = changed(&bytes, &[240]);
    assert_eq!(
        words(&disk, ObjectId::log(2)).last().unwrap(),
        "Torn from 224"
    );
}

#[test]
fn verify_reads_every_byte_and_names_what_is_wrong_although_the_log_does_not_open() {
    let (disk, bytes) = written();
    let sound = Wal::verify(&disk).unwrap();
    assert!(sound.is_sound() && sound.recovery.clean);
    assert_eq!(sound.recovery.records, 3);
    let counts: Vec<_> = (sound.segments.iter())
        .map(|segment| (segment.object.number, segment.bytes, segment.records))
        .collect();
    assert_eq!(counts, [(1, 152, 0), (2, 4096, 3)]);

    let disk = changed(&bytes, &[150]);
    let opened = open(Arc::new(disk.clone()), &Seeded::new(2), &small());
    assert!(opened.is_err());
    let damaged = Wal::verify(&disk).unwrap();
    assert!(!damaged.is_sound());
    assert_eq!(damaged.segments[0].bad.first(), Some(&(96..168)));
    assert_eq!(damaged.recovery.corrupt[0].object, ObjectId::log(2));
}

#[test]
fn verify_finds_what_the_device_cannot_give_back_even_where_no_frame_stands() {
    let disk = CrashDisk::new(64, true, true);
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(3), &small()).unwrap();
    wal.append(&[b"one"]).unwrap();
    drop(wal);
    assert!(Wal::verify(&disk).unwrap().is_sound());
    disk.spoil(ObjectId::log(2), 3000..3010);
    let verified = Wal::verify(&disk).unwrap();
    assert!(!verified.is_sound());
    // Both units that the range touches.
    assert_eq!(verified.segments[1].unreadable.first(), Some(&(2944..3072)));
    assert_eq!(verified.recovery.records, 1);
}

#[test]
fn verify_tells_of_a_log_of_which_no_header_is_left() {
    let (_, bytes) = written();
    let disk = changed(&bytes, &[9]);
    assert!(open(Arc::new(disk.clone()), &Seeded::new(2), &small()).is_err());
    let verified = Wal::verify(&disk).unwrap();
    assert!(!verified.is_sound() && !verified.segments[0].has_header);
    assert_eq!(verified.recovery.corrupt.len(), 1);
}

#[test]
fn a_damaged_header_of_the_only_small_segment_left_never_makes_the_log_new() {
    let (_, bytes) = written();
    for bit in 0..96 * 8 {
        let mut image = bytes.clone();
        image[bit / 8] ^= 1 << (bit % 8);
        let disk = changed(&image, &[]);
        let opened = open(Arc::new(disk), &Seeded::new(2), &small());
        assert!(opened.is_err(), "bit {bit}");
    }
}

#[test]
fn a_torn_tail_is_no_damage() {
    let (_, bytes) = written();
    let disk = MemStore::new();
    let object = disk.create(ObjectId::log(2), Some(4096)).unwrap();
    object.append(0, &[&bytes[..200]]).unwrap();
    let first = disk.create(ObjectId::log(1), None).unwrap();
    let (whole, _) = written();
    let mut bridge = vec![0; 152];
    whole
        .open(ObjectId::log(1))
        .unwrap()
        .read_at(0, &mut bridge)
        .unwrap();
    first.append(0, &[&bridge]).unwrap();
    let verified = Wal::verify(&disk).unwrap();
    assert!(verified.is_sound() && verified.recovery.uncertain.is_some());
    assert_eq!(
        words(&disk, ObjectId::log(2)).last().unwrap(),
        "Torn from 168"
    );
}
