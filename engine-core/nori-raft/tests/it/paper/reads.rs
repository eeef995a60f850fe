//! Dissertation §6.4 (read-index) and §6.4.1 (leases).

use nori_raft::{Body, Output, ReadId, ReadMode, Refusal};
use norikv_types::{LogIndex, NodeId};

use crate::bench::{Bench, accepted, append, appends_to};

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
