//! Witnesses: voters that hold no data (Pâris, "Voting with Witnesses", 1986); here they hold the
//! terms of the log, and no commands.

use bytes::Bytes;
use nori_raft::{
    Append, Body, Change, Configuration, Entry, Error, Input, MembershipChange, Misuse, Output,
    Payload, ProposalId, ReadMode, Refusal, Restored, Role,
};
use norikv_types::{LogIndex, Mutant, NodeId, Term};

use crate::bench::{Bench, accepted, at, granted, hard_state, refusal, sent, snapshot};

fn auto<const N: usize>(changes: [Change; N]) -> MembershipChange {
    MembershipChange::Auto(changes.to_vec())
}

fn two_and_a_witness(witness: u64) -> Configuration {
    let others = (1..=3).filter(|id| *id != witness).map(NodeId);
    let add = auto([Change::AddWitness(NodeId(witness))]);
    Configuration::new(others).unwrap().change(&add).unwrap()
}

/// Node 1, whose state machine holds one entry and this configuration, in term 1.
fn member(configuration: Configuration) -> Bench {
    let restored = Restored {
        configuration: Some(configuration),
        applied: LogIndex(1),
        snapshot: snapshot(1, 1),
        hard_state: hard_state(1, None),
        fresh: false,
        ..Restored::fresh()
    };
    let mut bench = Bench::restored(3, restored);
    bench.now += bench.config.election_timeout_max;
    bench
}

fn payloads_to(outputs: &[Output], peer: u64) -> Vec<Payload> {
    let messages = sent(outputs).into_iter().filter(|(to, _)| *to == peer);
    let appends = messages.filter_map(|(_, message)| match &message.body {
        Body::Append(append) => Some(&append.entries),
        _ => None,
    });
    appends
        .flatten()
        .map(|entry| entry.payload.clone())
        .collect()
}

fn carries(index: u64, payload: Payload) -> Body {
    Body::Append(Append {
        prev: at(1, index - 1),
        entries: vec![Entry {
            term: Term(1),
            index: LogIndex(index),
            payload,
        }]
        .into(),
        commit_index: LogIndex(0),
        round: 1,
    })
}

fn command() -> Payload {
    Payload::Command(Bytes::from_static(b"set"))
}

#[test]
fn a_witness_counts_and_gets_no_commands() {
    let run = || {
        let mut bench = member(two_and_a_witness(3));
        bench.lead();
        for peer in [2, 3] {
            bench.receive(peer, 2, accepted(1, 2, 2));
        }
        let mut outputs = bench.propose(1);
        outputs.extend(bench.all_durable());
        let got = (payloads_to(&outputs, 2), payloads_to(&outputs, 3));
        bench.receive(3, 2, accepted(1, 3, 3));
        assert_eq!(
            bench.commit_index(),
            3,
            "the leader and the witness are two of three"
        );
        got
    };
    let (voter, witness) = run();
    assert!(matches!(voter[..], [Payload::Command(_)]), "{voter:?}");
    assert_eq!(witness, [Payload::Elided]);
    let _planted = Mutant::WitnessGetsCommands.plant();
    assert_eq!(run().1, voter);
}

#[test]
fn a_witness_votes_and_never_campaigns() {
    let mut bench = member(two_and_a_witness(1));
    assert_eq!(bench.raft.poll_timeout(), None);
    bench.receive(2, 1, Body::TimeoutNow { round: 1 });
    assert_eq!(bench.raft.role(), Role::Follower);
    bench.wait(150);
    bench.receive(2, 2, Body::Vote { last: at(1, 1) });
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

#[test]
fn a_witness_serves_no_reads_and_is_no_target() {
    let mut bench = member(two_and_a_witness(1));
    bench.receive(2, 1, carries(2, Payload::Noop));
    let refused = |output: &Output| {
        let witness = Refusal::Witness;
        matches!(output, Output::ReadRefused { reason, .. } if *reason == witness)
    };
    for mode in [ReadMode::Linearizable, ReadMode::Follower { lease: true }] {
        assert!(bench.read(1, mode).iter().any(refused));
    }
    let mut leader = member(two_and_a_witness(3));
    leader.lead();
    let (proposal, to) = (ProposalId(1), NodeId(3));
    let outputs = leader.input(Input::Transfer { proposal, to });
    assert_eq!(refusal(&outputs), Some(Refusal::BadTarget));
}

/// Whatever becomes of configurations: a log without commands is never taken for one with them.
#[test]
fn commands_and_entries_without_them_do_not_mix_in_one_log() {
    let wrong = |bench: &mut Bench, body| {
        let outcome = bench.try_receive(2, 1, body);
        matches!(
            outcome,
            Err(Error::PeerMisuse {
                misuse: Misuse::WrongKind,
                ..
            })
        )
    };
    let mut witness = member(two_and_a_witness(1));
    assert!(wrong(&mut witness, carries(2, command())));
    assert!(!wrong(&mut witness, carries(2, Payload::Elided)));
    let mut voter = member(two_and_a_witness(3));
    assert!(wrong(&mut voter, carries(2, Payload::Elided)));
    assert!(!wrong(&mut voter, carries(2, command())));
    // It does not know yet what it is to be; another leader thinks otherwise than the first one.
    let mut fresh = member(Configuration::new([NodeId(2), NodeId(3)]).unwrap());
    assert!(!wrong(&mut fresh, carries(2, Payload::Elided)));
    assert!(wrong(&mut fresh, carries(3, command())));
}

/// Else a witness alone could hold the end of the log when the leader has gone: a group that nobody
/// can lead.
#[test]
fn a_leader_that_is_removed_appends_nothing_behind_its_removal() {
    let mut bench = member(two_and_a_witness(3));
    bench.lead();
    for peer in [2, 3] {
        bench.receive(peer, 2, accepted(1, 2, 2));
    }
    let (proposal, change) = (ProposalId(1), auto([Change::Remove(NodeId(1))]));
    bench.input(Input::ChangeMembership { proposal, change });
    assert_eq!(refusal(&bench.propose(2)), Some(Refusal::Transferring));
}

/// Else the leader could lose in a crash what the witness then demands of whoever wants its vote.
#[test]
fn a_witness_is_sent_only_what_is_durable_at_the_leader() {
    let mut bench = member(two_and_a_witness(3));
    bench.lead();
    for peer in [2, 3] {
        bench.receive(peer, 2, accepted(1, 2, 2));
    }
    let outputs = bench.propose(1);
    assert_eq!(payloads_to(&outputs, 2).len(), 1);
    assert_eq!(payloads_to(&outputs, 3), []);
    assert_eq!(payloads_to(&bench.all_durable(), 3), [Payload::Elided]);
}
