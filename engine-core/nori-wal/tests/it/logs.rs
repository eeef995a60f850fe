//! Several logs in one stream, compressed records, readers that follow.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use nori_env::{BlockStore, MemStore};
use nori_wal::{LogId, Lsn, OpenMode, Options, Replayed, Wal};
use norikv_types::Prng;

use crate::support::{Seeded, open, small};

type Logs = BTreeMap<LogId, Vec<Vec<u8>>>;

fn replayed(disk: &MemStore) -> Logs {
    let mut logs = Logs::new();
    Wal::replay(disk, OpenMode::Strict, &mut |replayed| {
        if let Replayed::Record { log, payload, .. } = replayed {
            logs.entry(log).or_default().push(payload.to_vec());
        }
    })
    .unwrap();
    logs
}

#[test]
fn each_of_the_logs_that_share_a_stream_reads_its_own_records_in_order() {
    let disk = MemStore::new();
    let seed = 31;
    let mut prng = Prng::new(seed);
    let mut expected = Logs::new();
    for round in 0..3 {
        let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(round), &small()).unwrap();
        for number in 0..80_u64 {
            let log = LogId(u32::try_from(prng.below(4)).unwrap() * 1000);
            let record =
                vec![u8::try_from(number).unwrap(); usize::try_from(prng.below(90)).unwrap()];
            wal.append_to(log, &[&record, b"second"]).unwrap();
            let own = expected.entry(log).or_default();
            own.extend([record, b"second".to_vec()]);
        }
        for (log, records) in &expected {
            let own = wal.iter_log(*log, wal.first_lsn()).unwrap();
            let own: Vec<_> = own.map(|record| record.unwrap().1).collect();
            assert_eq!(own, *records, "seed {seed} log {log}");
        }
        let all = wal.iter_from(wal.first_lsn()).unwrap().count();
        assert_eq!(all, expected.values().map(Vec::len).sum::<usize>());
        drop(wal);
        assert_eq!(replayed(&disk), expected, "seed {seed}");
    }
}

#[test]
fn a_segment_is_freed_once_every_log_in_it_has_released_it() {
    let disk = MemStore::new();
    let entropy = Seeded::new(1);
    let (a, b, idle) = (LogId(1), LogId(2), LogId(3));
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &small()).unwrap();
    wal.append_to(b, &[b"in the first segment only"]).unwrap();
    let mut ends = Vec::new();
    for _ in 0..4 {
        wal.append_to(a, &[&[1; 100]]).unwrap();
        ends.push(wal.durable_lsn());
        wal.rotate(b"").unwrap();
    }
    // What opening wrote holds nobody's records.
    wal.release_log(idle, wal.durable_lsn()).unwrap();
    let segments = wal.segments().len();
    wal.release_log(a, ends[1]).unwrap();
    assert_eq!(wal.segments().len(), segments, "{b} needs the first one");
    wal.release_log(b, Lsn(0)).unwrap();
    assert_eq!(wal.segments().len(), segments);
    wal.release_log(b, ends[0]).unwrap();
    let left = wal.segments();
    assert!(left.len() < segments && left[0].end > ends[1]);
    let records = wal.iter_log(a, wal.first_lsn()).unwrap().count();
    assert_eq!(records, 2, "what was not released is there");

    // Nothing is remembered over an opening, so nothing is freed too early.
    drop(wal);
    let (wal, ..) = open(Arc::new(disk), &entropy, &small()).unwrap();
    wal.release_log(b, wal.durable_lsn()).unwrap();
    assert_eq!(wal.iter_log(a, wal.first_lsn()).unwrap().count(), 2);
    wal.release_log(a, wal.durable_lsn()).unwrap();
    assert_eq!(wal.segments().len(), 1);
}

#[test]
fn long_records_are_compressed_and_come_back_from_every_reader() {
    let disk = MemStore::new();
    let options = Options {
        compress_min: Some(64),
        ..small()
    };
    let entropy = Seeded::new(2);
    let text = b"half of this is repeated, half of this is repeated, ".repeat(12);
    let (wal, ..) = open(Arc::new(disk.clone()), &entropy, &options).unwrap();
    for number in 0..40_u32 {
        wal.append_to(LogId(number % 2), &[&text, b"short"])
            .unwrap();
    }
    assert!(wal.durable_lsn().0 < 40 * text.len() as u64 / 3);
    let mut iter = wal.iter_log(LogId(1), wal.first_lsn()).unwrap();
    let (lsn, first) = iter.next().unwrap().unwrap();
    assert_eq!(
        (first.as_slice(), wal.read(lsn).unwrap()),
        (&text[..], text.clone())
    );
    assert_eq!(iter.count(), 39);
    drop(wal);
    // What was written compressed is read whatever the options are now.
    let (_, recovery, seen) = open(Arc::new(disk), &entropy, &small()).unwrap();
    assert_eq!(recovery.records, 80);
    let texts = seen
        .payloads()
        .into_iter()
        .filter(|payload| *payload == text);
    assert_eq!(texts.count(), 40);
}

#[test]
fn a_flipped_bit_in_a_compressed_log_is_never_a_wrong_record() {
    let disk = MemStore::new();
    let options = Options {
        compress_min: Some(16),
        ..small()
    };
    let text = b"abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc";
    let (wal, ..) = open(Arc::new(disk.clone()), &Seeded::new(3), &options).unwrap();
    for log in 0..6 {
        wal.append_to(LogId(log), &[text]).unwrap();
    }
    wal.seal().unwrap();
    drop(wal);
    for id in disk.list().unwrap() {
        let object = disk.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        let content = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        for bit in 0..content * 8 {
            let copy = MemStore::new();
            for other in disk.list().unwrap() {
                let from = disk.open(other).unwrap();
                let mut image = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
                from.read_at(0, &mut image).unwrap();
                if other == id {
                    image[bit / 8] ^= 1 << (bit % 8);
                }
                let reserve = Some(image.len() as u64);
                copy.create(other, reserve)
                    .unwrap()
                    .append(0, &[&image])
                    .unwrap();
            }
            let mut records = 0;
            let outcome = Wal::replay(&copy, OpenMode::Salvage, &mut |replayed| {
                if let Replayed::Record { payload, .. } = replayed {
                    assert_eq!(payload, text, "{id} bit {bit}");
                    records += 1;
                }
            });
            let lost = outcome.is_ok_and(|recovery| recovery.corrupt.is_empty());
            assert!(
                records == 6 || !lost,
                "{id} bit {bit}: {records} and not a word"
            );
        }
    }
}
