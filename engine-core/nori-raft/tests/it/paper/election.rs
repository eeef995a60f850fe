//! Raft §5.1, §5.2, §5.4.1; dissertation §4.2.3, §6.2, §9.6.

use nori_raft::{Body, Output, Restored, Role};
use norikv_types::{Mutant, NodeId, Term};

use crate::bench::{Bench, accepted, append, at, granted, hard_state, sent};

fn vote(last: (u64, u64)) -> Body {
    Body::Vote {
        last: at(last.0, last.1),
    }
}

/// §5.2: "If a follower receives no communication over a period of time called the election
/// timeout, then it … begins an election"; §9.6: by asking first, without a new term.
#[test]
fn a_follower_that_hears_nothing_asks_whether_it_could_win() {
    let mut bench = Bench::fresh(3);
    let outputs = bench.time_out();
    assert_eq!(bench.raft.role(), Role::PreCandidate);
    assert_eq!(bench.raft.term(), Term(0));
    let asked: Vec<u64> = sent(&outputs).iter().map(|(to, _)| *to).collect();
    assert_eq!(asked, [2, 3]);
}

/// §5.2: "randomized election timeouts", within the bounds that were set.
#[test]
fn election_timeouts_are_random_within_their_bounds() {
    let mut deadlines = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let bench = Bench::build(3, Restored::fresh(), |config| config.seed = seed);
        let deadline = bench.raft.poll_timeout().unwrap();
        let wait = deadline.since(norikv_types::Mono::ZERO);
        assert!(wait >= bench.config.election_timeout_min);
        assert!(wait <= bench.config.election_timeout_max);
        deadlines.insert(deadline);
    }
    assert!(deadlines.len() > 40, "{deadlines:?}");
}

/// §5.2: "To begin an election, a follower increments its current term and transitions to candidate
/// state. It then votes for itself".
#[test]
fn a_majority_of_pre_votes_starts_a_campaign_in_the_next_term() {
    let mut bench = Bench::fresh(5);
    bench.time_out();
    let yes = Body::PreVoteReply {
        campaign: Term(1),
        granted: true,
    };
    bench.receive(2, 0, yes.clone());
    bench.receive(2, 0, yes.clone());
    assert_eq!(
        bench.raft.role(),
        Role::PreCandidate,
        "one voter counts once"
    );
    bench.receive(3, 0, yes);
    assert_eq!(bench.raft.role(), Role::Candidate);
    assert_eq!(bench.raft.term(), Term(1));
    assert_eq!(bench.raft.status().voted_for, Some(NodeId(1)));
}

/// §9.6: a candidate that could not win disturbs nobody.
#[test]
fn a_majority_of_refusals_ends_the_attempt_without_a_new_term() {
    let mut bench = Bench::fresh(3);
    bench.time_out();
    let no = Body::PreVoteReply {
        campaign: Term(1),
        granted: false,
    };
    bench.receive(2, 0, no.clone());
    bench.receive(3, 0, no);
    assert_eq!(bench.raft.role(), Role::Follower);
    assert_eq!(bench.raft.term(), Term(0));
}

/// §5.2: "A candidate wins an election if it receives votes from a majority of the servers".
#[test]
fn a_candidate_with_a_majority_leads_and_opens_its_term_with_a_no_op() {
    let bench = Bench::leader(5);
    assert_eq!(bench.log_end(), (1, 1));
    assert_eq!(bench.raft.leader(), Some(NodeId(1)));
}

/// §5.2: "Each server will vote for at most one candidate in a given term, on a
/// first-come-first-served basis".
#[test]
fn a_second_candidate_in_a_term_is_refused() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, vote((0, 0)));
    assert_eq!(granted(&bench.all_durable()), Some(true));
    assert_eq!(granted(&bench.receive(3, 1, vote((0, 0)))), Some(false));
    assert_eq!(
        granted(&bench.receive(2, 1, vote((0, 0)))),
        Some(true),
        "again"
    );
}

/// Figure 2: `votedFor` is persistent state.
#[test]
fn a_vote_is_remembered_over_a_restart() {
    let mut restored = Restored::fresh();
    restored.hard_state = hard_state(4, Some(2));
    restored.fresh = false;
    let mut bench = Bench::restored(3, restored);
    bench.wait(300);
    assert_eq!(granted(&bench.receive(3, 4, vote((0, 0)))), Some(false));
    assert_eq!(granted(&bench.receive(2, 4, vote((0, 0)))), Some(true));
}

/// §5.4.1: "If the logs have last entries with different terms, then the log with the later term is
/// more up-to-date."
#[test]
fn a_candidate_whose_last_term_is_earlier_is_refused_however_long_its_log() {
    let mut bench = Bench::with_log(3, &[1, 2]);
    bench.receive(2, 3, vote((1, 9)));
    assert_eq!(granted(&bench.all_durable()), Some(false));
}

/// §5.4.1: "If the logs end with the same term, then whichever log is longer is more up-to-date."
#[test]
fn a_candidate_whose_log_is_shorter_in_the_same_term_is_refused() {
    let mut bench = Bench::with_log(3, &[1, 1]);
    bench.receive(2, 2, vote((1, 1)));
    assert_eq!(granted(&bench.all_durable()), Some(false));
    bench.receive(3, 2, vote((1, 2)));
    assert_eq!(bench.raft.status().voted_for, Some(NodeId(3)));
}

