//! Raft §5.3, §5.4.2; dissertation §10.2.1.

use bytes::Bytes;
use nori_raft::{
    AppendOutcome, Body, Error, Input, Misuse, Output, PeerState, ProposalId, Refusal, Restored,
    Role,
};
use norikv_types::{LogIndex, Mutant, NodeId, Term};

use crate::bench::{
    Bench, accepted, append, appends_to, applied, at, entries, hard_state, rejected, reply, sent,
};

fn misuse(outcome: Result<Vec<Output>, Error>) -> Option<Misuse> {
    match outcome {
        Err(Error::PeerMisuse { misuse, .. }) => Some(misuse),
        _ => None,
    }
}

/// §5.3: "If the follower does not find an entry in its log with the same index and term, then it
/// refuses the new entries."
#[test]
fn an_append_that_does_not_fit_is_refused_with_the_last_place_that_may() {
    let mut bench = Bench::with_log(3, &[1, 1, 2, 2]);
    let outputs = bench.receive(2, 4, append((3, 9), &[4], 0, 1));
    assert_eq!(reply(&outputs), None, "the new term is not durable yet");
    let outcome = AppendOutcome::Rejected {
        prev_index: LogIndex(9),
        hint: at(2, 4),
    };
    assert_eq!(reply(&bench.all_durable()), Some(outcome));
    let outcome = AppendOutcome::Rejected {
        prev_index: LogIndex(4),
        hint: at(1, 2),
    };
    let outputs = bench.receive(2, 4, append((1, 4), &[4], 0, 1));
    assert_eq!(
        reply(&outputs),
        Some(outcome),
        "both entries of term 2 conflict"
    );
    assert_eq!(bench.log_end(), (2, 4));
}

/// Figure 2, AppendEntries 3: "If an existing entry conflicts with a new one …, delete the existing
/// entry and all that follow it"; 4: "Append any new entries not already in the log".
#[test]
fn conflicting_entries_are_replaced_with_all_that_follow() {
    let mut bench = Bench::with_log(3, &[1, 2, 2, 2]);
    bench.receive(2, 3, append((1, 1), &[3], 0, 1));
    assert_eq!(bench.log_end(), (3, 2));
}

/// The same rule: what is not in conflict stays, so a delayed append cannot shorten the log.
#[test]
fn a_delayed_append_does_not_cut_what_a_later_one_brought() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1, 1, 1], 0, 1));
    bench.receive(2, 1, append((0, 0), &[1], 0, 1));
    assert_eq!(bench.log_end(), (1, 3));
}

/// Figure 2, AppendEntries 5: "set commitIndex = min(leaderCommit, index of last new entry)".
#[test]
fn a_follower_commits_no_further_than_it_knows_its_log_to_be_the_leaders() {
    let mut bench = Bench::with_log(3, &[1, 1, 1]);
    bench.receive(2, 2, append((1, 1), &[], 3, 1));
    assert_eq!(bench.commit_index(), 1);
}

/// §5.1: a stale leader's append is refused, and it learns the term.
#[test]
fn an_append_of_an_earlier_term_is_refused_and_told() {
    let mut bench = Bench::with_log(3, &[5]);
    let outputs = bench.receive(2, 4, append((0, 0), &[4], 1, 1));
    assert_eq!(reply(&outputs), Some(AppendOutcome::Outdated));
    assert_eq!(sent(&outputs)[0].1.term, Term(5));
    assert_eq!(bench.log_end(), (5, 1));
}

/// §5.3: "When the entry has been safely replicated …, the leader applies the entry".
#[test]
fn an_entry_on_a_majority_is_committed_and_applied_in_order() {
    let mut bench = Bench::leader(3);
    bench.propose(1);
    bench.all_durable();
    let outputs = bench.receive(2, 1, accepted(1, 2, 2));
    assert_eq!(bench.commit_index(), 2);
    assert_eq!(applied(&outputs), [1, 2]);
}

/// §5.4.2, figure 8: an entry of an earlier term on a majority is not committed by that.
#[test]
fn an_entry_of_an_earlier_term_is_committed_only_with_one_of_the_own() {
    let mut bench = Bench::with_log(3, &[1, 2]);
    bench.lead();
    assert_eq!(bench.raft.term(), Term(3));
    bench.receive(2, 3, accepted(1, 2, 2));
    assert_eq!(bench.commit_index(), 0, "index 2 is of term 2");
    bench.receive(2, 3, accepted(1, 3, 3));
    assert_eq!(bench.commit_index(), 3);
}

/// The mutant that the test above must see.
#[test]
fn the_mutant_commits_an_old_term_by_counting() {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state = hard_state(2, None);
    restored.entries = entries(1, &[1, 2]);
    let _planted = Mutant::CommitsOldTerm.plant();
    let mut bench = Bench::restored(3, restored);
    bench.lead();
    bench.receive(2, 3, accepted(1, 2, 2));
    assert_eq!(bench.commit_index(), 2);
}

