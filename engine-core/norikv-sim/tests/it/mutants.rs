//! A broken rule of Raft is found: the checks can fail.

use core::time::Duration;

use nori_raft::Mutant;
use norikv_sim::{SimConfig, Weights, run};

#[expect(
    clippy::print_stdout,
    reason = "how many seeds it took is there to be read"
)]
/// Runs seeds until one breaks a promise of safety; says how many it took.
fn caught(mutant: Mutant, config: impl Fn(u64) -> SimConfig) {
    for seed in 1..=SEEDS_MAX {
        let mut config = config(seed);
        config.mutant = Some(mutant);
        let report = run(config);
        let Some(violation) = &report.violation else {
            continue;
        };
        // Standing still is no proof: slowness has many causes.
        if !violation.starts_with("not converged") {
            println!("{mutant:?} caught after {seed} seeds\n{report}");
            return;
        }
    }
    panic!("{mutant:?} survived {SEEDS_MAX} seeds");
}

#[test]
fn a_second_vote_in_a_term_is_caught() {
    caught(Mutant::VotesTwice, SimConfig::standard);
}

#[test]
fn a_vote_said_before_it_is_durable_is_caught() {
    caught(Mutant::VoteNotDurable, SimConfig::standard);
}

#[test]
fn an_acknowledgement_before_the_sync_is_caught() {
    caught(Mutant::AckBeforeDurable, SimConfig::standard);
}

#[test]
fn a_leader_without_all_committed_entries_is_caught() {
    caught(Mutant::NoLogCheck, SimConfig::standard);
}

/// Figure 8 of the paper needs short reigns, and a leader whose old entries travel before its own.
#[test]
fn an_entry_of_an_old_term_committed_by_counting_is_caught() {
    caught(Mutant::CommitsOldTerm, |seed| {
        let mut config = SimConfig::standard(seed);
        config.storage.append_bytes_max = 1;
        config.groups = 1;
        config.clients.count = 8;
        config.clients.think_max = Duration::from_millis(20);
        config.faults.pause_max = Duration::from_millis(400);
        config.faults.duration_max = Duration::from_millis(900);
        config.faults.weights = Weights {
            kill: 6,
            isolate: 10,
            one_way: 4,
            partition: 4,
            ..Weights::default()
        };
        config
    });
}

/// A leader that stood still while another was elected, and then believes answers that waited.
#[test]
fn a_lease_counted_from_the_receipt_is_caught() {
    caught(Mutant::LeaseFromReceive, |seed| {
        let mut config = SimConfig::standard(seed);
        config.groups = 1;
        config.clients.count = 16;
        config.clients.keys = 2;
        config.clients.think_max = Duration::from_millis(10);
        config.clients.patience = Duration::from_secs(3);
        config.network.delay.max = Duration::from_millis(40);
        config.faults.pause_max = Duration::from_millis(700);
        config.faults.duration_max = Duration::from_millis(1_500);
        config.faults.weights = Weights {
            pause: 10,
            ..Weights::default()
        };
        config
    });
}

const SEEDS_MAX: u64 = 2_000;
