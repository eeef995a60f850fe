use alloc::vec;

use super::*;
use norikv_types::Term;

fn of(last: u64) -> Configuration {
    Configuration::new((1..=last).map(NodeId)).unwrap()
}

fn entry(index: u64, payload: Payload) -> Entry {
    Entry {
        term: Term(1),
        index: LogIndex(index),
        payload,
    }
}

#[test]
fn the_newest_configuration_in_the_log_is_in_force_until_it_is_cut() {
    let mut membership = Membership::new(of(1), None, LogIndex(0), &[]);
    assert_eq!(
        (membership.current(), membership.index()),
        (&of(1), LogIndex(0))
    );
    membership.push(LogIndex(3), of(2));
    membership.push(LogIndex(5), of(3));
    assert_eq!(membership.current(), &of(3));
    assert!(membership.is_uncommitted());
    assert!(!membership.truncate(LogIndex(6)));
    assert!(membership.truncate(LogIndex(5)));
    assert_eq!(membership.current(), &of(2));
    assert!(membership.commit(LogIndex(4)));
    assert!(!membership.is_uncommitted());
    assert_eq!(
        (membership.current(), membership.index()),
        (&of(2), LogIndex(3))
    );
    assert!(!membership.commit(LogIndex(9)));
}

#[test]
fn a_restart_finds_the_state_machines_configuration_and_those_of_the_log_above_it() {
    let entries = vec![
        entry(1, Payload::Configuration(of(1).into())),
        entry(2, Payload::Configuration(of(2).into())),
        entry(3, Payload::Noop),
        entry(4, Payload::Configuration(of(4).into())),
    ];
    let mut membership = Membership::new(of(9), Some(of(2)), LogIndex(2), &entries);
    assert_eq!(membership.current(), &of(4));
    membership.truncate(LogIndex(3));
    assert_eq!(membership.current(), &of(2));
    let nothing = Membership::new(of(9), None, LogIndex(0), &[]);
    assert_eq!(nothing.current(), &of(9));
}

#[test]
fn a_snapshot_brings_its_configuration_and_keeps_later_ones_with_the_log() {
    let mut membership = Membership::new(of(1), None, LogIndex(0), &[]);
    membership.push(LogIndex(3), of(2));
    membership.push(LogIndex(8), of(3));
    membership.install(LogIndex(5), Some(of(4)), true);
    assert_eq!(membership.current(), &of(3));
    membership.truncate(LogIndex(8));
    assert_eq!(membership.current(), &of(4));
    membership.push(LogIndex(9), of(5));
    membership.install(LogIndex(20), Some(of(6)), false);
    assert_eq!(
        (membership.current(), membership.index()),
        (&of(6), LogIndex(20))
    );

    let _planted = Mutant::SnapshotForgetsMembers.plant();
    membership.install(LogIndex(30), Some(of(7)), false);
    assert_eq!(membership.current(), &of(6));
}

#[test]
fn the_mutant_that_waits_for_the_commit_goes_on_with_the_old_configuration() {
    let _planted = Mutant::ConfigurationAtCommit.plant();
    let mut membership = Membership::new(of(1), None, LogIndex(0), &[]);
    membership.push(LogIndex(3), of(2));
    assert_eq!(membership.current(), &of(1));
    membership.commit(LogIndex(3));
    assert_eq!(membership.current(), &of(2));
}
