//! Each rule broken on purpose is seen by the checker: the tests can fail.

mod membership;

use std::panic::catch_unwind;
use std::time::Duration;

use nori_raft::{AppendOutcome, Body, Input, Output, ReadMode, Role};
use norikv_types::{LogIndex, Mutant, NodeId, Term};

use crate::bench::{Bench, accepted, append, installed, reply, snapshot};
use crate::chaos::{Members, run};
use crate::checker::Violation;
use crate::cluster::{Cluster, Counts, Faults};

/// Seeds until the mutant is caught; how.
fn caught(mutant: Mutant) -> String {
    caught_in(mutant, Members::Stay)
}

fn caught_in(mutant: Mutant, members: Members) -> String {
    let _planted = mutant.plant();
    for seed in 0..400 {
        match catch_unwind(|| run(seed, members)) {
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

/// A vote for the candidacy in term 1 reaches the candidate of term 2.
fn role_after_an_old_vote() -> Role {
    let mut bench = Bench::fresh(3);
    for term in 1..=2 {
        bench.time_out();
        let yes = Body::PreVoteReply {
            campaign: Term(term),
            granted: true,
        };
        bench.receive(2, term - 1, yes);
        bench.all_durable();
    }
    bench.receive(3, 1, Body::VoteReply { granted: true });
    bench.raft.role()
}

#[test]
fn a_vote_of_an_earlier_term_that_counts_is_caught() {
    assert_eq!(role_after_an_old_vote(), Role::Candidate);
    let _planted = Mutant::CountsOldVotes.plant();
    assert_eq!(role_after_an_old_vote(), Role::Leader);
}

/// Its log was cut since the peer acknowledged it in term 1; now it leads in term 3.
fn committed_after_an_old_acknowledgement() -> u64 {
    let mut bench = Bench::leader(3);
    for number in 1..=3 {
        bench.propose(number);
    }
    bench.all_durable();
    bench.receive(2, 2, append((1, 1), &[2], 0, 1));
    bench.all_durable();
    bench.lead();
    bench.receive(3, 1, accepted(1, 4, 4));
    bench.commit_index()
}

#[test]
fn an_acknowledgement_of_an_earlier_term_that_counts_is_caught() {
    assert_eq!(committed_after_an_old_acknowledgement(), 0);
    let _planted = Mutant::AckWithoutTermCheck.plant();
    assert_eq!(committed_after_an_old_acknowledgement(), 3);
}

/// Entries whose write is under way are replaced by another leader's; then that first write ends.
fn acknowledged_after_a_late_write() -> Option<AppendOutcome> {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1, 1], 0, 1));
    bench.receive(3, 2, append((0, 0), &[], 0, 1));
    bench.receive(3, 2, append((0, 0), &[2, 2], 0, 2));
    assert_eq!(bench.writes.len(), 3);
    for _ in 0..2 {
        let write = bench.writes.remove(0);
        bench.input(Input::Durable(write));
    }
    reply(&bench.receive(3, 2, append((0, 0), &[], 0, 3)))
}

#[test]
fn a_late_write_that_counts_for_what_replaced_it_is_caught() {
    let says = |match_index| {
        Some(AppendOutcome::Accepted {
            match_index: LogIndex(match_index),
            received_index: LogIndex(2),
            installing: None,
        })
    };
    assert_eq!(acknowledged_after_a_late_write(), says(0));
    let _planted = Mutant::CutWritesCount.plant();
    assert_eq!(acknowledged_after_a_late_write(), says(2));
}

/// A read comes while a round is under way; how many are ready when that is answered?
fn ready_by_the_round_before() -> usize {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    bench.time_out();
    bench.read(1, ReadMode::Linearizable);
    let outputs = bench.receive(2, 1, accepted(2, 1, 1));
    let ready = |output: &&Output| matches!(output, Output::ReadReady { .. });
    outputs.iter().filter(ready).count()
}

#[test]
fn a_read_that_joins_a_round_under_way_is_caught() {
    assert_eq!(ready_by_the_round_before(), 0);
    let _planted = Mutant::ReadJoinsRoundUnderWay.plant();
    assert_eq!(ready_by_the_round_before(), 1);
}

/// A snapshot of its first two entries comes to a follower that has three.
fn log_end_behind_a_snapshot() -> (u64, u64) {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1, 1, 1], 0, 1));
    bench.all_durable();
    let (from, term, snapshot) = (NodeId(2), Term(1), snapshot(1, 2));
    bench.input(Input::SnapshotReceived {
        from,
        term,
        snapshot,
    });
    bench.input(installed(snapshot));
    bench.log_end()
}

#[test]
fn entries_dropped_behind_a_snapshot_are_caught() {
    assert_eq!(log_end_behind_a_snapshot(), (1, 3));
    let _planted = Mutant::SnapshotDropsTail.plant();
    assert_eq!(log_end_behind_a_snapshot(), (1, 2));
}
