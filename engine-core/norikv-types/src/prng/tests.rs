use super::*;

#[test]
fn the_first_draws_of_seed_1_never_change() {
    let mut prng = Prng::new(1);
    let drawn = [
        prng.next_u64(),
        prng.next_u64(),
        prng.below(10),
        prng.below(1_000),
    ];
    assert_eq!(
        drawn,
        [
            14_971_601_782_005_023_387,
            13_781_649_495_232_077_965,
            1,
            746
        ]
    );
}

#[test]
fn durations_stay_within_their_bounds() {
    let mut prng = Prng::new(7);
    let (min, max) = (Duration::from_millis(300), Duration::from_millis(600));
    for _ in 0..10_000 {
        let drawn = prng.duration(min, max);
        assert!((min..=max).contains(&drawn));
    }
}

#[test]
fn a_shuffle_keeps_every_item() {
    let mut prng = Prng::new(3);
    let mut items: [u8; 16] = core::array::from_fn(|i| u8::try_from(i).unwrap());
    prng.shuffle(&mut items);
    assert!(
        items.windows(2).any(|w| w[0] > w[1]),
        "seed 3 does not draw the identity"
    );
    items.sort_unstable();
    assert!(
        items
            .iter()
            .enumerate()
            .all(|(i, item)| usize::from(*item) == i)
    );
}
