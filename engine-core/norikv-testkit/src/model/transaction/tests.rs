use alloc::vec;

use super::*;

const MODEL: Transactions<char, u8> = Transactions::new();

fn map(pairs: &[(char, u8)]) -> BTreeMap<char, u8> {
    pairs.iter().copied().collect()
}

fn told(held: bool, got: &[Option<u8>]) -> TransactionOutput<u8> {
    TransactionOutput {
        held,
        got: got.to_vec(),
    }
}

fn increment_if_one() -> Transaction<char, u8> {
    Transaction {
        compare: vec![
            ('a', Comparison::Equals(1)),
            ('b', Comparison::Absent),
            ('c', Comparison::Present),
        ],
        then: vec![Action::Put('a', 2), Action::Get('a'), Action::Delete('c')],
        otherwise: vec![Action::Get('b')],
    }
}

#[test]
fn every_comparison_decides_and_actions_see_those_before_them() {
    let state = map(&[('a', 1), ('c', 3)]);
    let step = |state: &_, output| MODEL.step(state, &increment_if_one(), Some(&output));
    assert_eq!(step(&state, told(true, &[Some(2)])), Some(map(&[('a', 2)])));
    assert_eq!(step(&state, told(true, &[Some(1)])), None);
    assert_eq!(step(&state, told(false, &[None])), None);
    for other in [
        map(&[('a', 2), ('c', 3)]),
        map(&[('a', 1), ('b', 7), ('c', 3)]),
        map(&[('a', 1)]),
    ] {
        let found = other.get(&'b').copied();
        let after = step(&other, told(false, &[found]));
        assert_eq!(after.as_ref(), Some(&other));
        assert_eq!(step(&other, told(true, &[Some(2)])), None);
    }
}

#[test]
fn an_answer_with_more_or_fewer_values_is_none() {
    let state = map(&[('a', 1), ('c', 3)]);
    for got in [&[][..], &[Some(2), Some(2)]] {
        let output = told(true, got);
        assert_eq!(MODEL.step(&state, &increment_if_one(), Some(&output)), None);
    }
}

#[test]
fn a_transaction_whose_answer_was_lost_takes_the_branch_that_the_state_says() {
    let state = map(&[('a', 1), ('c', 3)]);
    assert_eq!(
        MODEL.step(&state, &increment_if_one(), None),
        Some(map(&[('a', 2)]))
    );
    assert_eq!(
        MODEL.step(&map(&[]), &increment_if_one(), None),
        Some(map(&[]))
    );
}

#[test]
fn only_a_branch_of_gets_is_a_read() {
    let transaction = increment_if_one();
    assert!(!MODEL.is_read(&transaction, &told(true, &[Some(2)])));
    assert!(MODEL.is_read(&transaction, &told(false, &[None])));
}
