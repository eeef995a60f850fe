//! Every flipped bit, every truncation, every lost segment: reported or harmless, never silent.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use nori_env::{BlockStore, Geometry, MemStore, ObjectId};
use nori_wal::{Damage, Error, OpenMode, Options, Recovery};
use norikv_testkit::CrashDisk;
use norikv_types::Prng;

use crate::support::{Seeded, Seen, open};

type Image = BTreeMap<ObjectId, Vec<u8>>;

fn options() -> Options {
    Options {
        segment_bytes: 640,
        first_segment_bytes: 640,
        batch_bytes_max: 128,
        spares_max: 1,
        ..Options::default()
    }
}

/// How a log was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In mid-flight: nothing proves the last group.
    Crashed,
    Sealed,
    Closed,
}

/// A log of several segments, some of them recycled, and what it holds.
fn log(psow: bool, end: End) -> (Image, Seen, usize) {
    let geometry = Geometry {
        unit: 64,
        psow,
        recycle: true,
        capacity: None,
    };
    let disk = MemStore::with_geometry(geometry);
    let entropy = Seeded::new(42);
    for round in 0..2 {
        let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options()).unwrap();
        for number in 0..9u8 {
            wal.append(&[&[round * 16 + number; 60], b"second"])
                .unwrap();
            if number == 6 && round == 0 {
                wal.release_before(wal.durable_lsn()).unwrap();
            }
        }
    }
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options()).unwrap();
    wal.append(&[b"before the table"]).unwrap();
    wal.rotate(b"a table").unwrap();
    wal.append(&[b"last but one"]).unwrap();
    wal.append(&[b"last", b"of all"]).unwrap();
    match end {
        End::Crashed => {}
        End::Sealed => wal.seal().unwrap(),
        End::Closed => wal.close().unwrap(),
    }
    drop(wal);
    let image = image(&disk);
    let (_, _, seen) = open(Arc::new(load(&image, psow)), &entropy, &options()).unwrap();
    let last = if end == End::Crashed { 2 } else { 0 };
    (image, seen, last)
}

fn image(disk: &MemStore) -> Image {
    let read = |id| {
        let object = disk.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        (id, bytes)
    };
    disk.list().unwrap().into_iter().map(read).collect()
}

fn load(image: &Image, psow: bool) -> MemStore {
    let disk = MemStore::with_geometry(Geometry {
        unit: 64,
        psow,
        recycle: true,
        capacity: None,
    });
    for (id, bytes) in image {
        disk.create(*id, None).unwrap().append(0, &[bytes]).unwrap();
    }
    disk
}

fn opened(image: &Image, psow: bool, mode: OpenMode) -> Result<(Recovery, Seen), Error> {
    let options = Options { mode, ..options() };
    let opened = open(Arc::new(load(image, psow)), &Seeded::new(43), &options);
    opened.map(|(_, recovery, seen)| (recovery, seen))
}

/// The records are those of `whole` but for some that lie in ranges that `recovery` reports.
fn only_reported_records_are_missing(whole: &Seen, seen: &Seen, recovery: &Recovery, what: &str) {
    let mut ranges: Vec<_> = recovery.corrupt.iter().map(|range| range.lsns).collect();
    ranges.extend(recovery.uncertain);
    for record in &whole.records {
        let there = seen.records.contains(record);
        let reported = ranges
            .iter()
            .any(|lsns| lsns.start <= record.0 && record.0 < lsns.end);
        assert!(
            there || reported,
            "{what}: {:?} is missing; {recovery:?}",
            record.0
        );
    }
    for record in &seen.records {
        assert!(
            whole.records.contains(record),
            "{what}: {record:?} was never written"
        );
    }
    for (_, table) in &seen.tables {
        assert_eq!(table, b"a table", "{what}");
    }
    assert!(
        !seen.tables.is_empty() || !ranges.is_empty(),
        "{what}: the table is missing"
    );
    assert!(seen.records.is_sorted_by_key(|(lsn, _)| *lsn), "{what}");
}

