use super::*;
use MemberState::{Alive, Faulty, Left, Suspect};

fn said(incarnation: u32, state: MemberState) -> Member {
    let incarnation = Incarnation(incarnation);
    Member {
        node: NodeId(1),
        state,
        incarnation,
        metadata: Bytes::new(),
    }
}

/// SWIM §4.2, the list of which message overrides which.
#[test]
fn alive_overrides_suspect_and_alive_of_lower_incarnations_only() {
    assert!(said(2, Alive).overrides(&said(1, Suspect)));
    assert!(said(2, Alive).overrides(&said(1, Alive)));
    assert!(!said(1, Alive).overrides(&said(1, Suspect)));
    assert!(!said(1, Alive).overrides(&said(1, Alive)));
}

#[test]
fn suspect_overrides_alive_of_its_own_incarnation_and_below() {
    assert!(said(1, Suspect).overrides(&said(1, Alive)));
    assert!(said(2, Suspect).overrides(&said(1, Alive)));
    assert!(said(2, Suspect).overrides(&said(1, Suspect)));
    assert!(!said(1, Suspect).overrides(&said(2, Alive)));
    assert!(!said(1, Suspect).overrides(&said(1, Suspect)));
}

#[test]
fn faulty_overrides_what_it_judged_and_yields_to_a_later_life() {
    assert!(said(1, Faulty).overrides(&said(1, Suspect)));
    assert!(said(1, Faulty).overrides(&said(1, Alive)));
    assert!(!said(1, Faulty).overrides(&said(2, Alive)));
    assert!(said(2, Alive).overrides(&said(1, Faulty)));
}

#[test]
fn a_good_bye_outranks_a_verdict_of_the_same_incarnation() {
    assert!(said(1, Left).overrides(&said(1, Faulty)));
    assert!(!said(1, Faulty).overrides(&said(1, Left)));
    assert!(said(2, Alive).overrides(&said(1, Left)));
}