/// §5.3: "The leader handles inconsistencies by forcing the followers' logs to duplicate its own",
/// passing over a whole term in one step.
#[test]
fn a_leader_steps_back_over_all_that_conflicts_at_once() {
    let mut bench = Bench::with_log(3, &[1, 1, 4, 4, 5]);
    bench.lead();
    // The follower has (1,1) (1,2) and then entries of terms 2 and 3 up to index 5.
    let outputs = bench.receive(2, 6, rejected(1, 5, (3, 5)));
    let [(prev, count, _)] = appends_to(&outputs, 2)[..] else {
        panic!("one probe: {outputs:?}");
    };
    assert_eq!((prev, count), (2, 4));
}

/// Dissertation §10.2.1: "the leader … can pipeline"; its entries travel while its own disk works.
#[test]
fn entries_stream_before_they_are_durable_here_and_without_waiting_for_answers() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    assert_eq!(appends_to(&bench.propose(1), 2), [(1, 1, 1)]);
    assert_eq!(appends_to(&bench.propose(2), 2), [(2, 1, 1)]);
    assert_eq!(bench.writes.len(), 2);
}

/// The leader counts itself only for what is durable here.
#[test]
fn a_leaders_own_copy_counts_only_once_it_is_durable() {
    let mut bench = Bench::leader(3);
    bench.propose(1);
    bench.receive(2, 1, accepted(1, 2, 2));
    assert_eq!(
        bench.commit_index(),
        1,
        "the entry is durable on one of three"
    );
    bench.all_durable();
    assert_eq!(bench.commit_index(), 2);
}

/// Nor is an entry applied that only others hold durably.
#[test]
fn what_is_committed_by_others_is_applied_only_once_it_is_durable_here() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    bench.propose(1);
    bench.receive(2, 1, accepted(1, 2, 2));
    let outputs = bench.receive(3, 1, accepted(1, 2, 2));
    assert_eq!(bench.commit_index(), 2);
    assert_eq!(applied(&outputs), []);
    assert_eq!(applied(&bench.all_durable()), [2]);
}

#[test]
fn proposals_fed_together_share_one_write_and_one_message() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    for number in 0..9 {
        let input = Input::Propose {
            proposal: ProposalId(number),
            command: Bytes::from_static(b"x"),
        };
        bench.raft.handle_input(bench.now, input).unwrap();
    }
    let outputs = bench.propose(9);
    assert_eq!(appends_to(&outputs, 2), [(1, 10, 1)]);
    assert_eq!(bench.writes.len(), 1);
}

#[test]
fn a_window_of_messages_and_one_of_bytes_bound_what_is_under_way() {
    let mut bench = Bench::build(3, Restored::fresh(), |config| {
        config.inflight_messages_max = 2;
    });
    bench.lead();
    bench.receive(2, 1, accepted(1, 1, 1));
    let sent: usize = (0..5).map(|n| appends_to(&bench.propose(n), 2).len()).sum();
    assert_eq!(sent, 2);
    let outputs = bench.receive(2, 1, accepted(1, 2, 3));
    assert_eq!(
        appends_to(&outputs, 2),
        [(3, 3, 1)],
        "the rest in one message"
    );

    let mut bench = Bench::build(3, Restored::fresh(), |config| {
        config.inflight_bytes_max = 30;
    });
    bench.lead();
    bench.receive(2, 1, accepted(1, 1, 1));
    let sent: usize = (0..5).map(|n| appends_to(&bench.propose(n), 2).len()).sum();
    assert_eq!(sent, 2, "24 bytes an entry");
}

#[test]
fn a_message_holds_no_more_than_its_bytes_but_always_an_entry() {
    let mut bench = Bench::build(3, Restored::fresh(), |config| config.append_bytes_max = 50);
    bench.lead();
    for number in 0..4 {
        bench.propose(number);
    }
    let outputs = bench.receive(2, 1, accepted(1, 1, 1));
    assert_eq!(appends_to(&outputs, 2), [(1, 2, 1), (3, 2, 1)]);
}

#[test]
fn proposals_beyond_the_uncommitted_bytes_are_refused_until_some_are_committed() {
    let mut bench = Bench::build(3, Restored::fresh(), |config| {
        config.uncommitted_bytes_max = 16;
    });
    bench.lead();
    bench.propose(1);
    bench.propose(2);
    let dropped = Output::Dropped {
        proposal: ProposalId(3),
        reason: Refusal::Overloaded,
        leader: Some(NodeId(1)),
    };
    assert_eq!(bench.propose(3), [dropped]);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 3, 3));
    assert!(matches!(bench.propose(4)[0], Output::Appended { .. }));
}