/// The mutant that the two tests above must see.
#[test]
fn the_mutant_without_a_log_check_votes_for_a_stale_log() {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state = hard_state(2, None);
    restored.entries = crate::bench::entries(1, &[1, 2]);
    let _planted = Mutant::NoLogCheck.plant();
    let mut bench = Bench::restored(3, restored);
    bench.wait(300);
    bench.receive(2, 3, vote((1, 1)));
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// §5.1: "If a server receives a request with a stale term number, it rejects the request."
#[test]
fn a_candidate_of_an_earlier_term_is_refused_and_told() {
    let mut bench = Bench::with_log(3, &[5]);
    let outputs = bench.receive(2, 4, vote((3, 9)));
    assert_eq!(granted(&outputs), Some(false));
    assert_eq!(sent(&outputs)[0].1.term, Term(5));
}

/// §5.1: "If a candidate or leader discovers that its term is out of date, it immediately reverts to
/// follower state."
#[test]
fn a_leader_that_sees_a_later_term_follows() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 3, Body::VoteReply { granted: false });
    assert_eq!(bench.raft.role(), Role::Follower);
    assert_eq!(bench.raft.term(), Term(3));
}

/// §5.2: "If the leader's term … is at least as large as the candidate's current term, then the
/// candidate recognizes the leader as legitimate and returns to follower state."
#[test]
fn a_candidate_that_hears_the_leader_of_its_term_follows_it() {
    let mut bench = Bench::fresh(3);
    bench.time_out();
    let campaign = Term(1);
    bench.receive(
        2,
        0,
        Body::PreVoteReply {
            campaign,
            granted: true,
        },
    );
    assert_eq!(bench.raft.role(), Role::Candidate);
    bench.receive(2, 1, append((0, 0), &[1], 0, 1));
    assert_eq!(bench.raft.role(), Role::Follower);
    assert_eq!(bench.raft.leader(), Some(NodeId(2)));
}

/// §4.2.3: "if a server receives a RequestVote request within the minimum election timeout of
/// hearing from a current leader, it does not update its term or grant its vote."
#[test]
fn a_candidate_is_ignored_while_a_leader_was_heard_lately() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, append((1, 1), &[], 0, 1));
    bench.wait(149);
    assert_eq!(granted(&bench.receive(3, 9, vote((8, 8)))), None);
    assert_eq!(bench.raft.term(), Term(1));
    bench.wait(1);
    bench.receive(3, 9, vote((8, 8)));
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// The same for a leader: nobody takes its term from it but by a quorum that left it.
#[test]
fn a_leader_ignores_candidates() {
    let mut bench = Bench::leader(3);
    assert_eq!(sent(&bench.receive(3, 7, vote((6, 6)))), []);
    assert_eq!(bench.raft.role(), Role::Leader);
}

/// A voter that restarted has forgotten whose lease it supports.
#[test]
fn a_voter_that_restarted_grants_no_vote_for_a_full_election_timeout() {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    let mut bench = Bench::restored(3, restored);
    bench.wait(299);
    assert_eq!(granted(&bench.receive(2, 1, vote((0, 0)))), None);
    bench.wait(1);
    bench.receive(2, 1, vote((0, 0)));
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// §9.6: a pre-vote changes nothing at the voter.
#[test]
fn a_pre_vote_neither_moves_the_term_nor_takes_the_vote() {
    let mut bench = Bench::fresh(3);
    let ask = Body::PreVote {
        campaign: Term(8),
        last: at(0, 0),
    };
    assert_eq!(granted(&bench.receive(2, 7, ask.clone())), Some(true));
    assert_eq!(granted(&bench.receive(3, 7, ask)), Some(true), "to anyone");
    assert_eq!(bench.raft.term(), Term(0));
    assert!(bench.writes.is_empty());
}

/// §6.2 (dissertation): "a leader … steps down if an election timeout elapses without a successful
/// round of heartbeats to a majority".
#[test]
fn a_leader_without_a_quorum_steps_down_after_an_election_timeout() {
    let mut bench = Bench::leader(3);
    let mut rounds = 0;
    while bench.raft.role() == Role::Leader {
        bench.time_out();
        rounds += 1;
        assert!(rounds <= 7, "300 ms of heartbeats at the multiples of 50");
    }
    assert_eq!(bench.raft.term(), Term(1));
    assert_eq!(bench.raft.leader(), None);
}

#[test]
fn a_leader_that_a_quorum_answers_stays() {
    let mut bench = Bench::leader(3);
    for _ in 0..40 {
        bench.time_out();
        bench.receive(3, 1, accepted(1, 0, 0));
    }
    assert_eq!(bench.raft.role(), Role::Leader);
}

/// A group of one needs nobody.
#[test]
fn a_single_node_elects_itself_and_commits_when_its_disk_is_done() {
    let mut bench = Bench::fresh(1);
    bench.time_out();
    assert_eq!(
        bench.raft.role(),
        Role::Candidate,
        "its vote is not durable yet"
    );
    bench.all_durable();
    assert_eq!(bench.raft.role(), Role::Leader);
    let outputs = bench.propose(5);
    assert!(matches!(outputs[0], Output::Appended { .. }));
    bench.all_durable();
    assert_eq!(bench.commit_index(), 2);
    assert_eq!(bench.raft.poll_timeout(), None);
}
