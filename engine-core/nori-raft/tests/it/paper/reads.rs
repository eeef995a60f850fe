//! Dissertation §6.4 (read-index) and §6.4.1 (leases).

use nori_raft::{Body, Input, Message, Output, ReadId, ReadIndex, ReadMode, Refusal};
use norikv_types::{LogIndex, Mono, Mutant, NodeId};

use crate::bench::{Bench, accepted, append, appends_to, sent};

/// A leader of three whose no-op is committed, and whose first round node 2 answered.
fn settled() -> Bench {
    let mut bench = Bench::leader(3);
    bench.receive(2, 1, accepted(1, 1, 1));
    assert_eq!(bench.commit_index(), 1);
    bench
}

fn ready(outputs: &[Output]) -> Vec<(u64, u64)> {
    let reads = outputs.iter().filter_map(|output| match output {
        Output::ReadReady { read, index } => Some((read.0, index.0)),
        _ => None,
    });
    reads.collect()
}

fn refused(read: u64, leader: Option<u64>) -> Output {
    Output::ReadRefused {
        read: ReadId(read),
        reason: Refusal::NotLeader,
        leader: leader.map(NodeId),
    }
}

/// §6.4 step 1: "If the leader has not yet marked an entry from its current term committed, it waits
/// until it has done so."
#[test]
fn a_read_waits_for_the_first_commit_of_the_term() {
    let mut bench = Bench::leader(3);
    assert_eq!(ready(&bench.read(1, ReadMode::Lease)), []);
    assert_eq!(ready(&bench.read(2, ReadMode::Linearizable)), []);
    let outputs = bench.receive(2, 1, accepted(1, 1, 1));
    assert_eq!(ready(&outputs), [], "that round began before the reads");
    assert_eq!(appends_to(&outputs, 2), [(1, 0, 2)]);
    let outputs = bench.receive(2, 1, accepted(2, 1, 1));
    assert_eq!(ready(&outputs), [(1, 1), (2, 1)]);
}

/// §6.4 step 3: "It issues a new round of heartbeats and waits for their acknowledgments from a
/// majority of the cluster."
#[test]
fn one_round_confirms_every_read_that_came_before_it() {
    let mut bench = settled();
    let first = bench.read(1, ReadMode::Linearizable);
    assert_eq!(appends_to(&first, 2), [(1, 0, 2)]);
    for number in 2..100 {
        let outputs = bench.read(number, ReadMode::Linearizable);
        assert_eq!(appends_to(&outputs, 2), [], "a round is under way");
    }
    let outputs = bench.receive(3, 1, accepted(2, 0, 0));
    assert_eq!(ready(&outputs), [(1, 1)]);
    assert_eq!(
        appends_to(&outputs, 2),
        [(1, 0, 3)],
        "one round for the rest"
    );
    assert_eq!(ready(&bench.receive(2, 1, accepted(3, 1, 1))).len(), 98);
}

#[test]
fn a_minority_confirms_nothing() {
    let mut bench = Bench::leader(5);
    bench.receive(2, 1, accepted(1, 1, 1));
    bench.receive(3, 1, accepted(1, 1, 1));
    bench.read(1, ReadMode::Linearizable);
    let answer = accepted(2, 1, 1);
    assert_eq!(ready(&bench.receive(2, 1, answer.clone())), []);
    assert_eq!(
        ready(&bench.receive(2, 1, answer.clone())),
        [],
        "one peer counts once"
    );
    assert_eq!(ready(&bench.receive(4, 1, answer)), [(1, 1)]);
}

/// §6.4 step 2: the index is the commit index at arrival, or later.
#[test]
fn a_read_covers_everything_committed_before_it() {
    let mut bench = settled();
    bench.propose(1);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 2, 2));
    assert_eq!(ready(&bench.read(1, ReadMode::Lease)), [(1, 2)]);
}

/// A round whose messages were lost is made good by the next heartbeat.
#[test]
fn reads_survive_a_lost_round() {
    let mut bench = settled();
    bench.read(1, ReadMode::Linearizable);
    bench.time_out();
    assert_eq!(ready(&bench.receive(2, 1, accepted(3, 1, 1))), [(1, 1)]);
}

