use alloc::collections::BTreeSet;

use norikv_types::Prng;

use super::*;

#[test]
fn a_set_is_told_alike_however_it_came_about() {
    let mut prng = Prng::new(1);
    let required = |nth: u32| !nth.is_multiple_of(3);
    let mut wandering = Done::new((0..400).map(required));
    let mut now = BTreeSet::new();
    for _ in 0..20_000 {
        // Mostly low operations, so that full words come and go.
        let bound = 1 + prng.below(400);
        let nth = u32::try_from(prng.below(bound)).unwrap();
        if now.remove(&nth) {
            wandering.clear(nth);
        } else {
            now.insert(nth);
            wandering.set(nth);
        }
        let mut fresh = Done::new((0..400).map(required));
        for &nth in &now {
            fresh.set(nth);
        }
        assert_eq!(wandering.required(), fresh.required());
        assert_eq!(wandering.optional(), fresh.optional());
    }
}

#[test]
fn a_subset_lacks_nothing_of_the_other() {
    for pad in [0, 5] {
        let words =
            |low: u64| Words::new(&[low].into_iter().chain(vec![0; pad]).collect::<Vec<_>>());
        assert!(words(0b010).is_subset(&words(0b110)));
        assert!(words(0b110).is_subset(&words(0b110)));
        assert!(!words(0b110).is_subset(&words(0b010)));
        assert!(!words(0b001).is_subset(&words(0b110)));
    }
}
