use norikv_types::Term;

use super::*;

fn version(index: u64) -> Version {
    Version {
        term: Term(1),
        index: LogIndex(index),
    }
}

#[test]
fn a_position_is_flushed_when_the_seqno_of_its_batch_is() {
    let mut positions = Positions::opened(version(10));
    assert_eq!(positions.flushed(SeqNo(0)), LogIndex(10));
    positions.applied(SeqNo(105), version(12));
    positions.applied(SeqNo(110), version(13));
    assert_eq!(positions.flushed(SeqNo(104)), LogIndex(10));
    assert_eq!(positions.flushed(SeqNo(105)), LogIndex(12));
    assert_eq!(positions.flushed(SeqNo(109)), LogIndex(12));
    assert_eq!(positions.flushed(SeqNo(500)), LogIndex(13));
    assert_eq!(positions.last(), version(13));
}

#[test]
fn an_installed_snapshot_is_flushed_and_what_waited_is_void() {
    let mut positions = Positions::opened(version(10));
    positions.applied(SeqNo(105), version(12));
    positions.installed(version(40));
    assert_eq!(positions.flushed(SeqNo(0)), LogIndex(40));
    assert_eq!(positions.flushed(SeqNo(105)), LogIndex(40));
    assert_eq!(positions.last(), version(40));
}

#[test]
fn what_is_remembered_is_bounded_and_always_ends_with_the_last() {
    let mut positions = Positions::opened(version(0));
    for index in 1..=100_000 {
        positions.applied(SeqNo(index), version(index));
        assert!(positions.unflushed.len() <= UNFLUSHED_MAX);
        let last = positions.unflushed.back().copied();
        assert_eq!(last, Some((SeqNo(index), LogIndex(index))));
    }
    let LogIndex(half) = positions.flushed(SeqNo(50_000));
    assert!(half <= 50_000, "never ahead of the flush");
    assert!(half > 49_900, "{half} is far behind the flush");
    assert_eq!(positions.flushed(SeqNo(100_000)), LogIndex(100_000));
}