/// §6.4.1: "the lease … extended to start + election timeout / clock drift bound", where start is
/// when the round was sent.
#[test]
fn a_lease_lasts_from_the_send_time_of_the_round_for_the_timeout_less_the_drift() {
    let mut bench = settled();
    bench.time_out();
    let sent_at = bench.now;
    bench.wait(40);
    bench.receive(2, 1, accepted(2, 1, 1));
    let until = bench.raft.status().lease_until.unwrap();
    assert_eq!(until.since(sent_at).as_micros(), 148_500);
    // Something happens now and then, so that nothing speaks against the clock.
    bench.wait(60);
    bench.input(Input::Unreachable(NodeId(9)));
    bench.now = until - std::time::Duration::from_nanos(1);
    assert_eq!(ready(&bench.read(1, ReadMode::Lease)), [(1, 1)]);
    bench.now = until;
    assert_eq!(
        ready(&bench.read(2, ReadMode::Lease)),
        [],
        "it falls back to a round"
    );
    assert_eq!(ready(&bench.receive(3, 1, accepted(3, 1, 1))), [(2, 1)]);
}

#[test]
fn a_lease_needs_a_quorum() {
    let mut bench = Bench::leader(5);
    bench.receive(2, 1, accepted(1, 1, 1));
    assert_eq!(bench.raft.status().lease_until, None);
    bench.receive(3, 1, accepted(1, 1, 1));
    assert!(bench.raft.status().lease_until.is_some());
}

#[test]
fn stepping_down_ends_the_lease_and_refuses_the_reads_that_wait() {
    let mut bench = settled();
    bench.read(1, ReadMode::Linearizable);
    let outputs = bench.receive(3, 2, Body::VoteReply { granted: false });
    assert!(outputs.contains(&refused(1, None)), "{outputs:?}");
    assert_eq!(bench.raft.status().lease_until, None);
    assert_eq!(bench.read(2, ReadMode::Lease), [refused(2, None)]);
}

#[test]
fn a_follower_refuses_reads_and_names_the_leader() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(3, 1, append((1, 1), &[], 0, 1));
    assert_eq!(bench.read(1, ReadMode::Linearizable), [refused(1, Some(3))]);
}

#[test]
fn a_single_node_confirms_its_reads_by_itself() {
    let mut bench = Bench::leader(1);
    assert_eq!(ready(&bench.read(1, ReadMode::Linearizable)), [(1, 1)]);
    assert_eq!(ready(&bench.read(2, ReadMode::Lease)), [(2, 1)]);
    assert_eq!(bench.raft.commit_index(), LogIndex(1));
}

/// A clock that skipped time, or went back, measured nothing: §6.4.1 assumes that clocks drift by a
/// bounded rate.
#[test]
fn a_pause_or_a_jump_of_the_clock_ends_the_lease() {
    let served = |jump: fn(&mut Bench)| {
        let mut bench = settled();
        assert_eq!(ready(&bench.read(1, ReadMode::Lease)), [(1, 1)]);
        jump(&mut bench);
        let outputs = bench.read(2, ReadMode::Lease);
        ready(&outputs) == [(2, 1)]
    };
    let awake = |bench: &mut Bench| bench.wait(100);
    let paused = |bench: &mut Bench| bench.wait(101);
    let set_back = |bench: &mut Bench| bench.now = Mono::ZERO;
    let told = |bench: &mut Bench| {
        bench.input(Input::ClockJumped);
    };
    assert!(served(awake));
    assert!(!served(paused) && !served(set_back) && !served(told));
    let _planted = Mutant::LeaseOutlivesPause.plant();
    assert!(served(paused) && served(set_back) && served(told));
}

/// The read goes on by a round, and the round brings a lease again.
#[test]
fn after_a_pause_a_round_that_was_sent_before_it_renews_nothing() {
    let mut bench = settled();
    bench.time_out();
    bench.wait(140);
    bench.receive(2, 1, accepted(2, 1, 1));
    assert_eq!(bench.raft.status().lease_until, None);
    bench.read(1, ReadMode::Lease);
    let outputs = bench.receive(2, 1, accepted(3, 1, 1));
    assert_eq!(ready(&outputs), [(1, 1)]);
    assert_ne!(bench.raft.status().lease_until, None);
}

const HERE: ReadMode = ReadMode::Follower { lease: false };

/// A follower of node 2 in term 1 with one committed entry.
fn follower() -> Bench {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, append((1, 1), &[], 1, 1));
    bench
}

/// What the outputs ask of the leader.
fn asked(outputs: &[Output]) -> Vec<ReadIndex> {
    let questions = sent(outputs).into_iter().filter_map(|(to, message)| {
        let Message { body, .. } = message;
        match body {
            Body::ReadIndex(question) => {
                assert_eq!(to, 2, "the leader");
                Some(*question)
            }
            _ => None,
        }
    });
    questions.collect()
}

fn answer(question: ReadIndex, index: u64) -> Body {
    Body::ReadIndexReply {
        question,
        index: LogIndex(index),
    }
}

