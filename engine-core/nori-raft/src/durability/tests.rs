use alloc::vec::Vec;

use super::*;
use crate::message::{AppendOutcome, AppendReply, Body};

fn acknowledgement(match_index: u64) -> Message {
    Message {
        term: Term(1),
        body: Body::AppendReply(AppendReply {
            round: 1,
            outcome: AppendOutcome::Accepted {
                match_index: LogIndex(match_index),
                received_index: LogIndex(match_index),
                installing: None,
            },
        }),
    }
}

fn vote() -> Message {
    Message {
        term: Term(1),
        body: Body::VoteReply { granted: true },
    }
}

/// Stages entries `from..=last` and issues the write.
fn write(durability: &mut Durability, from: u64, last: u64) -> WriteId {
    durability.stage_entries(LogIndex(from));
    durability.issue(Term(1), LogIndex(last)).unwrap().write
}

#[test]
fn nothing_staged_is_nothing_to_write() {
    let mut durability = Durability::new(LogIndex(3));
    assert_eq!(durability.issue(Term(1), LogIndex(3)), None);
    assert_eq!(durability.durable_index(), LogIndex(3));
    assert_eq!(durability.newest_write(), 0);
}

#[test]
fn write_numbers_grow_by_one() {
    let mut durability = Durability::new(LogIndex(0));
    let numbers: Vec<u64> = (1..5)
        .map(|index| write(&mut durability, index, index).number)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn a_write_counts_when_it_and_all_before_it_are_reported() {
    let mut durability = Durability::new(LogIndex(0));
    let first = write(&mut durability, 1, 2);
    let second = write(&mut durability, 3, 5);
    assert!(!durability.complete(second));
    assert_eq!(durability.durable_index(), LogIndex(0));
    assert!(durability.complete(first));
    assert_eq!(durability.durable_index(), LogIndex(5));
    assert!(!durability.complete(first), "late");
}

#[test]
fn a_cut_voids_what_writes_under_way_hold_above_it() {
    let mut durability = Durability::new(LogIndex(0));
    let first = write(&mut durability, 1, 6);
    let second = write(&mut durability, 4, 4);
    durability.complete(first);
    assert_eq!(durability.durable_index(), LogIndex(3));
    durability.complete(second);
    assert_eq!(durability.durable_index(), LogIndex(4));
}

#[test]
fn a_cut_lowers_what_was_durable() {
    let mut durability = Durability::new(LogIndex(9));
    durability.stage_entries(LogIndex(5));
    assert_eq!(durability.durable_index(), LogIndex(4));
}

#[test]
fn a_reset_voids_every_entry_under_way_and_stands_for_itself() {
    let mut durability = Durability::new(LogIndex(0));
    let first = write(&mut durability, 1, 50);
    let snapshot = SnapshotMeta {
        index: LogIndex(20),
        term: Term(1),
    };
    durability.stage_reset(snapshot);
    assert_eq!(durability.durable_index(), LogIndex(20));
    durability.complete(first);
    assert_eq!(durability.durable_index(), LogIndex(20));
    let staged = durability.issue(Term(1), LogIndex(20)).unwrap();
    assert_eq!((staged.reset, staged.entries_from), (Some(snapshot), None));
}

#[test]
fn what_needs_nothing_new_goes_at_once() {
    let mut durability = Durability::new(LogIndex(0));
    let needs = durability.hard_state_write();
    assert!(durability.hold(needs, NodeId(2), vote()).is_some());
}

#[test]
fn what_is_held_leaves_in_order_once_its_write_is_durable() {
    let mut durability = Durability::new(LogIndex(0));
    durability.stage_hard_state();
    let needs = durability.hard_state_write();
    assert!(durability.hold(needs, NodeId(2), vote()).is_none());
    let first = durability.issue(Term(1), LogIndex(0)).unwrap().write;
    let second = write(&mut durability, 1, 1);
    let newest = durability.newest_write();
    assert!(
        durability
            .hold(newest, NodeId(3), acknowledgement(1))
            .is_none()
    );
    assert_eq!(durability.release(), None);
    durability.complete(first);
    assert_eq!(durability.release(), Some((NodeId(2), vote())));
    assert_eq!(durability.release(), None);
    durability.complete(second);
    assert_eq!(durability.release(), Some((NodeId(3), acknowledgement(1))));
}

#[test]
fn of_acknowledgements_in_a_row_the_last_is_enough() {
    let mut durability = Durability::new(LogIndex(0));
    let mut last = None;
    for index in 1..4 {
        last = Some(write(&mut durability, index, index));
        let newest = durability.newest_write();
        durability.hold(newest, NodeId(2), acknowledgement(index));
        if index < 3 {
            durability.complete(last.unwrap());
        }
    }
    assert_eq!(durability.release(), Some((NodeId(2), acknowledgement(2))));
    durability.complete(last.unwrap());
    assert_eq!(durability.release(), Some((NodeId(2), acknowledgement(3))));
    assert_eq!(durability.release(), None);
}

#[test]
fn only_writes_that_were_issued_are_known() {
    let mut durability = Durability::new(LogIndex(0));
    let first = write(&mut durability, 1, 1);
    let stranger = WriteId {
        term: Term(7),
        ..first
    };
    assert!(durability.knows(first));
    assert!(!durability.knows(stranger));
    assert!(!durability.knows(WriteId { number: 2, ..first }));
    assert!(!durability.knows(WriteId { number: 0, ..first }));
    durability.complete(first);
    assert!(durability.knows(first), "a late report is harmless");
}
