use alloc::vec;

use super::*;

/// Sends one packet with room for `room` rumours.
fn packet(gossip: &mut Gossip, bound: u32, room: usize) -> Vec<u64> {
    let mut sent = vec![];
    gossip.take(bound, |node, _| {
        let fits = sent.len() < room;
        if fits {
            sent.push(node.0);
        }
        fits
    });
    sent
}

/// SWIM §4.1: each buffered element is piggybacked at most λ log n times.
#[test]
fn a_rumour_is_sent_exactly_up_to_its_bound() {
    let mut gossip = Gossip::default();
    gossip.spread(NodeId(1), None);
    let sent: usize = (0..20).map(|_| packet(&mut gossip, 6, 9).len()).sum();
    assert_eq!(sent, 6);
    assert!(gossip.is_empty());
}

/// SWIM §4.1: elements that were gossiped fewer times are preferred.
#[test]
fn rumours_sent_least_go_first_and_among_them_the_freshest() {
    let mut gossip = Gossip::default();
    for node in 1..=3 {
        gossip.spread(NodeId(node), None);
    }
    assert_eq!(packet(&mut gossip, 2, 2), [3, 2]);
    gossip.spread(NodeId(4), None);
    assert_eq!(packet(&mut gossip, 2, 3), [4, 1, 3]);
    assert_eq!(packet(&mut gossip, 2, 9), [4, 2, 1]);
    assert!(gossip.is_empty());
}

#[test]
fn newer_word_of_a_member_replaces_the_older_and_starts_afresh() {
    let mut gossip = Gossip::default();
    gossip.spread(NodeId(1), Some(NodeId(7)));
    assert_eq!(packet(&mut gossip, 2, 9), [1]);
    gossip.spread(NodeId(1), Some(NodeId(8)));
    let mut accusers = vec![];
    for _ in 0..4 {
        gossip.take(2, |_, accuser| {
            accusers.push(accuser);
            true
        });
    }
    assert_eq!(accusers, [Some(NodeId(8)), Some(NodeId(8))]);
}

#[test]
fn the_bound_is_rounded_up_for_small_clusters() {
    assert_eq!(
        [0, 1, 2, 3, 10, 50, 1_000].map(|live| retransmissions(3, live)),
        [3, 3, 6, 6, 12, 18, 30]
    );
}

/// The mutant that the first test above must see.
#[test]
fn the_mutant_sends_a_rumour_once() {
    let _planted = Mutant::RumourSentOnce.plant();
    let mut gossip = Gossip::default();
    gossip.spread(NodeId(1), None);
    assert_eq!(packet(&mut gossip, 6, 9), [1]);
    assert!(gossip.is_empty());
}
