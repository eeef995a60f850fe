//! A run that breaks a promise is made small, and still breaks it.

use norikv_sim::{Goal, Minimised, SimConfig, minimise, run};
use norikv_types::Mutant;

/// The first drawn run of hundreds of entries that the planted mutant breaks.
fn failing() -> SimConfig {
    let broken = |config: &SimConfig| Goal::of(config).is_some();
    let runs = (1..100).map(|seed| SimConfig::drawn(seed, 3, 6_000));
    let large = |config: &SimConfig| config.plan.len() > 300;
    let mut broken_runs = runs.filter(large).filter(broken);
    broken_runs
        .next()
        .expect("a second vote shows within seeds")
}

fn made_small(config: &SimConfig, mut patience: usize) -> Minimised {
    let goal = Goal::of(config).expect("it breaks a promise");
    minimise(config, &mut |candidates| {
        let few = candidates.len().min(patience);
        patience -= few;
        candidates[..few].iter().position(|run| goal.is_met_by(run))
    })
}

#[test]
fn hundreds_of_entries_become_a_few_that_break_the_same_promise() {
    let planted = Mutant::VotesTwice.plant();
    let config = failing();
    let before = run(config.clone()).violation.expect("it fails");
    let small = made_small(&config, usize::MAX);
    let after = run(small.config.clone()).violation.expect("it still fails");
    drop(planted);
    assert_eq!(after.name(), before.name());
    assert!(small.config.plan.len() <= 50, "{:#?}", small.config.plan);
    assert!(small.tried > 0);
    let sound = run(small.config);
    assert_eq!(sound.violation, None, "without the mutant it passes");
}

#[test]
fn without_patience_it_stays_as_it_is() {
    let _planted = Mutant::VotesTwice.plant();
    let config = failing();
    assert_eq!(made_small(&config, 0).config, config);
}