/// Opens a damaged log both ways; returns whether strict mode refused it.
fn judge(image: &Image, psow: bool, whole: &Seen, unproven: usize, what: &str) -> bool {
    let (recovery, seen) = opened(image, psow, OpenMode::Salvage)
        .unwrap_or_else(|error| panic!("{what}: salvage refused: {error}"));
    only_reported_records_are_missing(whole, &seen, &recovery, what);
    match opened(image, psow, OpenMode::Strict) {
        Ok((strict, same)) => {
            assert_eq!(
                (&strict.corrupt, &same),
                (&recovery.corrupt, &seen),
                "{what}"
            );
            let proven = whole.records.len() - unproven;
            let all = same.records == whole.records;
            let but_the_last = same.records == whole.records[..proven];
            assert!(all || but_the_last, "{what}: {same:?}");
            assert!(
                all || strict.uncertain.is_some(),
                "{what}: cut without a word"
            );
            assert_eq!(same.tables, whole.tables, "{what}");
            false
        }
        Err(Error::Corrupt(range)) => {
            assert_eq!(
                recovery.corrupt.first(),
                Some(&range),
                "{what}: both say the same"
            );
            true
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn every_flipped_bit_is_reported_or_harmless() {
    for (psow, end) in [
        (true, End::Crashed),
        (true, End::Sealed),
        (true, End::Closed),
        (false, End::Crashed),
    ] {
        let (image, whole, unproven) = log(psow, end);
        let (mut refused, mut flips) = (0, 0);
        for (id, bytes) in &image {
            for at in 0..bytes.len() {
                // A bit of each byte, another one each time.
                let mut damaged = image.clone();
                damaged.get_mut(id).unwrap()[at] ^= 1 << (at % 8);
                let what = format!("psow {psow} {end:?}: {id} byte {at}");
                flips += 1;
                refused += u32::from(judge(&damaged, psow, &whole, unproven, &what));
            }
        }
        assert!(refused > flips / 4, "{refused} of {flips} refused");
    }
}

#[test]
fn every_truncation_is_reported_or_harmless() {
    for end in [End::Crashed, End::Sealed, End::Closed] {
        let (image, whole, unproven) = log(true, end);
        for (id, bytes) in &image {
            for len in 0..bytes.len() {
                let mut damaged = image.clone();
                damaged.get_mut(id).unwrap().truncate(len);
                let what = format!("{end:?}: {id} cut to {len}");
                judge(&damaged, true, &whole, unproven, &what);
            }
        }
    }
}

#[test]
fn every_unit_of_zeros_is_reported_or_harmless() {
    for end in [End::Crashed, End::Sealed, End::Closed] {
        let (image, whole, unproven) = log(false, end);
        for (id, bytes) in &image {
            for at in (0..bytes.len()).step_by(64) {
                let mut damaged = image.clone();
                let object = damaged.get_mut(id).unwrap();
                let to = (at + 64).min(object.len());
                object[at..to].fill(0);
                let what = format!("{end:?}: {id} zeros at {at}");
                judge(&damaged, false, &whole, unproven, &what);
            }
        }
    }
}

/// Found by the storage world with syncs that lie: only heads were left, they told of what had been
/// synced, and opening met its own assertion.
#[test]
fn a_log_of_which_only_the_heads_are_left_is_reported_and_not_taken_for_new() {
    let (mut image, ..) = log(true, End::Sealed);
    for bytes in image.values_mut() {
        bytes[HEAD_BYTES..].fill(0);
    }
    let refused = opened(&image, true, OpenMode::Strict);
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    let (recovery, seen) = opened(&image, true, OpenMode::Salvage).unwrap();
    assert!(!recovery.corrupt.is_empty(), "{recovery:?}");
    assert!(seen.records.is_empty(), "{seen:?}");
}

#[test]
fn a_missing_segment_is_reported() {
    let (image, whole, _) = log(true, End::Crashed);
    let mut reported = 0;
    let oldest = *image.keys().next().unwrap();
    for id in image.keys() {
        let mut damaged = image.clone();
        damaged.remove(id);
        let what = format!("{id} is gone");
        match opened(&damaged, true, OpenMode::Strict) {
            Err(Error::Corrupt(range)) => {
                assert_eq!(
                    (range.object, range.damage),
                    (*id, Damage::Missing),
                    "{what}"
                );
                let (recovery, seen) = opened(&damaged, true, OpenMode::Salvage).unwrap();
                only_reported_records_are_missing(&whole, &seen, &recovery, &what);
                reported += 1;
            }
            Ok((_, seen)) if *id == oldest => {
                // As if it had been released.
                assert!(whole.records.ends_with(&seen.records), "{what}");
            }
            Ok((_, seen)) => assert_eq!(seen, whole, "{what}: it was a spare"),
            Err(error) => panic!("{what}: {error}"),
        }
    }
    assert!(reported > 3, "{reported}");
}

#[test]
fn a_salvaged_log_goes_on_and_keeps_reporting_what_is_damaged() {
    let (mut image, whole, _) = log(true, End::Sealed);
    let damaged = *image.keys().nth(1).unwrap();
    image.get_mut(&damaged).unwrap()[200] ^= 1;
    let disk = load(&image, true);
    let options = Options {
        mode: OpenMode::Salvage,
        ..options()
    };
    let mut ranges = Vec::new();
    for round in 0..3 {
        let opened = open(Arc::new(disk.clone()), &Seeded::new(50 + round), &options);
        let (wal, recovery, seen) = opened.unwrap();
        assert!(seen.records.len() < whole.records.len() + usize::try_from(round).unwrap());
        assert_eq!(
            seen.records.iter().filter(|(_, new)| new == b"new").count() as u64,
            round
        );
        ranges.push(recovery.corrupt);
        wal.append(&[b"new"]).unwrap();
        wal.seal().unwrap();
    }
    assert_eq!(ranges[0].len(), 1);
    assert!(ranges.iter().all(|range| *range == ranges[0]), "{ranges:?}");
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(60), &options).unwrap();
    let strict = Options {
        mode: OpenMode::Strict,
        ..options
    };
    let behind = ranges[0][0].lsns.end;
    let segments = wal.segments();
    let next = segments
        .iter()
        .find(|segment| segment.base >= behind)
        .unwrap();
    wal.release_before(next.base).unwrap();
    drop(wal);
    let (_, recovery, _) = open(Arc::new(disk), &Seeded::new(61), &strict).unwrap();
    assert!(recovery.corrupt.is_empty(), "released with the segment");
}

#[test]
fn a_second_salvage_replays_no_less_than_the_first_however_many_heads_are_damaged() {
    let (image, whole, _) = log(true, End::Sealed);
    let ids: Vec<_> = image.keys().copied().collect();
    assert!(ids.len() > 4, "{}", ids.len());
    let mut lossy = 0;
    for damaged in 0..1_u32 << ids.len().min(10) {
        let mut image = image.clone();
        for (bit, id) in ids.iter().enumerate() {
            image.get_mut(id).unwrap()[20] ^= u8::from(damaged >> bit & 1 == 1);
        }
        let disk = load(&image, true);
        let options = Options {
            mode: OpenMode::Salvage,
            ..options()
        };
        let mut seen: Option<Seen> = None;
        for round in 0..3 {
            let opened = open(Arc::new(disk.clone()), &Seeded::new(70 + round), &options);
            // Where no head at all verifies it does not open, now or ever.
            let Ok((_, _, again)) = opened else {
                assert!(seen.is_none(), "{damaged:b}, round {round}");
                break;
            };
            let before = seen.take().map_or(Vec::new(), |seen| seen.records);
            for record in &before {
                assert!(
                    again.records.contains(record),
                    "{damaged:b}, round {round}: {:?} is gone",
                    record.0
                );
            }
            lossy += u32::from(again.records.len() < whole.records.len());
            seen = Some(again);
        }
    }
    assert!(lossy > 10, "{lossy}");
}

#[test]
fn stale_bytes_of_a_recycled_segment_never_verify() {
    // The same records at the same offsets in each life of the object.
    let disk = MemStore::new();
    let entropy = Seeded::new(44);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options()).unwrap();
    for life in 0..6 {
        for number in 0..4u8 {
            wal.append(&[&[number; 100]]).unwrap();
        }
        wal.rotate(b"").unwrap();
        wal.release_before(wal.durable_lsn()).unwrap();
        wal.append(&[&[0; 100]]).unwrap();
        let (_, _, seen) = open(
            Arc::new(load(&image(&disk), true)),
            &Seeded::new(45),
            &options(),
        )
        .unwrap();
        assert_eq!(seen.payloads(), [[0; 100]], "life {life}");
        wal.rotate(b"").unwrap();
        wal.release_before(wal.durable_lsn()).unwrap();
    }
}

#[test]
fn any_amount_of_damage_is_an_outcome_and_nothing_is_invented() {
    let logs = [
        log(true, End::Crashed),
        log(true, End::Closed),
        log(false, End::Crashed),
    ];
    for seed in 0..6_000 {
        let mut prng = Prng::new(seed);
        let psow = seed % 3 != 2;
        let (image, whole, _) = &logs[usize::try_from(seed % 3).unwrap()];
        let mut damaged = image.clone();
        for _ in 0..=prng.below(6) {
            let nth = usize::try_from(prng.below(damaged.len() as u64)).unwrap();
            let (id, bytes) = damaged.iter_mut().nth(nth).unwrap();
            let (id, len) = (*id, bytes.len() as u64);
            let at = usize::try_from(prng.below(len.max(1))).unwrap();
            let to = (at + usize::try_from(prng.below(200)).unwrap()).min(bytes.len());
            match prng.below(5) {
                0 => bytes.truncate(at),
                1 => bytes[at..to].fill(0),
                2 => bytes[at..to].fill_with(|| prng.next_u64().to_le_bytes()[0]),
                3 => bytes.copy_within(at..to, 0),
                _ => drop(damaged.remove(&id)),
            }
            if damaged.is_empty() {
                break;
            }
        }
        for mode in [OpenMode::Strict, OpenMode::Salvage] {
            match opened(&damaged, psow, mode) {
                Ok((_, seen)) => {
                    for record in &seen.records {
                        assert!(whole.records.contains(record), "seed {seed}: {record:?}");
                    }
                    assert!(
                        seen.records.is_sorted_by_key(|(lsn, _)| *lsn),
                        "seed {seed}"
                    );
                }
                Err(Error::Corrupt(_)) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
}

#[test]
fn a_unit_that_the_device_cannot_read_is_corruption_with_a_place() {
    let (image, whole, _) = log(true, End::Sealed);
    let (mut refused, mut lost) = (0, 0);
    for (id, bytes) in &image {
        for start in (0..bytes.len() as u64).step_by(64) {
            let disk = CrashDisk::new(64, true, true);
            for (id, bytes) in &image {
                let object = disk.create(*id, None).unwrap();
                object.append(0, &[bytes]).unwrap();
                object.sync().unwrap();
            }
            disk.spoil(*id, start..start + 64);
            let what = format!("{id} unreadable at {start}");
            let salvage = Options {
                mode: OpenMode::Salvage,
                ..options()
            };
            let store = || Arc::new(disk.fork());
            let (_, recovery, seen) = open(store(), &Seeded::new(46), &salvage).unwrap();
            only_reported_records_are_missing(&whole, &seen, &recovery, &what);
            match open(store(), &Seeded::new(46), &options()) {
                Ok((_, recovery, seen)) if seen != whole => {
                    // The unit held the last group and the seal behind it.
                    let without = whole.records.len() - 2;
                    assert_eq!(seen.records, whole.records[..without], "{what}");
                    assert!(recovery.uncertain.is_some(), "{what}");
                    lost += 1;
                }
                Ok(_) => {}
                Err(Error::Corrupt(range)) => {
                    refused += 1;
                    assert_eq!(range.object, *id, "{what}");
                    assert!(range.start < start + 64, "{what}: {range:?}");
                    assert!(start < range.end.max(96), "{what}: {range:?}");
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
    assert!(refused > 10 && lost <= 1, "{refused} refused, {lost} lost");
}

/// Of a segment, without power-safe overwrite more.
const HEAD_BYTES: usize = 96;

#[test]
fn whoever_reads_on_where_a_segment_is_gone_hears_of_damage() {
    let (image, ..) = log(true, End::Sealed);
    let salvage = Options {
        mode: OpenMode::Salvage,
        ..options()
    };
    let mut met = 0;
    for gone in image.keys() {
        let mut rest = image.clone();
        rest.remove(gone);
        let store = Arc::new(load(&rest, true));
        let Ok((wal, ..)) = open(store, &Seeded::new(43), &salvage) else {
            continue;
        };
        let mut records = wal.iter_from(wal.first_lsn()).unwrap();
        match records.find_map(Result::err) {
            Some(Error::Corrupt(range)) => {
                assert_eq!(range.damage, Damage::Missing);
                met += 1;
            }
            Some(error) => panic!("without {gone}: {error}"),
            None => {}
        }
    }
    assert!(met > 0, "no segment was missed");
}
