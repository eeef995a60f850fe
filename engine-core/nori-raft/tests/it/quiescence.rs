//! The sleep of a group with nothing to do, one rule a test.

use std::time::Duration;

use nori_raft::{
    AppendOutcome, Body, Input, Message, Output, Quiesce, ReadMode, Refusal, Restored, Role,
};
use norikv_types::{LogIndex, Mutant, NodeId, Term};

use crate::bench::{
    Bench, accepted, append, appends_to, applied, at, granted, rejected, reply, sent,
};
use crate::checker::Violation;
use crate::cluster::{Cluster, Counts, Faults};

const AFTER: Duration = Duration::from_millis(100);

/// Node 1 of three, new, that may sleep.
fn fresh() -> Bench {
    Bench::build(3, Restored::fresh(), |config| {
        config.quiesce_after = Some(AFTER);
    })
}

/// It leads; its no-op is everywhere, committed and applied.
fn settled_leader() -> Bench {
    let mut bench = fresh();
    bench.lead();
    for peer in [2, 3] {
        bench.receive(peer, 1, accepted(1, 1, 1));
    }
    bench.input(Input::Applied(LogIndex(1)));
    bench
}

/// Who was asked to sleep, and in which round.
fn asked(outputs: &[Output]) -> Vec<(u64, u64)> {
    let asked = sent(outputs).into_iter();
    asked
        .filter_map(|(to, message)| match &message.body {
            Body::Quiesce(quiesce) => Some((to, quiesce.round)),
            _ => None,
        })
        .collect()
}

/// Heartbeats pass, answered by both peers, until the leader asks; the round.
fn until_asked(bench: &mut Bench) -> u64 {
    for _ in 0..10 {
        let outputs = bench.time_out();
        if let [(2, round), (3, again)] = asked(&outputs)[..] {
            assert_eq!(round, again);
            return round;
        }
        let (_, _, round) = appends_to(&outputs, 2)[0];
        for peer in [2, 3] {
            bench.receive(peer, 1, accepted(round, 1, 1));
        }
    }
    panic!("it never asked");
}

fn asleep() -> (Bench, u64) {
    let mut bench = settled_leader();
    let round = until_asked(&mut bench);
    for peer in [2, 3] {
        bench.receive(peer, 1, accepted(round, 1, 1));
        bench.receive(peer, 1, Body::QuiesceReply { round });
    }
    assert!(bench.raft.is_quiescent());
    (bench, round)
}

fn quiesce(term: u64, index: u64, round: u64) -> Body {
    Body::Quiesce(Quiesce {
        at: at(term, index),
        round,
    })
}

/// A follower of node 2 in term 1 with two entries, all applied.
fn settled_follower() -> Bench {
    let mut bench = fresh();
    bench.receive(2, 1, append((0, 0), &[1, 1], 2, 3));
    let outputs = bench.all_durable();
    assert_eq!(applied(&outputs), [1, 2]);
    bench.input(Input::Applied(LogIndex(2)));
    bench
}

fn agrees(outputs: &[Output]) -> bool {
    let mut said = sent(outputs).into_iter();
    said.any(|(_, message)| matches!(message.body, Body::QuiesceReply { .. }))
}

fn sleeping_follower() -> Bench {
    let mut bench = settled_follower();
    assert!(agrees(&bench.receive(2, 1, quiesce(1, 2, 4))));
    assert!(bench.raft.is_quiescent());
    bench
}

#[test]
fn a_leader_with_nothing_to_do_asks_and_sleeps_once_all_agreed() {
    let mut bench = settled_leader();
    let round = until_asked(&mut bench);
    bench.receive(2, 1, Body::QuiesceReply { round });
    assert!(!bench.raft.is_quiescent(), "one has not agreed");
    bench.receive(2, 1, Body::QuiesceReply { round });
    assert!(!bench.raft.is_quiescent(), "the same one twice is one");
    bench.receive(3, 1, Body::QuiesceReply { round });
    assert!(bench.raft.is_quiescent());
    assert_eq!(bench.raft.role(), Role::Leader);
    assert_eq!(bench.raft.poll_timeout(), None);
    bench.wait(3_600_000);
    assert_eq!(bench.input(Input::Timeout), [], "a timer that was late");
}

