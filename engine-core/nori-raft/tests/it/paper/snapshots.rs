//! Raft §7.

use nori_raft::{AppendOutcome, Body, Input, Output, PeerState};
use norikv_types::{LogIndex, NodeId, Term};

use crate::bench::{
    Bench, accepted, append, appends_to, applied, installed, reply, sent, snapshot,
};

fn received(bench: &mut Bench, term: u64, covers: (u64, u64)) -> Vec<Output> {
    bench.input(Input::SnapshotReceived {
        from: NodeId(2),
        term: Term(term),
        snapshot: snapshot(covers.0, covers.1),
    })
}

fn installs(outputs: &[Output]) -> usize {
    let install = |output: &&Output| matches!(output, Output::InstallSnapshot { .. });
    outputs.iter().filter(install).count()
}

fn exports(outputs: &[Output]) -> usize {
    let export = |output: &&Output| matches!(output, Output::ExportSnapshot { .. });
    outputs.iter().filter(export).count()
}

/// A leader of three with `count` entries, all but the last one compacted.
fn compacted(count: u64) -> Bench {
    let mut bench = Bench::leader(3);
    for number in 1..count {
        bench.propose(number);
    }
    bench.all_durable();
    bench.receive(3, 1, accepted(1, count, count));
    bench.input(Input::Applied(LogIndex(count)));
    bench.input(Input::Compact(LogIndex(count - 1)));
    bench
}

/// §7: "The leader … must occasionally send snapshots to followers that lag behind. This happens
/// when the leader has already discarded the next log entry that it needs to send".
#[test]
fn a_follower_that_needs_compacted_entries_gets_a_snapshot_then_the_log() {
    let mut bench = compacted(6);
    let outputs = bench.receive(2, 1, accepted(1, 0, 0));
    assert_eq!(exports(&outputs), 1);
    assert_eq!(bench.raft.status().peers[0].state, PeerState::Snapshot);
    assert_eq!(exports(&bench.receive(2, 1, accepted(1, 0, 0))), 0, "once");

    let exported = Some(snapshot(1, 6));
    let to = NodeId(2);
    bench.input(Input::SnapshotExported {
        to,
        snapshot: exported,
    });
    bench.propose(9);
    bench.input(Input::SnapshotSent { to, ok: true });
    let outputs = bench.receive(2, 1, accepted(1, 6, 6));
    assert_eq!(appends_to(&outputs, 2), [(6, 1, 1)]);
}

#[test]
fn a_failed_export_or_transfer_is_tried_again_when_the_peer_answers() {
    let mut bench = compacted(6);
    let to = NodeId(2);
    assert_eq!(exports(&bench.receive(2, 1, accepted(1, 0, 0))), 1);
    bench.input(Input::SnapshotExported { to, snapshot: None });
    assert_eq!(exports(&bench.receive(2, 1, accepted(1, 0, 0))), 1);
    let exported = Some(snapshot(1, 6));
    bench.input(Input::SnapshotExported {
        to,
        snapshot: exported,
    });
    bench.input(Input::SnapshotSent { to, ok: false });
    assert_eq!(exports(&bench.receive(2, 1, accepted(1, 0, 0))), 1);
}

/// A peer that crashed with the snapshot in its hands needs it again; one that installs does not.
#[test]
fn a_snapshot_that_was_lost_after_its_arrival_is_sent_again() {
    let mut bench = compacted(6);
    let to = NodeId(2);
    bench.receive(2, 1, accepted(1, 0, 0));
    let exported = Some(snapshot(1, 6));
    bench.input(Input::SnapshotExported {
        to,
        snapshot: exported,
    });
    bench.input(Input::SnapshotSent { to, ok: true });
    bench.time_out();
    let mut busy = accepted(2, 0, 0);
    if let Body::AppendReply(reply) = &mut busy
        && let AppendOutcome::Accepted { installing, .. } = &mut reply.outcome
    {
        *installing = Some(LogIndex(6));
    }
    assert_eq!(exports(&bench.receive(2, 1, busy)), 0);
    bench.receive(3, 1, accepted(2, 6, 6));
    bench.time_out();
    assert_eq!(exports(&bench.receive(2, 1, accepted(3, 0, 0))), 1);
}

/// §7: "if the follower … receives a snapshot that describes a prefix of its log …, entries following
/// the snapshot are still valid and must be retained".
#[test]
fn a_log_that_contains_the_snapshots_position_is_kept() {
    let mut bench = Bench::with_log(3, &[1, 1, 1, 1]);
    let outputs = received(&mut bench, 1, (1, 3));
    assert_eq!(installs(&outputs), 1);
    let outputs = bench.input(installed(snapshot(1, 3)));
    assert_eq!(bench.log_end(), (1, 4));
    assert_eq!(bench.commit_index(), 3);
    assert!(bench.writes.is_empty());
    assert!(reply(&outputs).is_some());
}

/// §7: "Usually the snapshot will contain new information not already in the recipient's log. In this
/// case, the follower discards its entire log".
#[test]
fn a_log_that_does_not_contain_it_is_reset_and_goes_on_after_it() {
    let mut bench = Bench::with_log(3, &[1, 1, 1, 1]);
    received(&mut bench, 3, (2, 4));
    bench.all_durable();
    let outputs = bench.input(installed(snapshot(2, 4)));
    assert_eq!(bench.log_end(), (2, 4));
    let reset = outputs.iter().find_map(|output| match output {
        Output::Persist(persist) => persist.reset,
        _ => None,
    });
    assert_eq!(reset, Some(snapshot(2, 4)));
    let outcome = AppendOutcome::Accepted {
        match_index: LogIndex(4),
        received_index: LogIndex(4),
        installing: None,
    };
    assert_eq!(
        reply(&outputs),
        Some(outcome),
        "the leader goes on from there"
    );
    bench.receive(2, 3, append((2, 4), &[3], 5, 2));
    assert_eq!(applied(&bench.all_durable()), [5]);
}

#[test]
fn nothing_is_handed_out_while_a_snapshot_is_being_installed() {
    let mut bench = Bench::with_log(3, &[1, 1]);
    received(&mut bench, 1, (1, 4));
    bench.receive(2, 1, append((1, 2), &[1, 1, 1], 5, 2));
    let outputs = bench.all_durable();
    assert_eq!(bench.commit_index(), 5);
    assert_eq!(applied(&outputs), []);
    let outputs = bench.input(installed(snapshot(1, 4)));
    assert_eq!(applied(&outputs), [5]);
}

#[test]
fn a_snapshot_at_or_below_the_commit_index_is_answered_and_not_installed() {
    let mut bench = Bench::with_log(3, &[1, 1]);
    bench.receive(2, 1, append((1, 2), &[], 2, 1));
    let outputs = received(&mut bench, 1, (1, 2));
    assert_eq!(installs(&outputs), 0);
    assert!(reply(&outputs).is_some());
}

#[test]
fn a_snapshot_of_an_earlier_term_is_refused_and_told() {
    let mut bench = Bench::with_log(3, &[5]);
    let outputs = received(&mut bench, 4, (4, 9));
    assert_eq!(installs(&outputs), 0);
    assert_eq!(reply(&outputs), Some(AppendOutcome::Outdated));
    assert_eq!(sent(&outputs)[0].1.term, Term(5));
}

#[test]
fn entries_that_a_peer_still_needs_from_memory_are_sent_from_the_start_of_the_log() {
    let mut bench = compacted(6);
    let outputs = bench.receive(2, 1, accepted(1, 5, 5));
    assert_eq!(exports(&outputs), 0);
    assert_eq!(appends_to(&outputs, 2), [(5, 1, 1)]);
}
