use alloc::vec;

use bytes::Bytes;

use super::*;
use crate::Member;

fn member(node: u64, state: MemberState) -> Member {
    let incarnation = Incarnation(0);
    Member {
        node: NodeId(node),
        state,
        incarnation,
        metadata: Bytes::new(),
    }
}

fn table(count: u64) -> Table {
    let mut table = Table::new(member(1, MemberState::Alive));
    for node in 2..=count {
        table.set(member(node, MemberState::Alive));
    }
    table
}

/// SWIM §4.3: each round visits every member once, in a new order.
#[test]
fn a_round_probes_every_live_member_once() {
    let (table, mut prng, mut prober) = (table(9), Prng::new(1), Prober::new(Mono::ZERO));
    let mut rounds = vec![];
    for _ in 0..6 {
        let round: Vec<_> = (0..8)
            .map(|_| prober.next(&table, &mut prng).unwrap().0)
            .collect();
        let mut sorted = round.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [2, 3, 4, 5, 6, 7, 8, 9]);
        rounds.push(round);
    }
    rounds.sort_unstable();
    rounds.dedup();
    assert!(rounds.len() > 1, "the order is drawn anew each round");
}

/// SWIM §4.3: successive selections of one target are at most 2n − 1 periods apart.
#[test]
fn two_probes_of_a_member_are_at_most_two_rounds_apart() {
    let (table, mut prng, mut prober) = (table(8), Prng::new(3), Prober::new(Mono::ZERO));
    let drawn: Vec<u64> = (0..700)
        .map(|_| prober.next(&table, &mut prng).unwrap().0)
        .collect();
    for node in 2..=8 {
        let times = drawn
            .iter()
            .enumerate()
            .filter(|(_, target)| **target == node);
        let times: Vec<usize> = times.map(|(time, _)| time).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 2 * 7));
    }
}

/// SWIM §4.3: a new member is inserted at a random position.
#[test]
fn a_newcomer_is_probed_in_the_round_it_came_in_and_once() {
    for seed in 0..50 {
        let (mut table, mut prng) = (table(6), Prng::new(seed));
        let mut prober = Prober::new(Mono::ZERO);
        let before = [(); 2].map(|()| prober.next(&table, &mut prng).unwrap());
        table.set(member(7, MemberState::Alive));
        prober.insert(NodeId(7), &mut prng);
        prober.insert(NodeId(7), &mut prng);
        let rest: Vec<_> = (0..4)
            .map(|_| prober.next(&table, &mut prng).unwrap())
            .collect();
        assert_eq!(
            rest.iter().filter(|node| **node == NodeId(7)).count(),
            1,
            "seed {seed}"
        );
        assert!(before.iter().all(|node| !rest.contains(node)));
    }
}

#[test]
fn the_faulty_and_those_that_left_are_passed_over() {
    let (mut table, mut prng, mut prober) = (table(4), Prng::new(1), Prober::new(Mono::ZERO));
    assert!(prober.next(&table, &mut prng).is_some());
    table.set(member(2, MemberState::Faulty));
    table.set(member(3, MemberState::Left));
    table.set(member(4, MemberState::Suspect));
    for _ in 0..5 {
        assert_eq!(
            prober.next(&table, &mut prng),
            Some(NodeId(4)),
            "a suspect may still refute"
        );
    }
    table.set(member(4, MemberState::Faulty));
    assert_eq!(prober.next(&table, &mut prng), None);
}

/// Lifeguard §III: a nack that does not come points at this node's own connection.
#[test]
fn only_missing_nacks_are_held_against_oneself() {
    let mut probe = Probe {
        target: NodeId(2),
        incarnation: Incarnation(0),
        sequence: 1,
        direct_until: None,
        asked: [].into(),
        nacked: [].into(),
    };
    assert_eq!(probe.blame(), 1, "nobody could be asked");
    probe.asked = [3, 4, 5].map(NodeId).into();
    assert_eq!(probe.blame(), 3);
    probe.nacked = [3, 5].map(NodeId).into();
    assert_eq!(probe.blame(), 1);
    probe.nacked.insert(NodeId(4));
    assert_eq!(probe.blame(), 0);
}
