use alloc::vec;

use super::*;
use crate::entry::{Entry, Payload};
use crate::error::{ConfigFault, RestoredFault};

fn entry(term: u64, index: u64) -> Entry {
    Entry {
        term: Term(term),
        index: LogIndex(index),
        payload: Payload::Noop,
    }
}

fn restored(term: u64, entries: Vec<Entry>) -> Restored {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state.term = Term(term);
    restored.entries = entries;
    restored
}

fn build(restored: Restored) -> Result<Raft, Error> {
    let config = Config::new(NodeId(1), (1..=3).map(NodeId), 0);
    Raft::new(config, restored, Mono::ZERO)
}

fn fault(restored: Restored) -> Option<RestoredFault> {
    match build(restored) {
        Err(Error::Restored { fault, .. }) => Some(fault),
        _ => None,
    }
}

#[test]
fn restored_state_that_cannot_be_is_refused() {
    use RestoredFault as Fault;
    let gap = restored(1, vec![entry(1, 1), entry(1, 3)]);
    assert_eq!(fault(gap), Some(Fault::Gap));
    let falls = restored(2, vec![entry(2, 1), entry(1, 2)]);
    assert_eq!(fault(falls), Some(Fault::TermOrder));
    let beyond = restored(1, vec![entry(2, 1)]);
    assert_eq!(fault(beyond), Some(Fault::TermBeyondHardState));

    let mut lost = restored(1, vec![entry(1, 1)]);
    lost.hard_state.commit_index = LogIndex(2);
    assert_eq!(fault(lost), Some(Fault::CommitBeyondLog));
    let mut lost = restored(1, vec![entry(1, 1)]);
    lost.applied = LogIndex(2);
    assert_eq!(fault(lost), Some(Fault::AppliedBeyondLog));
    let mut behind = restored(1, Vec::new());
    behind.snapshot = SnapshotMeta {
        index: LogIndex(4),
        term: Term(1),
    };
    assert_eq!(fault(behind), Some(Fault::AppliedBelowSnapshot));
    let mut nobody = restored(1, Vec::new());
    nobody.hard_state.voted_for = Some(NodeId(0));
    assert_eq!(fault(nobody), Some(Fault::VotedForNobody));
    let mut fresh = restored(1, Vec::new());
    fresh.fresh = true;
    assert_eq!(fault(fresh), Some(Fault::FreshWithHistory));
}

#[test]
fn a_snapshot_of_a_term_that_was_not_stored_yet_brings_its_term() {
    let mut early = restored(3, Vec::new());
    early.hard_state.voted_for = Some(NodeId(2));
    early.snapshot = SnapshotMeta {
        index: LogIndex(4),
        term: Term(5),
    };
    early.applied = LogIndex(4);
    let mut raft = build(early).unwrap();
    assert_eq!((raft.term(), raft.voted_for), (Term(5), None));
    let first = raft.poll_output();
    assert!(matches!(
        first,
        Some(Output::Persist(Persist {
            hard_state: Some(_),
            ..
        }))
    ));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let sound = || Config::new(NodeId(1), (1..=3).map(NodeId), 0);
    type Case = (fn(&mut Config), ConfigFault);
    let cases: [Case; 6] = [
        (|config| config.id = NodeId(0), ConfigFault::NodeZero),
        (
            |config| config.founders.extend([NodeId(0)]),
            ConfigFault::NodeZero,
        ),
        (
            |config| config.heartbeat_interval = config.election_timeout_min,
            ConfigFault::HeartbeatInterval,
        ),
        (
            |config| config.election_timeout_max = config.election_timeout_min / 2,
            ConfigFault::ElectionTimeout,
        ),
        (
            |config| config.clock_drift_ppm = 1_000_000,
            ConfigFault::ClockDrift,
        ),
        (|config| config.append_bytes_max = 0, ConfigFault::ZeroLimit),
    ];
    for (break_it, fault) in cases {
        let mut config = sound();
        break_it(&mut config);
        assert_eq!(config.check(), Err(Error::Config { fault }));
    }
    assert_eq!(sound().check(), Ok(()));
}

#[test]
fn time_never_goes_back() {
    let mut raft = build(Restored::fresh()).unwrap();
    let later = Mono::from_nanos(5_000);
    raft.handle_input(later, Input::Timeout).unwrap();
    raft.handle_input(Mono::ZERO, Input::Timeout).unwrap();
    assert_eq!(raft.now, later);
}

#[test]
fn an_early_timeout_does_nothing() {
    let mut raft = build(Restored::fresh()).unwrap();
    raft.handle_input(Mono::ZERO, Input::Timeout).unwrap();
    assert_eq!(raft.poll_output(), None);
    assert_eq!(raft.role(), Role::Follower);
}

#[test]
#[should_panic(expected = "only what is applied")]
fn compacting_what_is_not_applied_is_a_bug() {
    let mut raft = build(restored(1, vec![entry(1, 1)])).unwrap();
    raft.handle_input(Mono::ZERO, Input::Compact(LogIndex(1)))
        .unwrap();
}
