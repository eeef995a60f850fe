//! Dissertation §3.10, §4.2.3 (last paragraph).

use nori_raft::{
    Body, Change, Input, MembershipChange, Output, ProposalId, ReadMode, Refusal, Role,
};
use norikv_types::{Mutant, NodeId, Term};

use crate::bench::{Bench, accepted, append, at, granted, refusal, sent};

fn transfer(bench: &mut Bench, to: u64) -> Vec<Output> {
    bench.input(Input::Transfer {
        proposal: ProposalId(99),
        to: NodeId(to),
    })
}

/// Whom the outputs tell to campaign, and in which round.
fn told(outputs: &[Output]) -> Option<(u64, u64)> {
    sent(outputs)
        .into_iter()
        .find_map(|(to, message)| match message.body {
            Body::TimeoutNow { round } => Some((to, round)),
            _ => None,
        })
}

/// A leader of three whose term is committed, with both peers up to date.
fn settled() -> Bench {
    let mut bench = Bench::leader(3);
    for peer in [2, 3] {
        bench.receive(peer, 1, accepted(1, 1, 1));
    }
    bench
}

fn vote(last: (u64, u64), round: u64) -> Body {
    Body::TransferVote {
        last: at(last.0, last.1),
        round,
    }
}

/// §3.10, step 1: "The prior leader stops accepting new client requests."
#[test]
fn a_leader_that_hands_over_refuses_proposals_and_changes() {
    let mut bench = settled();
    transfer(&mut bench, 2);
    assert_eq!(refusal(&bench.propose(5)), Some(Refusal::Transferring));
    let change = MembershipChange::Auto(vec![Change::AddVoter(NodeId(4))]);
    let proposal = ProposalId(6);
    let outputs = bench.input(Input::ChangeMembership { proposal, change });
    assert_eq!(refusal(&outputs), Some(Refusal::Transferring));
    assert_eq!(
        refusal(&transfer(&mut bench, 3)),
        Some(Refusal::Transferring)
    );
}

/// §3.10, step 2: "The prior leader fully updates the target server's log to match its own".
#[test]
fn the_target_is_told_once_it_has_the_whole_log() {
    let mut bench = settled();
    bench.propose(1);
    assert_eq!(told(&transfer(&mut bench, 2)), None);
    bench.all_durable();
    assert_eq!(told(&bench.receive(3, 1, accepted(1, 2, 2))), None);
    let outputs = bench.receive(2, 1, accepted(1, 2, 2));
    assert_eq!(told(&outputs).map(|(to, _)| to), Some(2));
}

/// A lost message is said again.
#[test]
fn the_target_is_told_again_with_each_heartbeat_in_the_same_round() {
    let mut bench = settled();
    let first = told(&transfer(&mut bench, 2)).unwrap();
    assert_eq!(told(&bench.time_out()), Some(first));
}

/// §3.10, step 3: "This request has the same effect as the target server's election
/// timer firing: the target server starts a new election (incrementing its term and becoming a
/// candidate)."
#[test]
fn a_follower_that_is_told_campaigns_at_once() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, append((1, 1), &[], 1, 4));
    bench.receive(2, 1, Body::TimeoutNow { round: 4 });
    assert_eq!(
        (bench.raft.role(), bench.raft.term()),
        (Role::Candidate, Term(2))
    );
    let outputs = bench.all_durable();
    let asked: Vec<_> = sent(&outputs);
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|(_, message)| message.body == vote((1, 1), 4))
    );
}

/// §4.2.3: in a transfer, "RequestVote messages should be processed by other servers even when they
/// believe a current cluster leader exists."
#[test]
fn a_vote_in_a_transfer_passes_the_guard_of_a_working_leader() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, append((1, 1), &[], 1, 4));
    assert_eq!(
        granted(&bench.receive(3, 2, Body::Vote { last: at(1, 1) })),
        None
    );
    bench.receive(3, 2, vote((1, 1), 4));
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// A stale request: the leader gave up, leads on, and counts on this voter for its lease.
#[test]
fn a_vote_in_a_transfer_that_was_given_up_does_not_pass_the_guard() {
    let run = || {
        let mut bench = Bench::with_log(3, &[1]);
        bench.receive(2, 1, append((1, 1), &[], 1, 5));
        bench.receive(3, 2, vote((1, 1), 4));
        granted(&bench.all_durable())
    };
    assert_eq!(run(), None);
    let _planted = Mutant::StaleTransferHeeded.plant();
    assert_eq!(run(), Some(true));
}

/// The same for the target itself.
#[test]
fn a_follower_that_heard_a_later_round_is_not_told_any_more() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, append((1, 1), &[], 1, 5));
    bench.receive(2, 1, Body::TimeoutNow { round: 4 });
    assert_eq!(bench.raft.role(), Role::Follower);
}

