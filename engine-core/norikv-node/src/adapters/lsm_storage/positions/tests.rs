use norikv_types::{LogIndex, Term, Version, WallMs};

use super::*;

fn at(index: u64) -> GroupRecord {
    GroupRecord {
        applied: Version {
            term: Term(1),
            index: LogIndex(index),
        },
        stamp: WallMs(1_000 + index),
    }
}

#[test]
fn a_position_is_flushed_when_the_seqno_of_its_batch_is() {
    let mut positions = Positions::opened(at(10));
    assert_eq!(positions.flushed(SeqNo(0)), at(10));
    positions.applied(SeqNo(105), at(12));
    positions.applied(SeqNo(110), at(13));
    assert_eq!(positions.flushed(SeqNo(104)), at(10));
    assert_eq!(positions.flushed(SeqNo(105)), at(12));
    assert_eq!(positions.flushed(SeqNo(109)), at(12));
    assert_eq!(positions.flushed(SeqNo(500)), at(13));
    assert_eq!(positions.last(), at(13));
}

#[test]
fn an_installed_snapshot_is_flushed_and_what_waited_is_void() {
    let mut positions = Positions::opened(at(10));
    positions.applied(SeqNo(105), at(12));
    positions.installed(at(40));
    assert_eq!(positions.flushed(SeqNo(0)), at(40));
    assert_eq!(positions.flushed(SeqNo(105)), at(40));
    assert_eq!(positions.last(), at(40));
}

#[test]
fn what_is_remembered_is_bounded_and_always_ends_with_the_last() {
    let mut positions = Positions::opened(at(0));
    for index in 1..=100_000 {
        positions.applied(SeqNo(index), at(index));
        assert!(positions.unflushed.len() <= UNFLUSHED_MAX);
        let last = positions.unflushed.back().copied();
        assert_eq!(last, Some((SeqNo(index), at(index))));
    }
    let LogIndex(half) = positions.flushed(SeqNo(50_000)).applied.index;
    assert!(half <= 50_000, "never ahead of the flush");
    assert!(half > 49_900, "{half} is far behind the flush");
    assert_eq!(positions.flushed(SeqNo(100_000)), at(100_000));
}
