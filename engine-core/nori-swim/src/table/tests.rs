use bytes::Bytes;

use super::*;
use crate::Incarnation;

fn member(node: u64, state: MemberState, incarnation: u32) -> Member {
    let (node, incarnation) = (NodeId(node), Incarnation(incarnation));
    Member {
        node,
        state,
        incarnation,
        metadata: Bytes::new(),
    }
}

fn table(others: u64) -> Table {
    let mut table = Table::new(member(1, MemberState::Alive, 0));
    for node in 2..others + 2 {
        table.set(member(node, MemberState::Alive, 0));
    }
    table
}

#[test]
fn the_number_of_live_members_follows_every_change() {
    let mut table = table(3);
    for (state, live) in [
        (MemberState::Suspect, 4),
        (MemberState::Faulty, 3),
        (MemberState::Left, 3),
        (MemberState::Alive, 4),
    ] {
        table.set(member(3, state, 1));
        assert_eq!(table.live(), live, "{state}");
    }
}

#[test]
fn tables_differ_in_digest_when_any_state_or_incarnation_differs() {
    let same = table(3).digest();
    assert_eq!(table(3).digest(), same);
    for change in [
        member(3, MemberState::Suspect, 0),
        member(3, MemberState::Alive, 1),
    ] {
        let mut changed = table(3);
        changed.set(change);
        assert_ne!(changed.digest(), same);
    }
}

#[test]
fn a_sample_is_distinct_and_never_holds_oneself_or_the_exception() {
    let (table, mut prng) = (table(6), Prng::new(5));
    for _ in 0..200 {
        let mut drawn = table.sample(&mut prng, 3, NodeId(4), MemberState::is_live);
        assert!(!drawn.contains(&NodeId(1)) && !drawn.contains(&NodeId(4)));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 3);
    }
    assert_eq!(
        table
            .sample(&mut prng, 9, NodeId(4), MemberState::is_live)
            .len(),
        5
    );
}