/// A voter that restarted has forgotten what it heard.
#[test]
fn a_voter_that_restarted_heeds_no_transfer_for_a_full_election_timeout() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.now = norikv_types::Mono::ZERO;
    bench.wait(299);
    assert_eq!(granted(&bench.receive(3, 2, vote((1, 1), 4))), None);
    bench.wait(1);
    bench.receive(3, 2, vote((1, 1), 4));
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// Of the leader only the target that it told gets the vote, which two of two need.
#[test]
fn a_leader_votes_for_its_target_and_says_that_it_leads_no_more() {
    let mut bench = settled();
    let (_, round) = told(&transfer(&mut bench, 2)).unwrap();
    assert_eq!(granted(&bench.receive(3, 2, vote((1, 1), round))), None);
    assert_eq!(bench.raft.role(), Role::Leader);
    let outputs = bench.receive(2, 2, vote((1, 1), round));
    let transferred = |output: &Output| {
        let proposal = ProposalId(99);
        *output == Output::Transferred { proposal }
    };
    assert!(outputs.iter().any(transferred), "{outputs:?}");
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// §3.10: "If leadership transfer does not complete after about an election timeout, the prior
/// leader aborts the transfer and resumes accepting client requests."
#[test]
fn a_leader_whose_target_does_not_take_over_leads_on() {
    let mut bench = settled();
    let (_, round) = told(&transfer(&mut bench, 2)).unwrap();
    let deadline = bench.now + bench.config.election_timeout_max;
    let mut outputs = Vec::new();
    while bench.now < deadline {
        for peer in [2, 3] {
            bench.receive(peer, 1, accepted(round, 1, 1));
        }
        outputs.extend(bench.time_out());
    }
    assert_eq!(refusal(&outputs), Some(Refusal::TransferTimedOut));
    assert_eq!(refusal(&bench.propose(1)), None);
    // The message that told the target may still arrive: it is void.
    assert_eq!(granted(&bench.receive(2, 2, vote((1, 1), round))), None);
    assert_eq!(bench.raft.role(), Role::Leader);
}

/// A lease would promise what the transfer breaks; a round asks.
#[test]
fn a_transfer_ends_the_lease_and_only_rounds_behind_it_renew_it() {
    let mut bench = settled();
    assert_ne!(bench.raft.status().lease_until, None);
    let (_, round) = told(&transfer(&mut bench, 2)).unwrap();
    bench.receive(3, 1, accepted(round, 1, 1));
    assert_eq!(bench.raft.status().lease_until, None);
    let outputs = bench.read(1, ReadMode::Lease);
    let served = |output: &Output| matches!(output, Output::ReadReady { .. });
    assert!(!outputs.iter().any(served), "{outputs:?}");
    let deadline = bench.now + bench.config.election_timeout_max;
    while bench.now < deadline {
        let outputs = bench.time_out();
        for (_, message) in sent(&outputs) {
            if let (Body::Append(append), true) = (&message.body, bench.now < deadline) {
                assert_eq!(append.round, round, "no round begins");
            }
        }
        bench.receive(3, 1, accepted(round, 1, 1));
        assert_eq!(bench.raft.status().lease_until, None);
    }
    let outputs = bench.receive(3, 1, accepted(round + 1, 1, 1));
    assert!(outputs.iter().any(served), "{outputs:?}");
    assert_ne!(bench.raft.status().lease_until, None);
}

#[test]
fn who_cannot_lead_is_no_target() {
    let mut bench = settled();
    for to in [1, 7] {
        assert_eq!(refusal(&transfer(&mut bench, to)), Some(Refusal::BadTarget));
    }
    let mut follower = Bench::with_log(3, &[1]);
    assert_eq!(
        refusal(&transfer(&mut follower, 2)),
        Some(Refusal::NotLeader)
    );
}

/// A replica of priority 0 never campaigns, one below the highest lets others go first.
#[test]
fn priorities_say_who_campaigns_first_and_who_never() {
    let restored = nori_raft::Restored::fresh;
    let mut never = Bench::build(3, restored(), |config| config.priority = 0);
    assert_eq!(never.raft.poll_timeout(), None);
    never.receive(2, 1, append((0, 0), &[], 0, 1));
    never.receive(2, 1, Body::TimeoutNow { round: 1 });
    never.time_out();
    assert_eq!(
        (never.raft.role(), never.raft.leader()),
        (Role::Follower, None)
    );

    for seed in 0..50 {
        let wait = |priority| {
            let bench = Bench::build(3, restored(), |config| {
                (config.seed, config.priority) = (seed, priority);
            });
            bench.raft.poll_timeout().unwrap()
        };
        let latest = norikv_types::Mono::ZERO + Bench::fresh(3).config.election_timeout_max;
        assert!(wait(3) <= latest && wait(2) >= latest && wait(1) > wait(2));
    }
}
