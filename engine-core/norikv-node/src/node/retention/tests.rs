use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft::Payload;
use norikv_types::Term;

use super::*;

/// Entries of 100 bytes each.
fn entries(range: core::ops::RangeInclusive<u64>) -> Vec<Entry> {
    range
        .map(|index| Entry {
            term: Term(1),
            index: LogIndex(index),
            payload: Payload::Command(Bytes::from(alloc::vec![0; 84])),
        })
        .collect()
}

#[test]
fn nothing_is_released_before_it_is_flushed_and_applied() {
    let mut retention = Retention::new(LogIndex(0), LogIndex(0), &entries(1..=10));
    assert_eq!(retention.releasable(LogIndex(10), 0, 0, None), None);
    retention.flush(LogIndex(6));
    assert_eq!(
        retention.releasable(LogIndex(4), 0, 0, None),
        Some(LogIndex(4))
    );
    assert_eq!(
        retention.releasable(LogIndex(10), 0, 0, None),
        Some(LogIndex(6))
    );
}

#[test]
fn the_last_flushed_bytes_are_kept_for_followers() {
    let mut retention = Retention::new(LogIndex(0), LogIndex(0), &entries(1..=10));
    retention.flush(LogIndex(10));
    assert_eq!(
        retention.releasable(LogIndex(10), 300, 100, None),
        Some(LogIndex(7))
    );
    assert_eq!(retention.releasable(LogIndex(10), 5_000, 100, None), None);
    assert_eq!(
        retention.releasable(LogIndex(10), 5_000, 2, None),
        Some(LogIndex(8))
    );
    assert_eq!(
        retention.releasable(LogIndex(10), 0, 0, Some(LogIndex(5))),
        Some(LogIndex(5))
    );
}

#[test]
fn a_cut_takes_the_bytes_of_what_it_cuts() {
    let mut retention = Retention::new(LogIndex(0), LogIndex(0), &entries(1..=10));
    retention.append(&entries(4..=5));
    assert_eq!(retention.unflushed_bytes(), 500);
    retention.flush(LogIndex(3));
    assert_eq!(retention.unflushed_bytes(), 200);
    retention.release(LogIndex(3));
    assert_eq!(retention.unflushed_bytes(), 200);
    assert_eq!(retention.released(), LogIndex(3));
}

#[test]
fn a_reset_begins_anew() {
    let mut retention = Retention::new(LogIndex(0), LogIndex(0), &entries(1..=10));
    retention.reset(Version {
        term: Term(2),
        index: LogIndex(50),
    });
    assert_eq!(retention.released(), LogIndex(50));
    assert_eq!(retention.flushed(), LogIndex(50));
    retention.append(&entries(51..=53));
    assert_eq!(retention.unflushed_bytes(), 300);
}
