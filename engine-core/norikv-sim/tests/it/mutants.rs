//! A broken rule of Raft is found: the checks can fail.
//!
//! Two mutants are not here, since the swarm does not find them within hundreds of seeds:
//! `CommitsOldTerm` (figure 8 of the paper needs a leader to die between its old entries and its
//! own) and `LeaseFromReceive` (a leader has to stand still with answers on their way).

use norikv_sim::{SimConfig, run};
use norikv_types::Mutant;

#[expect(
    clippy::print_stdout,
    reason = "how many seeds it took is there to be read"
)]
/// Runs seeds until one breaks a promise of safety; says how many it took.
fn caught(mutant: Mutant) {
    for seed in 1..=SEEDS_MAX {
        let planted = mutant.plant();
        let report = run(SimConfig::standard(seed));
        drop(planted);
        let Some(violation) = &report.violation else {
            continue;
        };
        // Standing still and a disk that cannot be read prove nothing about votes and logs.
        if !violation.to_string().starts_with("not converged")
            && !violation.contains("does not open")
        {
            println!("{mutant:?} caught after {seed} seeds\n{report}");
            return;
        }
    }
    panic!("{mutant:?} survived {SEEDS_MAX} seeds");
}

#[test]
fn a_second_vote_in_a_term_is_caught() {
    caught(Mutant::VotesTwice);
}

#[test]
fn a_vote_said_before_it_is_durable_is_caught() {
    caught(Mutant::VoteNotDurable);
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    caught(Mutant::AckBeforeDurable);
}

#[test]
fn a_leader_without_all_committed_entries_is_caught() {
    caught(Mutant::NoLogCheck);
}

const SEEDS_MAX: u64 = 100;
