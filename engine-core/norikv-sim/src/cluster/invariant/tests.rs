//! Each rule about replicas that go and come sees it when it is broken.

use alloc::vec;
use alloc::vec::Vec;

use nori_raft::{
    Body, Configuration, Entry, HardState, Message, Payload, Persist, Restored, Role, SnapshotMeta,
    WriteId,
};
use norikv_types::{GroupId, LogIndex, NodeId, Term, Version};

use super::Invariants;
use crate::cluster::Violation;
use crate::cluster::host::Found;

const GROUP: GroupId = GroupId(0);

fn ids(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn at(index: u64) -> Version {
    Version {
        term: Term(1),
        index: LogIndex(index),
    }
}

fn found(exists: bool, founders: &[u64]) -> Found {
    Found {
        group: GROUP,
        log: None,
        exists,
        founders: ids(founders),
        restored: Restored::fresh(),
    }
}

/// Nodes 1 to 3 found the group; 4 and 5 hold nothing of it.
fn begun() -> Invariants {
    let mut invariants = Invariants::default();
    for node in 1..=5 {
        let founds = node <= 3;
        let found = match founds {
            true => found(true, &[1, 2, 3]),
            false => found(false, &[]),
        };
        assert_eq!(invariants.restarted(NodeId(node), &found), Ok(()));
    }
    invariants
}

fn entry(index: u64, payload: Payload) -> Entry {
    Entry {
        term: Term(1),
        index: LogIndex(index),
        payload,
    }
}

fn voters(index: u64, voters: &[u64]) -> Entry {
    let configuration = Configuration::new(ids(voters)).expect("voters");
    entry(index, Payload::Configuration(configuration.into()))
}

fn term_1() -> HardState {
    HardState {
        term: Term(1),
        voted_for: Some(NodeId(1)),
        commit_index: LogIndex(0),
    }
}

/// The node makes an entry durable.
fn holds(invariants: &mut Invariants, node: u64, entry: Entry) -> Result<(), Violation> {
    let write = WriteId {
        number: entry.index.0,
        term: entry.term,
    };
    let persist = Persist {
        write,
        hard_state: Some(term_1()),
        reset: None,
        entries: vec![entry].into(),
        rewrites: vec![].into(),
    };
    invariants.persist(NodeId(node), GROUP, &persist)?;
    invariants.durable(NodeId(node), GROUP, write);
    Ok(())
}

/// What a removed replica's log is told last; durable only if `durable`.
fn forgets(invariants: &mut Invariants, node: u64, durable: bool) -> Result<(), Violation> {
    let write = WriteId {
        number: 0,
        term: Term(0),
    };
    let persist = Persist {
        write,
        hard_state: Some(HardState::default()),
        reset: Some(SnapshotMeta::default()),
        entries: vec![].into(),
        rewrites: vec![].into(),
    };
    invariants.persist(NodeId(node), GROUP, &persist)?;
    if durable {
        invariants.durable(NodeId(node), GROUP, write);
    }
    Ok(())
}

fn says(invariants: &mut Invariants, node: u64) -> Result<(), Violation> {
    let message = Message {
        term: Term(1),
        body: Body::VoteReply { granted: false },
    };
    invariants.said(NodeId(node), NodeId(1), GROUP, &message)
}

/// 3 is replaced by 4, which everybody but 3 knows.
fn moved() -> Invariants {
    let mut invariants = begun();
    for node in [1, 2, 3] {
        holds(&mut invariants, node, entry(1, Payload::Noop)).expect("it follows");
    }
    for node in [1, 2] {
        holds(&mut invariants, node, voters(2, &[1, 2, 3, 4])).expect("it follows");
        holds(&mut invariants, node, voters(3, &[1, 2, 4])).expect("it follows");
    }
    let entries = [
        entry(1, Payload::Noop),
        voters(2, &[1, 2, 3, 4]),
        voters(3, &[1, 2, 4]),
    ];
    assert_eq!(invariants.apply(NodeId(1), GROUP, &entries), Ok(()));
    invariants
}

#[test]
fn a_replica_is_given_up_only_where_a_committed_configuration_is_without_it() {
    let removed = |node| Violation::RemovedMember {
        node: NodeId(node),
        group: GROUP,
    };
    assert_eq!(begun().removed(NodeId(3), GROUP), Err(removed(3)));
    let mut invariants = moved();
    assert_eq!(invariants.removed(NodeId(2), GROUP), Err(removed(2)));
    assert_eq!(invariants.removed(NodeId(3), GROUP), Ok(()));
    assert_eq!(invariants.removed(NodeId(3), GROUP), Err(removed(3)));
    // What was decided before it began is of no concern to one that came later.
    let mut invariants = moved();
    invariants.begun(NodeId(5), GROUP).expect("there is none");
    assert_eq!(invariants.removed(NodeId(5), GROUP), Err(removed(5)));
}

#[test]
fn only_a_removed_replica_forgets_its_term_and_its_vote() {
    let forgot = |invariants: &mut Invariants| {
        let forgot = forgets(invariants, 3, true);
        matches!(forgot, Err(Violation::HardStateWentBack { .. }))
    };
    assert!(forgot(&mut moved()), "it is there");
    let mut invariants = moved();
    invariants.removed(NodeId(3), GROUP).expect("it is removed");
    assert_eq!(forgets(&mut invariants, 3, true), Ok(()));
}

#[test]
fn a_replica_does_not_begin_over_what_an_earlier_one_left() {
    let over = Err(Violation::BegunOverPast {
        node: NodeId(3),
        group: GROUP,
    });
    let mut invariants = moved();
    assert_eq!(invariants.begun(NodeId(3), GROUP), over, "it is there");
    invariants.removed(NodeId(3), GROUP).expect("it is removed");
    invariants.cleared(NodeId(3), GROUP);
    assert_eq!(invariants.begun(NodeId(3), GROUP), over, "its log is left");
    forgets(&mut invariants, 3, false).expect("it is removed");
    assert_eq!(invariants.begun(NodeId(3), GROUP), over, "not durably gone");
    let mut invariants = moved();
    invariants.removed(NodeId(3), GROUP).expect("it is removed");
    invariants.cleared(NodeId(3), GROUP);
    forgets(&mut invariants, 3, true).expect("it is removed");
    assert_eq!(invariants.begun(NodeId(3), GROUP), Ok(()));
    assert_eq!(holds(&mut invariants, 3, entry(1, Payload::Noop)), Ok(()));
}

#[test]
fn who_has_no_replica_says_nothing() {
    let without = |node| {
        Err(Violation::SaidTooEarly {
            node: NodeId(node),
            group: GROUP,
            what: "something without a replica",
        })
    };
    let mut invariants = moved();
    assert_eq!(says(&mut invariants, 5), without(5));
    assert_eq!(says(&mut invariants, 3), Ok(()));
    invariants.lost(NodeId(3));
    assert_eq!(says(&mut invariants, 3), without(3));
    // What it said before it was removed may go out until it is erased.
    let mut invariants = moved();
    invariants.removed(NodeId(3), GROUP).expect("it is removed");
    assert_eq!(says(&mut invariants, 3), Ok(()));
    forgets(&mut invariants, 3, true).expect("it is removed");
    let restarted = invariants.restarted(NodeId(3), &found(false, &[]));
    assert_eq!(restarted, Ok(()));
    assert_eq!(says(&mut invariants, 3), without(3));
}

#[test]
fn what_was_durable_is_lost_only_with_the_disk_or_the_membership() {
    let gone = found(false, &[]);
    let lost = moved().restarted(NodeId(3), &gone);
    assert!(matches!(lost, Err(Violation::DurableLost { .. })));
    let mut invariants = moved();
    invariants.lost(NodeId(3));
    assert_eq!(invariants.restarted(NodeId(3), &gone), Ok(()));
    // A removal that has not reached the log yet takes nothing from it.
    let mut invariants = moved();
    invariants.removed(NodeId(3), GROUP).expect("it is removed");
    let lost = invariants.restarted(NodeId(3), &gone);
    assert!(matches!(lost, Err(Violation::DurableLost { .. })));
    let mut invariants = moved();
    invariants.removed(NodeId(3), GROUP).expect("it is removed");
    forgets(&mut invariants, 3, false).expect("it is removed");
    assert_eq!(invariants.restarted(NodeId(3), &gone), Ok(()));
}

#[test]
fn a_write_is_held_by_a_majority_of_the_newest_configuration() {
    let early = Err(Violation::AcknowledgedTooEarly {
        group: GROUP,
        version: at(4),
    });
    let mut invariants = moved();
    let write = || entry(4, Payload::Noop);
    holds(&mut invariants, 2, write()).expect("it follows");
    assert_eq!(invariants.acknowledged(GROUP, at(4)), early);
    // By the configuration that 3 still has in its log these two would be enough.
    for index in 2..=3 {
        holds(&mut invariants, 3, entry(index, Payload::Noop)).ok();
    }
    holds(&mut invariants, 3, write()).ok();
    assert_eq!(invariants.acknowledged(GROUP, at(4)), early);
    holds(&mut invariants, 1, write()).expect("it follows");
    assert_eq!(invariants.acknowledged(GROUP, at(4)), Ok(()));
    // What it had acknowledged it had acknowledged rightly, until it begins again.
    invariants.lost(NodeId(2));
    assert_eq!(invariants.acknowledged(GROUP, at(4)), Ok(()));
    invariants.begun(NodeId(2), GROUP).expect("nothing is left");
    assert_eq!(invariants.acknowledged(GROUP, at(4)), early);
}

#[test]
fn who_was_removed_does_not_lead() {
    let mut invariants = begun();
    let up = || ids(&[1, 2, 3, 4, 5]).into_iter();
    for node in [1, 2] {
        let message = Message {
            term: Term(1),
            body: Body::VoteReply { granted: true },
        };
        let said =
            |invariants: &mut Invariants| invariants.said(NodeId(node), NodeId(3), GROUP, &message);
        let hard_state = HardState {
            voted_for: Some(NodeId(3)),
            ..term_1()
        };
        let write = WriteId {
            number: 1,
            term: Term(1),
        };
        let persist = Persist {
            write,
            hard_state: Some(hard_state),
            reset: None,
            entries: vec![].into(),
            rewrites: vec![].into(),
        };
        let invariants = &mut invariants;
        let persisted = invariants.persist(NodeId(node), GROUP, &persist);
        assert_eq!(persisted, Ok(()));
        invariants.durable(NodeId(node), GROUP, write);
        assert_eq!(said(invariants), Ok(()));
    }
    let persist = Persist {
        write: WriteId {
            number: 1,
            term: Term(1),
        },
        hard_state: Some(HardState {
            voted_for: Some(NodeId(3)),
            ..term_1()
        }),
        reset: None,
        entries: vec![entry(1, Payload::Noop)].into(),
        rewrites: vec![].into(),
    };
    let node = NodeId(3);
    assert_eq!(invariants.persist(node, GROUP, &persist), Ok(()));
    invariants.durable(node, GROUP, persist.write);
    let leads = invariants.role_changed(node, GROUP, Role::Leader, Term(1));
    assert_eq!(leads, Ok(()));
    for other in [1, 2] {
        let copied = Persist {
            hard_state: None,
            write: WriteId {
                number: 2,
                term: Term(1),
            },
            ..persist.clone()
        };
        let copy = invariants.persist(NodeId(other), GROUP, &copied);
        assert_eq!(copy, Ok(()));
        invariants.durable(NodeId(other), GROUP, copied.write);
    }
    let committed = invariants.commit_advanced(node, GROUP, LogIndex(1));
    assert_eq!(committed, Ok(()));
    assert!(invariants.is_led(GROUP, up()));
    let entries = [entry(1, Payload::Noop), voters(2, &[1, 2])];
    let applied = invariants.apply(NodeId(1), GROUP, &entries);
    assert_eq!(applied, Ok(()));
    assert!(!invariants.is_led(GROUP, up()));
}
