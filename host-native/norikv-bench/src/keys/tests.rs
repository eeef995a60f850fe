use std::collections::BTreeSet;

use super::{Choice, gather, scatter, write_key};

fn key(index: u64, bytes: usize) -> String {
    let mut key = vec![0; bytes];
    write_key(index, &mut key);
    String::from_utf8(key).expect("digits")
}

#[test]
fn the_keys_of_two_indexes_differ_and_have_the_asked_length() {
    for bytes in [16, 20, 64] {
        let keys: BTreeSet<_> = (0..10_000).map(|index| key(index, bytes)).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().all(|key| key.len() == bytes));
    }
}

#[test]
fn the_first_sixteen_digits_are_the_scattered_index() {
    for index in [0, 1, 2, 1_000_000, u64::MAX] {
        assert_eq!(key(index, 16), format!("{:016x}", scatter(index)));
        assert!(key(index, 64).starts_with(&key(index, 16)));
    }
}

#[test]
fn key_zero_is_what_it_always_was() {
    // SplitMix64 seeded with 0 begins with this number.
    assert_eq!(key(0, 16), "e220a8397b1dcdaf");
}

#[test]
fn a_seed_draws_the_same_indexes_again_and_another_seed_others() {
    let draws = |mut choice: Choice| (0..100).map(|_| choice.draw()).collect::<Vec<_>>();
    let uniform = |seed| draws(Choice::uniform(1_000, seed));
    assert_eq!(uniform(7), uniform(7));
    assert_ne!(uniform(7), uniform(8));
    let zipf = |seed| draws(Choice::zipf(1_000, 0.99, seed));
    assert_eq!(zipf(7), zipf(7));
    assert_ne!(zipf(7), zipf(8));
    assert_ne!(zipf(7), uniform(7));
}

#[test]
fn uniform_draws_stay_below_the_count_and_reach_every_index_equally() {
    let mut seen = [0_u32; 10];
    let mut choice = Choice::uniform(10, 1);
    for _ in 0..100_000 {
        seen[usize::try_from(choice.draw()).expect("small")] += 1;
    }
    // Standard deviation: 95.
    assert!(
        seen.iter().all(|count| count.abs_diff(10_000) < 500),
        "{seen:?}"
    );
}

#[test]
fn zipf_draws_follow_the_law_for_the_first_ranks_and_stay_below_the_count() {
    let (count, theta, draws) = (1_000_u64, 0.99, 200_000);
    let mut choice = Choice::zipf(count, theta, 3);
    let mut seen = vec![0_u32; 1_000];
    for _ in 0..draws {
        seen[usize::try_from(choice.draw()).expect("small")] += 1;
    }
    let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-theta)).sum();
    for rank in [1_u32, 2] {
        let expected = f64::from(draws) * f64::from(rank).powf(-theta) / zeta;
        let got = f64::from(seen[rank as usize - 1]);
        assert!(
            (got / expected - 1.0).abs() < 0.05,
            "rank {rank}: {got}, not {expected}"
        );
    }
    // Half of the draws fall on a few of the indexes.
    let hot: u32 = seen.iter().take(30).sum();
    assert!(hot > draws / 2 && hot < draws, "{hot}");
}

#[test]
fn what_is_scattered_is_gathered_again() {
    for index in (0..64).map(|bit| 1_u64 << bit).chain(0..1_000) {
        assert_eq!(gather(scatter(index)), index);
        assert_eq!(gather(scatter(!index)), !index);
    }
}