/// §6.4: "the follower can issue a request to the leader that just asks for a current readIndex … the
/// follower can then execute … the accumulated read-only queries locally."
#[test]
fn a_follower_asks_once_for_all_reads_and_serves_them_at_the_leaders_index() {
    let mut bench = follower();
    let first = asked(&bench.read(1, HERE));
    let [first] = first[..] else {
        panic!("{first:?}")
    };
    for number in 2..50 {
        assert_eq!(
            asked(&bench.read(number, HERE)),
            [],
            "one question is under way"
        );
    }
    let outputs = bench.receive(2, 1, answer(first, 7));
    assert_eq!(ready(&outputs), [(1, 7)], "the others came after it");
    let second = asked(&outputs);
    let [second] = second[..] else {
        panic!("{second:?}")
    };
    let outputs = bench.receive(2, 1, answer(second, 9));
    assert_eq!(ready(&outputs).len(), 48);
    assert_eq!(asked(&outputs), []);
}

/// A read comes while a question is under way; how many are served by its answer?
fn served_by_the_question_before() -> usize {
    let mut bench = follower();
    let question = asked(&bench.read(1, HERE))[0];
    bench.read(2, HERE);
    ready(&bench.receive(2, 1, answer(question, 7))).len()
}

#[test]
fn a_read_that_joins_a_question_under_way_is_caught() {
    assert_eq!(served_by_the_question_before(), 1);
    let _planted = Mutant::FollowerJoinsQuestion.plant();
    assert_eq!(served_by_the_question_before(), 2);
}

#[test]
fn a_question_without_an_answer_is_asked_again_for_all_that_wait() {
    let mut bench = follower();
    let first = asked(&bench.read(1, HERE))[0];
    bench.read(2, HERE);
    bench.wait(50);
    assert_eq!(bench.raft.poll_timeout(), Some(bench.now));
    let again = asked(&bench.input(Input::Timeout))[0];
    assert!(again.number > first.number);
    // The late answer is as good as ever, for what came before it was asked.
    assert_eq!(ready(&bench.receive(2, 1, answer(first, 5))), [(1, 5)]);
    assert_eq!(ready(&bench.receive(2, 1, answer(again, 6))), [(2, 6)]);
}

#[test]
fn reads_here_are_refused_when_the_leader_is_unknown_or_changes() {
    let mut bench = Bench::with_log(3, &[1]);
    assert_eq!(bench.read(1, HERE), [refused(1, None)]);
    let mut bench = follower();
    let question = asked(&bench.read(1, HERE))[0];
    let outputs = bench.receive(3, 2, append((1, 1), &[], 1, 1));
    assert!(outputs.contains(&refused(1, Some(3))) || outputs.contains(&refused(1, None)));
    assert_eq!(ready(&bench.receive(2, 1, answer(question, 4))), []);
    assert_eq!(
        bench.read(2, ReadMode::Linearizable)[..1],
        [refused(2, Some(3))]
    );
}

/// Numbers begin anew with each life.
#[test]
fn an_answer_to_an_earlier_life_serves_nothing() {
    let mut bench = follower();
    let question = asked(&bench.read(1, HERE))[0];
    let nonce = question.nonce ^ 1;
    let earlier = ReadIndex { nonce, ..question };
    assert_eq!(ready(&bench.receive(2, 1, answer(earlier, 4))), []);
}

/// The leader treats a question as a read of its own: the answer waits for a round behind it.
#[test]
fn a_leader_answers_a_question_once_a_later_round_is_confirmed() {
    let mut bench = settled();
    let question = ReadIndex {
        nonce: 8,
        number: 3,
        lease: false,
    };
    let answers = |outputs: &[Output]| {
        let bodies = sent(outputs)
            .into_iter()
            .map(|(to, message)| (to, message.body.clone()));
        bodies
            .filter(|(_, body)| *body == answer(question, 1))
            .count()
    };
    let outputs = bench.receive(3, 1, Body::ReadIndex(question));
    assert_eq!(answers(&outputs), 0);
    assert_eq!(appends_to(&outputs, 2), [(1, 0, 2)]);
    assert_eq!(answers(&bench.receive(2, 1, accepted(2, 1, 1))), 1);
    let by_lease = Body::ReadIndex(ReadIndex {
        lease: true,
        ..question
    });
    let outputs = bench.receive(3, 1, by_lease);
    assert!(sent(&outputs).iter().any(|(to, _)| *to == 3), "{outputs:?}");
}

#[test]
fn a_leader_serves_a_read_of_any_kind_itself() {
    let mut bench = settled();
    assert_eq!(
        ready(&bench.read(1, ReadMode::Follower { lease: true })),
        [(1, 1)]
    );
    assert_eq!(ready(&bench.read(2, HERE)), []);
    assert_eq!(ready(&bench.receive(2, 1, accepted(2, 1, 1))), [(2, 1)]);
}
