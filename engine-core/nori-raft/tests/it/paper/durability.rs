//! Raft figure 2: "Persistent state on all servers (updated on stable storage before responding to
//! RPCs)".

use nori_raft::{AppendOutcome, Body, Error, Input, Output, Restored, WriteId};
use norikv_types::{LogIndex, Mutant, Term};

use crate::bench::{Bench, accepted, append, applied, at, granted, reply, sent};

fn ack(match_index: u64, received_index: u64) -> Option<AppendOutcome> {
    Some(AppendOutcome::Accepted {
        match_index: LogIndex(match_index),
        received_index: LogIndex(received_index),
        installing: None,
    })
}

#[test]
fn a_vote_waits_for_the_write_that_holds_it() {
    let mut bench = Bench::fresh(3);
    let vote = Body::Vote { last: at(0, 0) };
    let outputs = bench.receive(2, 1, vote.clone());
    assert_eq!(sent(&outputs), []);
    assert_eq!(granted(&bench.all_durable()), Some(true));

    let _planted = Mutant::VoteNotDurable.plant();
    let mut hasty = Bench::fresh(3);
    assert_eq!(granted(&hasty.receive(2, 1, vote)), Some(true));
}

#[test]
fn a_candidates_requests_and_its_own_vote_wait_for_the_write() {
    let mut bench = Bench::fresh(3);
    bench.time_out();
    let campaign = Term(1);
    let yes = Body::PreVoteReply {
        campaign,
        granted: true,
    };
    let outputs = bench.receive(2, 0, yes);
    assert_eq!(sent(&outputs), []);
    assert_eq!(sent(&bench.all_durable()).len(), 2);
}

#[test]
fn an_acknowledgement_waits_for_the_entries() {
    let mut bench = Bench::with_log(3, &[]);
    let outputs = bench.receive(2, 1, append((0, 0), &[1, 1], 0, 1));
    assert_eq!(reply(&outputs), None);
    assert_eq!(reply(&bench.all_durable()), ack(2, 2));

    let _planted = Mutant::AckBeforeDurable.plant();
    let mut hasty = Bench::fresh(3);
    hasty.receive(2, 1, append((0, 0), &[], 0, 1));
    hasty.all_durable();
    let outputs = hasty.receive(2, 1, append((0, 0), &[1, 1], 0, 1));
    assert_eq!(reply(&outputs), ack(2, 2));
}

#[test]
fn a_heartbeat_is_answered_at_once_with_what_is_durable() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1], 0, 1));
    bench.all_durable();
    bench.receive(2, 1, append((1, 1), &[1, 1], 0, 1));
    let outputs = bench.receive(2, 1, append((0, 0), &[], 0, 2));
    assert_eq!(reply(&outputs), ack(1, 3));
}

#[test]
fn reports_out_of_order_wait_for_the_earlier_writes() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1], 0, 1));
    bench.receive(2, 1, append((1, 1), &[1], 0, 1));
    let [first, second] = bench.writes[..] else {
        panic!("two writes: {:?}", bench.writes);
    };
    assert_eq!(sent(&bench.input(Input::Durable(second))), []);
    let outputs = bench.input(Input::Durable(first));
    assert_eq!(reply(&outputs), ack(2, 2));
    assert_eq!(bench.input(Input::Durable(first)), [], "again, late");
}

/// Entries that were cut and appended anew by a later leader: the report of the first write says
/// nothing of what is in the log now.
#[test]
fn a_late_report_for_entries_that_were_cut_and_appended_anew_does_not_count() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1, 1], 0, 1));
    bench.receive(3, 2, append((0, 0), &[2], 0, 1));
    bench.receive(2, 3, append((0, 0), &[1, 1], 0, 1));
    let [first, second, third] = bench.writes[..] else {
        panic!("three writes: {:?}", bench.writes);
    };
    assert_eq!(sent(&bench.input(Input::Durable(first))), []);
    assert_eq!(bench.raft.status().durable_index, LogIndex(0));
    assert_eq!(sent(&bench.input(Input::Durable(second))), []);
    assert_eq!(bench.raft.status().durable_index, LogIndex(0));
    let outputs = bench.input(Input::Durable(third));
    assert_eq!(reply(&outputs), ack(2, 2));
    assert_eq!(sent(&outputs)[0].1.term, Term(3));
    assert_eq!(
        sent(&outputs).len(),
        1,
        "what term 1 waited for is forgotten"
    );
}

#[test]
fn acknowledgements_that_come_free_together_are_one() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1], 0, 1));
    bench.receive(2, 1, append((1, 1), &[1], 0, 1));
    let second = bench.writes[1];
    bench.input(Input::Durable(second));
    let outputs = bench.all_durable();
    assert_eq!(sent(&outputs).len(), 1);
}

#[test]
fn a_follower_applies_only_what_is_durable_here() {
    let mut bench = Bench::with_log(3, &[]);
    let outputs = bench.receive(2, 1, append((0, 0), &[1, 1], 2, 1));
    assert_eq!(bench.commit_index(), 2);
    assert_eq!(applied(&outputs), []);
    assert_eq!(applied(&bench.all_durable()), [1, 2]);
}

#[test]
fn the_stored_commit_index_never_passes_the_durable_log() {
    let mut bench = Bench::with_log(3, &[]);
    bench.receive(2, 1, append((0, 0), &[1, 1], 2, 1));
    let outputs = bench.receive(3, 2, append((1, 2), &[], 2, 1));
    let stored = outputs.iter().find_map(|output| match output {
        Output::Persist(persist) => persist.hard_state,
        _ => None,
    });
    assert_eq!(stored.unwrap().commit_index, LogIndex(0));
}

#[test]
fn a_write_that_was_never_issued_is_refused() {
    let mut bench = Bench::leader(3);
    let write = WriteId {
        number: 99,
        term: Term(1),
    };
    let outcome = bench.try_input(Input::Durable(write));
    assert_eq!(outcome, Err(Error::UnknownWrite { write }));
}

#[test]
fn what_a_restart_finds_committed_is_handed_out_again_above_what_was_applied() {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state.term = Term(1);
    restored.hard_state.commit_index = LogIndex(3);
    restored.entries = crate::bench::entries(1, &[1, 1, 1, 1]);
    restored.applied = LogIndex(1);
    let config = nori_raft::Config::new(norikv_types::NodeId(1), [norikv_types::NodeId(1)], 0);
    let mut raft = nori_raft::Raft::new(config, restored, norikv_types::Mono::ZERO).unwrap();
    let outputs: Vec<Output> = std::iter::from_fn(|| raft.poll_output()).collect();
    assert_eq!(applied(&outputs), [2, 3]);
}

/// An acknowledgement counts for a leader only in its own term.
#[test]
fn an_answer_to_an_earlier_reign_does_not_count() {
    let mut bench = Bench::leader(3);
    bench.receive(2, 2, Body::VoteReply { granted: false });
    bench.all_durable();
    bench.now = bench.raft.poll_timeout().unwrap();
    bench.lead();
    assert_eq!(bench.raft.term(), Term(3));
    bench.receive(2, 1, accepted(1, 1, 1));
    assert_eq!(bench.raft.status().peers[0].match_index, LogIndex(0));
}
