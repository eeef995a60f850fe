use std::vec;
use std::vec::Vec;

use super::*;

const UID: u64 = 0xABCD;

/// A group's body with these records, at lsn 0.
fn body(records: &[Outgoing<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for record in records {
        let before = body.len() as u64;
        record.put(&mut body);
        assert_eq!(before + record.len(), body.len() as u64);
    }
    finish(&mut body, UID, 0);
    body
}

#[test]
fn records_of_several_logs_come_back_compressed_or_not() {
    let long = vec![7; 1000];
    let noise: Vec<u8> = (0..1000u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let payloads: [&[u8]; 4] = [b"short", b"", &long, &noise];
    for compress_min in [None, Some(0), Some(100)] {
        for log in [LogId::MAIN, LogId(9)] {
            let outgoing = payloads.map(|payload| Outgoing::new(log, payload, compress_min));
            assert_eq!(outgoing[2].len() < 100, compress_min.is_some());
            assert_eq!(
                outgoing[3].raw_len, None,
                "what gets no shorter stays as it is"
            );
            let body = body(&outgoing);
            let mut records = Records::new(0, &body);
            for payload in payloads {
                let record = records.next().unwrap();
                assert!(record.verifies(UID) && !record.verifies(UID + 1));
                assert_eq!((record.log, &*record.payload().unwrap()), (log, payload));
            }
            assert!(records.next().is_none() && records.is_at_end());
        }
    }
}

#[test]
fn every_flipped_bit_of_a_record_is_noticed_without_its_group() {
    let long = vec![1; 400];
    let records = [(LogId::MAIN, None), (LogId(3), Some(64))];
    for (log, compress_min) in records {
        let body = body(&[Outgoing::new(log, &long, compress_min)]);
        for bit in 0..body.len() * 8 {
            let mut bad = body.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let lsn = FRAME_HEADER_LEN as u64;
            let record = Record::parse(lsn, &bad).filter(|record| record.verifies(UID));
            assert!(record.is_none(), "bit {bit}");
        }
    }
}

#[test]
fn lengths_from_outside_are_bounded_by_what_is_there() {
    let body = [vec![0xFF; 8], vec![1; 4]].concat();
    assert_eq!(Records::new(0, &body).count(), 0);
    assert_eq!(Records::new(0, &[]).count(), 0);
    // Flags that promise fields for which there is no room.
    for word in [OTHER_LOG | 3, LZ4 | 3, OTHER_LOG | LZ4 | 7] {
        let body = [&[0; 4], &word.to_le_bytes()[..], &[0; 8]].concat();
        assert_eq!(Record::parse(0, &body), None);
    }
}

#[test]
fn a_forged_size_of_a_compressed_record_is_refused_before_memory_is_asked_for() {
    let long = vec![7; 5000];
    let body = body(&[Outgoing::new(LogId::MAIN, &long, Some(0))]);
    for forged in [u32::MAX, 4999, 5001, 0, 1 << 30] {
        let mut bad = body.clone();
        bad[8..12].copy_from_slice(&forged.to_le_bytes());
        let record = Record::parse(0, &bad).unwrap();
        assert!(record.payload().is_none() && !record.is_whole(), "{forged}");
    }
}
