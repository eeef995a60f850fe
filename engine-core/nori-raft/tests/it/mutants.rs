//! Each rule broken on purpose is seen by the checker: the tests can fail.

use std::panic::catch_unwind;
use std::time::Duration;

use norikv_types::Mutant;

use crate::chaos::run;
use crate::checker::Violation;
use crate::cluster::{Cluster, Counts, Faults};

/// Seeds until the mutant is caught; how.
fn caught(mutant: Mutant) -> String {
    let _planted = mutant.plant();
    for seed in 0..400 {
        match catch_unwind(|| run(seed)) {
            Ok(Ok(_)) => {}
            Ok(Err(violation)) => return violation,
            Err(_) => return "an assertion inside the machine".into(),
        }
    }
    panic!("{mutant:?} lived through 400 seeds");
}

#[test]
fn a_second_vote_in_a_term_is_caught() {
    let violation = caught(Mutant::VotesTwice);
    assert!(violation.starts_with("vote once"), "{violation}");
}

#[test]
fn a_vote_said_before_it_is_durable_is_caught() {
    let violation = caught(Mutant::VoteNotDurable);
    assert!(violation.starts_with("durable votes"), "{violation}");
}

#[test]
fn entries_acknowledged_before_they_are_durable_are_caught() {
    let violation = caught(Mutant::AckBeforeDurable);
    assert!(violation.starts_with("durable entries"), "{violation}");
}

#[test]
fn an_old_term_committed_by_counting_is_caught() {
    let violation = caught(Mutant::CommitsOldTerm);
    assert!(violation.starts_with("commit"), "{violation}");
}

#[test]
fn a_vote_for_a_stale_log_is_caught() {
    caught(Mutant::NoLogCheck);
}

/// Acknowledgements come back late; then the leader is cut off, first its voice, then its ears.
fn slow_way_back(seed: u64) -> Result<Counts, Violation> {
    let way_back = Duration::from_millis(120);
    let faults = Faults {
        reply_delay: way_back,
        ..Faults::none()
    };
    let mut cluster = Cluster::new(seed, 3, faults);
    cluster.run(Duration::from_secs(2))?;
    let leader = cluster.leader().ok_or("liveness: no leader")?;
    cluster.mute(leader);
    cluster.faults = Faults::none();
    cluster.run(way_back)?;
    cluster.deafen(leader);
    cluster.run(Duration::from_millis(500))?;
    cluster.heal()?;
    cluster.check_alive()?;
    Ok(cluster.counts)
}

#[test]
fn a_lease_counted_from_receipt_is_caught() {
    let mut caught = 0;
    for seed in 0..50 {
        let sound = slow_way_back(seed);
        assert!(sound.is_ok(), "seed {seed}: {sound:?}");
        let _planted = Mutant::LeaseFromReceive.plant();
        if let Err(violation) = slow_way_back(seed) {
            assert!(violation.starts_with("stale read"), "{violation}");
            caught += 1;
        }
    }
    assert!(caught > 10, "caught in {caught} of 50 runs");
}