#[test]
fn one_who_is_not_told_to_never_sleeps() {
    let mut bench = Bench::leader(3);
    for round in 1..100 {
        for peer in [2, 3] {
            bench.receive(peer, 1, accepted(round, 1, 1));
        }
        assert_eq!(asked(&bench.time_out()), []);
    }
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let mut bench = settled_leader();
    let first = until_asked(&mut bench);
    bench.receive(2, 1, Body::QuiesceReply { round: first });
    bench.receive(2, 1, accepted(first, 1, 1));
    bench.receive(3, 1, accepted(first, 1, 1));
    let again = until_asked(&mut bench);
    assert!(again > first);
    bench.receive(3, 1, Body::QuiesceReply { round: first });
    bench.receive(3, 1, Body::QuiesceReply { round: again });
    assert!(!bench.raft.is_quiescent(), "node 2 agreed to another round");
    bench.receive(2, 1, Body::QuiesceReply { round: again });
    assert!(bench.raft.is_quiescent());
}

/// A follower lacks the last entry while the other commits it; is it put to sleep?
fn asks_a_follower_that_lags() -> bool {
    let mut bench = settled_leader();
    bench.propose(1);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 2, 2));
    bench.input(Input::Applied(LogIndex(2)));
    for _ in 0..20 {
        let outputs = bench.time_out();
        if !asked(&outputs).is_empty() {
            return true;
        }
        let (_, _, round) = appends_to(&outputs, 2)[0];
        bench.receive(2, 1, accepted(round, 2, 2));
        bench.receive(3, 1, accepted(round, 1, 1));
    }
    false
}

#[test]
fn a_group_with_a_follower_that_lags_stays_awake() {
    assert!(!asks_a_follower_that_lags());
    let _planted = Mutant::SleepsWhileBehind.plant();
    assert!(asks_a_follower_that_lags());
}

