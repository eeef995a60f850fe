//! The trace hash is a fingerprint: the same for the same run, another for any other.

use core::time::Duration;

use norikv_sim::{SimConfig, Simulation, run_seed};
use norikv_types::Mono;

fn hash_at(config: SimConfig, until: Duration) -> u64 {
    let mut world = Simulation::new(config);
    world.run_until(Mono::ZERO + until);
    assert_eq!(world.violation(), None);
    world.trace_hash()
}

/// Twenty seeds as every host prints them; `cargo test -- --nocapture` shows the lines.
#[test]
fn a_seed_gives_the_same_hash_each_time_and_no_two_seeds_share_one() {
    let mut hashes = Vec::new();
    for seed in 1..=20 {
        let (first, again) = (run_seed(seed), run_seed(seed));
        assert_eq!(first, again, "seed {seed}");
        println!("seed {seed} hash {:016x}", first.hash);
        hashes.push(first.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

#[test]
fn one_flipped_bit_of_one_message_changes_the_hash() {
    let until = Duration::from_secs(2);
    let whole = hash_at(SimConfig::calm(1, 3), until);
    for nth in [1, 10, 100] {
        let mut config = SimConfig::calm(1, 3);
        config.flip = Some(nth);
        assert_ne!(hash_at(config, until), whole, "message {nth}");
    }
    let mut config = SimConfig::calm(1, 3);
    config.flip = Some(u64::MAX);
    assert_eq!(hash_at(config, until), whole, "no such message");
}

#[test]
fn stepping_by_hand_and_looking_leave_the_same_trace_as_running() {
    let until = Mono::ZERO + Duration::from_secs(3);
    let ran = hash_at(SimConfig::calm(3, 5), Duration::from_secs(3));
    let mut world = Simulation::new(SimConfig::calm(3, 5));
    let mut views = 0;
    while world.next_at().is_some_and(|at| at <= until) {
        let step = world.step().expect("nothing was broken");
        if step.number.is_multiple_of(20) {
            views += u64::from(world.view().steps == step.number);
        }
    }
    assert!(views > 10);
    assert_eq!(world.trace_hash(), ran);
}