#[test]
fn a_follower_refuses_proposals_and_names_the_leader() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, append((1, 1), &[], 0, 1));
    let dropped = Output::Dropped {
        proposal: ProposalId(3),
        reason: Refusal::NotLeader,
        leader: Some(NodeId(2)),
    };
    assert_eq!(bench.propose(3), [dropped]);
}

#[test]
fn a_lost_append_shows_in_what_the_peer_says_it_received_and_is_sent_again() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    bench.propose(1);
    let mut again = Vec::new();
    for round in 2..8 {
        again.extend(
            appends_to(&bench.time_out(), 2)
                .iter()
                .filter(|sent| sent.0 > 0),
        );
        let body = accepted(round, 1, 1);
        again.extend(appends_to(&bench.receive(2, 1, body), 2).iter().copied());
    }
    assert!(
        again
            .iter()
            .any(|(prev, count, _)| (*prev, *count) == (1, 1)),
        "{again:?}"
    );
}

#[test]
fn an_unreachable_peer_is_probed_at_heartbeats_only() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    bench.input(Input::Unreachable(NodeId(2)));
    assert_eq!(bench.raft.status().peers[0].state, PeerState::Probe);
    assert_eq!(appends_to(&bench.propose(1), 2), []);
    assert_eq!(appends_to(&bench.time_out(), 2), [(1, 0, 2)]);
    let outputs = bench.receive(2, 1, accepted(2, 1, 1));
    assert_eq!(appends_to(&outputs, 2), [(1, 1, 2)]);
}

#[test]
fn duplicates_and_late_answers_change_nothing() {
    let mut bench = Bench::leader(3);
    bench.propose(1);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 2, 2));
    let before = bench.raft.status();
    assert_eq!(bench.receive(2, 1, accepted(1, 2, 2)), []);
    assert_eq!(bench.receive(2, 1, accepted(1, 0, 0)), []);
    assert_eq!(bench.receive(2, 1, rejected(1, 1, (0, 0))), []);
    assert_eq!(bench.raft.status(), before);
}

/// A message that no correct peer sends changes nothing, not even the term.
#[test]
fn impossible_messages_are_refused_and_leave_no_trace() {
    let mut bench = Bench::with_log(3, &[1, 1]);
    bench.receive(2, 2, append((1, 2), &[2], 3, 1));
    bench.all_durable();
    let before = bench.raft.status();
    let cases = [
        (0, 3, append((0, 0), &[], 0, 1), Misuse::Impostor),
        (1, 3, append((0, 0), &[], 0, 1), Misuse::Impostor),
        (2, u64::MAX, append((0, 0), &[], 0, 1), Misuse::OutOfRange),
        (
            2,
            3,
            append((1, u64::MAX - 1), &[], 0, 1),
            Misuse::OutOfRange,
        ),
        (2, 3, append((1, 0), &[], 0, 1), Misuse::OutOfRange),
        (3, 2, append((2, 3), &[], 0, 1), Misuse::SecondLeader),
        (3, 3, append((2, 3), &[1], 0, 1), Misuse::EntryOrder),
        (3, 3, append((2, 3), &[4], 0, 1), Misuse::EntryTerm),
        (3, 3, append((1, 1), &[3], 0, 1), Misuse::RewritesCommitted),
        (3, 3, append((2, 2), &[], 0, 1), Misuse::RewritesCommitted),
        (
            3,
            3,
            Body::VoteReply { granted: true },
            Misuse::GrantsOtherTerm,
        ),
        (3, 3, Body::Vote { last: at(3, 3) }, Misuse::OutOfRange),
    ];
    for (from, term, body, expected) in cases {
        let outcome = bench.try_receive(from, term, body.clone());
        assert_eq!(misuse(outcome), Some(expected), "{body:?}");
        assert_eq!(bench.raft.status(), before, "{body:?}");
    }
    bench.receive(2, 2, append((2, 3), &[2, 2], 3, 1));
    let own = bench.try_receive(2, 2, append((2, 3), &[1], 3, 1));
    assert_eq!(misuse(own), Some(Misuse::EntryOrder));
}

#[test]
fn impossible_answers_are_refused() {
    let mut bench = Bench::leader(3);
    let unsent = bench.try_receive(2, 1, accepted(1, 2, 2));
    assert_eq!(misuse(unsent), Some(Misuse::AcknowledgesUnsent));
    let unasked = bench.try_receive(2, 1, accepted(2, 1, 1));
    assert_eq!(misuse(unasked), Some(Misuse::AnswersUnasked));
    assert_eq!(bench.raft.role(), Role::Leader);
    assert_eq!(bench.commit_index(), 0);
}