#[test]
fn whoever_asks_for_something_keeps_the_leader_awake() {
    let mut bench = settled_leader();
    let round = until_asked(&mut bench);
    bench.receive(2, 1, Body::QuiesceReply { round });
    bench.propose(7);
    bench.receive(3, 1, Body::QuiesceReply { round });
    assert!(!bench.raft.is_quiescent());

    let mut bench = settled_leader();
    let round = until_asked(&mut bench);
    bench.receive(2, 1, Body::QuiesceReply { round });
    bench.read(1, ReadMode::Linearizable);
    bench.receive(3, 1, Body::QuiesceReply { round });
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn a_proposal_wakes_the_leader_and_reaches_the_followers_in_a_later_round() {
    let (mut bench, round) = asleep();
    bench.wait(60_000);
    let outputs = bench.propose(1);
    assert!(!bench.raft.is_quiescent());
    for peer in [2, 3] {
        let appends = appends_to(&outputs, peer);
        assert!(
            appends.iter().any(|append| append.1 == 1),
            "the entry: {appends:?}"
        );
        assert!(
            appends.iter().all(|append| append.2 > round),
            "a later round"
        );
    }
    assert!(bench.raft.poll_timeout().is_some());
}

#[test]
fn a_leader_that_woke_gives_its_peers_time_to_answer() {
    let (mut bench, _) = asleep();
    bench.wait(60_000);
    bench.propose(1);
    let woke = bench.now;
    while bench.now < woke + bench.config.election_timeout_min {
        bench.time_out();
        assert_eq!(bench.raft.role(), Role::Leader, "at {}", bench.now);
    }
    for _ in 0..8 {
        if bench.raft.role() == Role::Leader {
            bench.time_out();
        }
    }
    assert_ne!(bench.raft.role(), Role::Leader, "check-quorum holds again");
}

/// It slept for long, others elected another; then it is asked for a read under its lease.
fn a_lease_read_after_sleep() -> bool {
    let (mut bench, _) = asleep();
    bench.wait(60_000);
    let outputs = bench.read(1, ReadMode::Lease);
    let ready = |output: &Output| matches!(output, Output::ReadReady { .. });
    outputs.iter().any(ready)
}

#[test]
fn a_leader_that_slept_has_no_lease() {
    let (bench, _) = asleep();
    assert_eq!(bench.raft.status().lease_until, None);
    assert!(!a_lease_read_after_sleep());
    let _planted = Mutant::LeaseWhileAsleep.plant();
    assert!(a_lease_read_after_sleep());
}

#[test]
fn an_answer_that_comes_late_neither_wakes_the_leader_nor_gives_it_a_lease() {
    let (mut bench, round) = asleep();
    for body in [accepted(round, 1, 1), Body::QuiesceReply { round }] {
        assert_eq!(bench.receive(2, 1, body), []);
    }
    assert!(bench.raft.is_quiescent());
    assert_eq!(bench.raft.status().lease_until, None);
}

#[test]
fn a_candidate_wakes_the_leader_which_says_that_it_is_there() {
    let (mut bench, _) = asleep();
    bench.wait(60_000);
    let last = at(1, 1);
    let outputs = bench.receive(
        2,
        1,
        Body::PreVote {
            campaign: Term(2),
            last,
        },
    );
    assert_eq!(granted(&outputs), None);
    assert_eq!(appends_to(&outputs, 2).len(), 1);
    assert_eq!(appends_to(&outputs, 3).len(), 1);
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn a_later_term_wakes_a_leader_for_good() {
    let (mut bench, _) = asleep();
    bench.receive(3, 2, Body::VoteReply { granted: false });
    assert_eq!(bench.raft.role(), Role::Follower);
    assert!(!bench.raft.is_quiescent());
    assert!(bench.raft.poll_timeout().is_some());
}

#[test]
fn a_follower_agrees_and_stops_its_clock() {
    let mut bench = sleeping_follower();
    assert_eq!(bench.raft.poll_timeout(), None);
    bench.wait(3_600_000);
    assert_eq!(bench.input(Input::Timeout), []);
    assert_eq!(bench.raft.role(), Role::Follower);
    assert_eq!(bench.raft.leader(), Some(NodeId(2)));
}

#[test]
fn a_follower_in_which_something_is_under_way_stays_awake() {
    let undurable = {
        let mut bench = fresh();
        bench.receive(2, 1, append((0, 0), &[1, 1], 2, 3));
        bench
    };
    let unapplied = {
        let mut bench = fresh();
        bench.receive(2, 1, append((0, 0), &[1, 1], 2, 3));
        bench.all_durable();
        bench
    };
    for mut bench in [undurable, unapplied] {
        assert!(!agrees(&bench.receive(2, 1, quiesce(1, 2, 4))));
        assert!(!bench.raft.is_quiescent());
    }
}

#[test]
fn a_follower_that_lacks_entries_says_so_and_stays_awake() {
    let mut bench = settled_follower();
    let outputs = bench.receive(2, 1, quiesce(1, 3, 4));
    assert!(!agrees(&outputs));
    let Some(AppendOutcome::Rejected { prev_index, .. }) = reply(&outputs) else {
        panic!("{outputs:?}")
    };
    assert_eq!(prev_index, LogIndex(3));
    assert!(bench.raft.poll_timeout().is_some());
}

#[test]
fn the_word_is_a_heartbeat_that_commits() {
    let mut bench = fresh();
    bench.receive(2, 1, append((0, 0), &[1, 1], 1, 3));
    bench.all_durable();
    bench.input(Input::Applied(LogIndex(1)));
    let outputs = bench.receive(2, 1, quiesce(1, 2, 4));
    assert_eq!(applied(&outputs), [2]);
    assert!(!agrees(&outputs), "entry 2 is not applied yet");
    bench.input(Input::Applied(LogIndex(2)));
    assert!(agrees(&bench.receive(2, 1, quiesce(1, 2, 5))));
}

#[test]
fn what_a_leader_said_before_does_not_wake_and_what_it_says_after_does() {
    let mut bench = sleeping_follower();
    bench.receive(2, 1, append((1, 2), &[], 2, 3));
    assert!(bench.raft.is_quiescent(), "a heartbeat from before");
    bench.receive(2, 1, append((1, 1), &[1], 2, 3));
    assert!(bench.raft.is_quiescent(), "an entry from before");
    bench.receive(2, 1, append((1, 2), &[], 2, 5));
    assert!(!bench.raft.is_quiescent(), "a later round");
    assert!(bench.raft.poll_timeout().is_some());
}

#[test]
fn an_entry_in_the_round_that_asked_wakes() {
    let mut bench = sleeping_follower();
    bench.receive(2, 1, append((1, 2), &[1], 2, 4));
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn the_word_that_was_overtaken_by_a_later_round_is_void() {
    let mut bench = settled_follower();
    bench.receive(2, 1, append((1, 2), &[], 2, 5));
    assert!(!agrees(&bench.receive(2, 1, quiesce(1, 2, 4))));
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn the_word_of_a_leader_of_an_earlier_term_is_answered_with_the_newer_term() {
    let mut bench = settled_follower();
    bench.receive(3, 2, append((1, 2), &[], 2, 1));
    bench.all_durable();
    let outputs = bench.receive(2, 1, quiesce(1, 2, 9));
    assert_eq!(reply(&outputs), Some(AppendOutcome::Outdated));
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn a_sleeping_follower_votes_when_asked() {
    let mut bench = sleeping_follower();
    bench.wait(1_000);
    let body = Body::PreVote {
        campaign: Term(2),
        last: at(1, 2),
    };
    assert_eq!(granted(&bench.receive(3, 1, body)), Some(true));
    assert!(!bench.raft.is_quiescent());
    assert!(bench.raft.poll_timeout().is_some());
}

#[test]
fn a_follower_is_woken_by_its_host_and_campaigns() {
    let mut bench = sleeping_follower();
    bench.wait(60_000);
    let heard = bench.now - Duration::from_millis(50);
    bench.input(Input::Wake { heard });
    let deadline = bench.raft.poll_timeout().unwrap();
    assert!(deadline >= heard + bench.config.election_timeout_min);
    assert!(deadline <= heard + bench.config.election_timeout_max);
    bench.time_out();
    assert_eq!(bench.raft.role(), Role::PreCandidate);
}

#[test]
fn a_host_that_wakes_an_awake_replica_changes_nothing() {
    let mut bench = settled_follower();
    let deadline = bench.raft.poll_timeout();
    assert_eq!(bench.input(Input::Wake { heard: bench.now }), []);
    assert_eq!(bench.raft.poll_timeout(), deadline);
}

#[test]
fn a_leader_woken_by_its_host_sends_at_once() {
    let (mut bench, round) = asleep();
    let outputs = bench.input(Input::Wake { heard: bench.now });
    assert_eq!(appends_to(&outputs, 2), [(1, 0, round + 1)]);
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn the_connection_to_its_leader_lost_wakes_a_follower_and_to_another_does_not() {
    let mut bench = sleeping_follower();
    bench.input(Input::Unreachable(NodeId(3)));
    assert!(bench.raft.is_quiescent());
    bench.input(Input::Unreachable(NodeId(2)));
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn a_request_wakes_a_follower_that_refuses_it() {
    let mut bench = sleeping_follower();
    let outputs = bench.read(1, ReadMode::Linearizable);
    let refused = |output: &Output| {
        matches!(
            output,
            Output::ReadRefused {
                reason: Refusal::NotLeader,
                ..
            }
        )
    };
    assert!(outputs.iter().any(refused));
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn a_leader_that_refuses_to_believe_a_follower_asks_no_more() {
    let mut bench = settled_leader();
    let round = until_asked(&mut bench);
    bench.receive(2, 1, Body::QuiesceReply { round });
    bench.input(Input::Unreachable(NodeId(2)));
    bench.receive(3, 1, Body::QuiesceReply { round });
    assert!(!bench.raft.is_quiescent(), "node 2 is probed");
    bench.receive(2, 1, rejected(round, 1, (0, 0)));
    assert!(!bench.raft.is_quiescent());
}

#[test]
fn agreement_to_a_round_that_has_not_begun_is_misuse() {
    let mut bench = settled_leader();
    let message = Message {
        term: Term(1),
        body: Body::QuiesceReply { round: 99 },
    };
    let from = NodeId(2);
    let refused = bench.try_input(Input::Receive { from, message });
    assert!(refused.is_err(), "{refused:?}");
}

/// All sleep; then the leader is cut off, another is elected and takes writes, and clients ask both.
fn cut_off_asleep(seed: u64) -> Result<Counts, Violation> {
    let mut faults = Faults::none();
    faults.quiesce_after = Some(Duration::from_millis(60));
    let mut cluster = Cluster::new(seed, 3, faults);
    cluster.run(Duration::from_secs(1))?;
    for _ in 0..400 {
        cluster.run(Duration::from_millis(10))?;
        if cluster.all_asleep() {
            break;
        }
    }
    let leader = cluster.leader().ok_or("liveness: no leader")?;
    if !cluster.all_asleep() {
        return Err("liveness: never asleep".into());
    }
    cluster.mute(leader);
    cluster.deafen(leader);
    cluster.run(Duration::from_secs(4))?;
    cluster.heal()?;
    cluster.check_alive()?;
    Ok(cluster.counts)
}

#[test]
fn a_leader_cut_off_asleep_serves_nothing_stale() {
    let mut caught = 0;
    for seed in 0..30 {
        let sound = cut_off_asleep(seed);
        assert!(sound.is_ok(), "seed {seed}: {sound:?}");
        let _planted = Mutant::LeaseWhileAsleep.plant();
        if let Err(violation) = cut_off_asleep(seed) {
            assert!(violation.starts_with("stale read"), "{violation}");
            caught += 1;
        }
    }
    assert!(caught > 5, "caught in {caught} of 30 runs");
}
