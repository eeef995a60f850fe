//! Raft §6; dissertation §4.1–§4.4.

use nori_raft::{
    Append, Body, Change, Configuration, ConfigurationFault, Entry, Input, MembershipChange,
    Output, Payload, ProposalId, Refusal, Restored, Role,
};
use norikv_types::{LogIndex, Mutant, NodeId, Term};

use crate::bench::{
    Bench, accepted, append, appends_to, at, entries, granted, hard_state, refusal, sent, snapshot,
};

fn of<const N: usize>(voters: [u64; N]) -> Configuration {
    Configuration::new(voters.map(NodeId)).unwrap()
}

fn auto<const N: usize>(changes: [Change; N]) -> MembershipChange {
    MembershipChange::Auto(changes.to_vec())
}

fn change(bench: &mut Bench, change: MembershipChange) -> Vec<Output> {
    let proposal = ProposalId(77);
    bench.input(Input::ChangeMembership { proposal, change })
}

fn in_force(bench: &Bench) -> Configuration {
    bench.raft.configuration().unwrap().clone()
}

/// A leader of 1 to `size` whose term is committed, all peers up to date.
fn settled(size: u64) -> Bench {
    let mut bench = Bench::leader(size);
    for peer in 2..=size {
        bench.receive(peer, 1, accepted(1, 1, 1));
    }
    assert_eq!(bench.commit_index(), 1);
    bench
}

fn entry(term: u64, index: u64, configuration: Configuration) -> Entry {
    Entry {
        term: Term(term),
        index: LogIndex(index),
        payload: Payload::Configuration(configuration.into()),
    }
}

/// An append after (`term`, `index`) that carries one entry of `term`.
fn carries(term: u64, index: u64, configuration: Configuration) -> Body {
    Body::Append(Append {
        prev: at(term, index),
        entries: vec![entry(term, index + 1, configuration)].into(),
        commit_index: LogIndex(0),
        round: 1,
    })
}

/// A follower with entries of these terms, then one that carries `configuration` in the last term.
fn with_configuration(terms: &[u64], configuration: Configuration) -> Bench {
    let mut log = entries(1, terms);
    let term = terms.last().copied().unwrap();
    log.push(entry(term, terms.len() as u64 + 1, configuration));
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state = hard_state(term, None);
    restored.entries = log;
    let mut bench = Bench::restored(3, restored);
    bench.now += bench.config.election_timeout_max;
    bench
}

/// Sends the heartbeat that is due to a leader whose peers all answer it.
fn beat(bench: &mut Bench, peers: &[u64]) -> Vec<Output> {
    let outputs = bench.time_out();
    let round = sent(&outputs)
        .iter()
        .find_map(|(_, message)| match &message.body {
            Body::Append(append) => Some(append.round),
            _ => None,
        });
    let last = bench.raft.status().last.index.0;
    if let Some(round) = round {
        for peer in peers {
            bench.receive(*peer, 1, accepted(round, last, last));
        }
    }
    outputs
}

/// §4.4: "one server is initialized with a configuration entry as the first entry in its log."
#[test]
fn the_first_leader_writes_the_founders_into_the_log() {
    let mut bench = Bench::fresh(3);
    bench.lead();
    let mut again = Bench::leader(3);
    again.receive(2, 2, Body::VoteReply { granted: false });
    for bench in [&bench, &again] {
        assert_eq!(in_force(bench), of([1, 2, 3]));
    }
    // Later leaders open their term with a no-op.
    again.all_durable();
    again.now = again.raft.poll_timeout().unwrap();
    again.lead();
    let restored = Restored {
        configuration: Some(of([1])),
        applied: LogIndex(1),
        snapshot: snapshot(1, 1),
        hard_state: hard_state(1, None),
        fresh: false,
        ..Restored::fresh()
    };
    let mut lone = Bench::restored(3, restored);
    let outputs = lone.time_out();
    let payload = |outputs: &[Output]| {
        outputs.iter().find_map(|output| match output {
            Output::Persist(persist) => persist.entries.first().map(|entry| entry.payload.clone()),
            _ => None,
        })
    };
    assert_eq!(payload(&outputs), None);
    assert_eq!(payload(&lone.all_durable()), Some(Payload::Noop));
    assert_eq!(lone.commit_index(), 2, "a group of one, as its state says");
}

/// §4.1: "The new configuration takes effect on each server as soon as it is added to that server's
/// log".
#[test]
fn a_follower_goes_by_a_new_configuration_as_soon_as_it_stands_in_its_log() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, carries(1, 1, of([1, 2, 3, 4])));
    assert_eq!(in_force(&bench), of([1, 2, 3, 4]));
    assert_eq!(bench.commit_index(), 0);
}

/// §4.1: "a majority of the new configuration is used to determine the C-new entry's commitment".
#[test]
fn a_leader_counts_by_a_new_configuration_as_soon_as_it_stands_in_its_log() {
    let run = || {
        let mut bench = settled(3);
        change(&mut bench, auto([Change::AddVoter(NodeId(4))]));
        bench.all_durable();
        bench.receive(2, 1, accepted(1, 2, 2));
        bench.commit_index()
    };
    assert_eq!(run(), 1, "two of four are no majority");
    let _planted = Mutant::ConfigurationAtCommit.plant();
    assert_eq!(run(), 2);
}

/// §4.1: "a server must be prepared to fall back to the previous configuration in its log."
#[test]
fn a_configuration_whose_entry_is_cut_is_rolled_back() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, carries(1, 1, of([1, 2, 3, 4])));
    bench.receive(3, 2, append((1, 1), &[2], 0, 1));
    assert_eq!(in_force(&bench), of([1, 2, 3]));
}

/// §4.1: a change may start once the one before is committed, and no earlier.
#[test]
fn one_change_at_a_time() {
    let mut bench = settled(3);
    let outputs = change(&mut bench, auto([Change::AddVoter(NodeId(4))]));
    assert_eq!(refusal(&outputs), None);
    let second = auto([Change::AddVoter(NodeId(5))]);
    assert_eq!(
        refusal(&change(&mut bench, second.clone())),
        Some(Refusal::ChangeUnderWay)
    );
    bench.all_durable();
    for peer in [2, 3] {
        bench.receive(peer, 1, accepted(1, 2, 2));
    }
    assert_eq!(bench.commit_index(), 2);
    assert_eq!(refusal(&change(&mut bench, second)), None);
}

/// Ongaro on raft-dev, 10 July 2015: a leader appends no configuration before it has committed an
/// entry of its current term.
#[test]
fn no_change_before_an_entry_of_the_leaders_term_is_committed() {
    let run = || {
        let mut bench = Bench::leader(3);
        refusal(&change(&mut bench, auto([Change::AddVoter(NodeId(4))])))
    };
    assert_eq!(run(), Some(Refusal::TermNotCommitted));
    let _planted = Mutant::ChangesBeforeFirstCommit.plant();
    assert_eq!(run(), None);
}

#[test]
fn a_change_that_changes_nothing_or_leads_nowhere_is_refused() {
    let mut bench = settled(3);
    let void = auto([Change::AddVoter(NodeId(2)), Change::Remove(NodeId(9))]);
    assert_eq!(
        refusal(&change(&mut bench, void)),
        Some(Refusal::VoidChange)
    );
    let nobody = auto([1, 2, 3].map(|id| Change::Remove(NodeId(id))));
    let fault = Refusal::BadChange(ConfigurationFault::NoVoters);
    assert_eq!(refusal(&change(&mut bench, nobody)), Some(fault));
    let mut follower = Bench::with_log(3, &[1]);
    let add = auto([Change::AddVoter(NodeId(4))]);
    assert_eq!(
        refusal(&change(&mut follower, add)),
        Some(Refusal::NotLeader)
    );
}

/// §4.1: "A server accepts AppendEntries requests from a leader that is not part of the server's
/// latest configuration. Otherwise, a new server could never be added to the cluster".
#[test]
fn a_server_without_a_configuration_takes_the_log_of_any_leader() {
    let mut bench = Bench::build(0, Restored::fresh(), |_| {});
    assert_eq!(bench.raft.configuration(), None);
    assert_eq!(bench.raft.poll_timeout(), None);
    bench.receive(7, 1, append((0, 0), &[1], 0, 1));
    bench.receive(7, 1, carries(1, 1, of([7, 8])));
    assert_eq!(in_force(&bench), of([7, 8]));
    assert_eq!(bench.raft.leader(), Some(NodeId(7)));
}

/// §4.1: "A server also grants its vote to a candidate that is not part of the server's latest
/// configuration … This vote may occasionally be needed to keep the cluster available."
#[test]
fn a_server_votes_for_a_candidate_outside_its_configuration() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(9, 2, Body::Vote { last: at(1, 1) });
    assert_eq!(granted(&bench.all_durable()), Some(true));
}

/// §4.2.1: new servers join as non-voting members: the leader replicates entries to them, and does
/// not count them towards majorities.
#[test]
fn a_learner_gets_entries_and_does_not_count() {
    let run = || {
        let mut bench = settled(3);
        let outputs = change(&mut bench, auto([Change::AddLearner(NodeId(4))]));
        assert!(!appends_to(&outputs, 4).is_empty(), "{outputs:?}");
        bench.all_durable();
        bench.receive(4, 1, accepted(1, 2, 2));
        bench.commit_index()
    };
    assert_eq!(run(), 1);
    let _planted = Mutant::LearnerCounts.plant();
    assert_eq!(run(), 2);
}

/// The same for elections, rounds of reads and check-quorum: a learner never campaigns.
#[test]
fn a_learner_never_campaigns_but_learns_that_its_leader_is_gone() {
    let learner = of([2, 3])
        .change(&auto([Change::AddLearner(NodeId(1))]))
        .unwrap();
    let mut bench = with_configuration(&[1], learner.clone());
    bench.receive(2, 1, append((0, 0), &[], 0, 1));
    let restored = Restored {
        configuration: Some(learner),
        applied: LogIndex(1),
        snapshot: snapshot(1, 1),
        hard_state: hard_state(1, None),
        fresh: false,
        ..Restored::fresh()
    };
    let mut bench = Bench::restored(3, restored);
    assert_eq!(bench.raft.poll_timeout(), None);
    bench.receive(2, 1, append((1, 1), &[], 1, 1));
    assert_eq!(bench.raft.leader(), Some(NodeId(2)));
    let outputs = bench.time_out();
    assert_eq!(
        (bench.raft.role(), bench.raft.leader()),
        (Role::Follower, None)
    );
    assert_eq!(sent(&outputs), []);
    assert_eq!(bench.raft.poll_timeout(), None);
}

/// §4.2.2: a leader that is removed steps down once C-new is committed; until then "it replicates log
/// entries but does not count itself in majorities."
#[test]
fn a_removed_leader_leads_until_that_is_committed_and_does_not_count_itself() {
    let run = || {
        let mut bench = settled(3);
        change(&mut bench, auto([Change::Remove(NodeId(1))]));
        bench.all_durable();
        bench.receive(2, 1, accepted(1, 2, 2));
        let early = bench.commit_index();
        assert_eq!(bench.raft.role(), Role::Leader);
        let outputs = bench.receive(3, 1, accepted(1, 2, 2));
        (early, bench.raft.role(), outputs)
    };
    let (early, role, outputs) = run();
    assert_eq!(
        (early, role),
        (1, Role::Follower),
        "one of two is no majority"
    );
    let heir = sent(&outputs);
    let heir = heir
        .iter()
        .find(|(_, message)| matches!(message.body, Body::TimeoutNow { .. }));
    assert!(heir.is_some(), "it hands over first: {outputs:?}");
    let _planted = Mutant::RemovedLeaderCounts.plant();
    let (early, role, _) = run();
    assert_eq!((early, role), (2, Role::Leader));
}

/// It never leads again.
#[test]
fn a_removed_server_whose_removal_is_committed_never_campaigns() {
    let mut bench = with_configuration(&[1], of([2, 3]));
    bench.receive(2, 1, append((1, 2), &[], 2, 1));
    assert_eq!(bench.commit_index(), 2);
    bench.time_out();
    assert_eq!(bench.raft.role(), Role::Follower);
    assert_eq!(bench.raft.poll_timeout(), None);
}

/// §4.2.2: "a server that is not part of its own latest configuration should still start new
/// elections, as it might still be needed until the C-new entry is committed (as in Figure 4.6). It
/// does not count its own vote in elections unless it is part of its latest configuration."
#[test]
fn a_removed_server_that_alone_has_its_removal_campaigns_without_its_own_vote() {
    let mut bench = with_configuration(&[1], of([2, 3]));
    bench.time_out();
    assert_eq!(bench.raft.role(), Role::PreCandidate);
    let campaign = Term(2);
    let yes = Body::PreVoteReply {
        campaign,
        granted: true,
    };
    bench.receive(2, 1, yes.clone());
    assert_eq!(
        bench.raft.role(),
        Role::PreCandidate,
        "one of two, its own does not count"
    );
    bench.receive(3, 1, yes);
    assert_eq!(bench.raft.role(), Role::Candidate);
}

/// §4.2.3: a removed server that hears no heartbeats starts elections; whoever heard a leader lately
/// neither moves its term nor votes.
#[test]
fn a_removed_server_cannot_disrupt() {
    let mut bench = Bench::with_log(3, &[1]);
    bench.receive(2, 1, carries(1, 1, of([1, 2])));
    bench.wait(100);
    let ask = Body::PreVote {
        campaign: Term(5),
        last: at(4, 9),
    };
    assert_eq!(granted(&bench.receive(3, 4, ask)), None);
    assert_eq!(
        granted(&bench.receive(3, 5, Body::Vote { last: at(4, 9) })),
        None
    );
    assert_eq!(bench.raft.term(), Term(1));
}

/// It is told for a while, so that it can go.
#[test]
fn a_removed_server_is_sent_its_removal_and_then_forgotten() {
    let mut bench = settled(3);
    let outputs = change(&mut bench, auto([Change::Remove(NodeId(3))]));
    assert_eq!(appends_to(&outputs, 3).len(), 1);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 2, 2));
    assert_eq!(bench.commit_index(), 2);
    let told = bench.now + 3 * bench.config.election_timeout_max;
    let mut outputs = Vec::new();
    while bench.now < told {
        outputs = beat(&mut bench, &[2]);
    }
    assert_eq!(appends_to(&outputs, 3), []);
    assert_eq!(bench.raft.status().peers.len(), 1);
}

fn match_index(bench: &Bench, peer: u64) -> u64 {
    let peers = bench.raft.status().peers;
    let peer = peers.iter().find(|own| own.id == NodeId(peer));
    peer.unwrap().match_index.0
}

/// An acknowledgement that was on its way when the disk behind it was lost says what is not there.
#[test]
fn what_a_lost_replica_had_acknowledged_does_not_count_when_it_comes_late() {
    let mut bench = settled(3);
    bench.propose(1);
    bench.all_durable();
    bench.input(Input::PeerForgot(NodeId(3)));
    bench.receive(3, 1, accepted(1, 2, 2));
    assert_eq!((bench.commit_index(), match_index(&bench, 3)), (1, 0));
    beat(&mut bench, &[3]);
    assert_eq!((bench.commit_index(), match_index(&bench, 3)), (2, 2));
}

/// §4.4: a removed server may erase what it holds, and comes back as a new one.
#[test]
fn a_removed_server_that_is_added_again_counts_from_nothing() {
    for told in [false, true] {
        let mut bench = settled(3);
        change(&mut bench, auto([Change::Remove(NodeId(3))]));
        bench.all_durable();
        bench.receive(2, 1, accepted(1, 2, 2));
        bench.receive(3, 1, accepted(1, 2, 2));
        let until = bench.now + 3 * bench.config.election_timeout_max;
        while told && bench.now < until {
            beat(&mut bench, &[2]);
        }
        change(&mut bench, auto([Change::AddLearner(NodeId(3))]));
        assert_eq!(match_index(&bench, 3), 0);
        bench.receive(3, 1, accepted(1, 2, 2));
        assert_eq!(match_index(&bench, 3), 0, "of the one that was removed");
        beat(&mut bench, &[3]);
        assert_eq!(match_index(&bench, 3), 3);
    }
}

/// Raft §6: "Log entries are replicated to all servers in both configurations"; "Agreement (for
/// elections and entry commitment) requires separate majorities from both the old and new
/// configurations."
#[test]
fn a_joint_configuration_decides_by_both_majorities() {
    let run = || {
        let mut bench = settled(3);
        let two = auto([
            Change::AddVoter(NodeId(4)),
            Change::AddVoter(NodeId(5)),
            Change::Remove(NodeId(2)),
            Change::Remove(NodeId(3)),
        ]);
        let outputs = change(&mut bench, two);
        let to: Vec<bool> = (2..=5)
            .map(|peer| !appends_to(&outputs, peer).is_empty())
            .collect();
        assert_eq!(to, [true; 4]);
        bench.all_durable();
        // The incoming half: 1, 4, 5.
        bench.receive(4, 1, accepted(1, 2, 2));
        bench.receive(5, 1, accepted(1, 2, 2));
        let early = bench.commit_index();
        bench.receive(2, 1, accepted(1, 2, 2));
        (early, bench.commit_index())
    };
    assert_eq!(run(), (1, 2));
    let _planted = Mutant::JointByOneHalf.plant();
    assert_eq!(run().0, 2);
}

/// Raft §6: "It is now safe for the leader to create a log entry
/// describing C-new".
#[test]
fn a_joint_configuration_is_left_by_itself_once_it_is_committed() {
    let mut bench = settled(3);
    let two = auto([Change::AddVoter(NodeId(4)), Change::Remove(NodeId(3))]);
    change(&mut bench, two);
    bench.all_durable();
    bench.receive(4, 1, accepted(1, 2, 2));
    let again = auto([Change::AddVoter(NodeId(6))]);
    assert_eq!(
        refusal(&change(&mut bench, again)),
        Some(Refusal::ChangeUnderWay)
    );
    assert!(in_force(&bench).is_joint());
    bench.receive(2, 1, accepted(1, 2, 2));
    assert_eq!(in_force(&bench), of([1, 2, 4]));
    assert_eq!(bench.log_end(), (1, 3));
    bench.all_durable();
    bench.receive(4, 1, accepted(1, 3, 3));
    assert_eq!(bench.commit_index(), 3);
}

#[test]
fn one_that_is_not_left_by_itself_waits_for_the_word() {
    let mut bench = settled(3);
    let joint = MembershipChange::Joint {
        changes: vec![Change::Remove(NodeId(3))],
        auto_leave: false,
    };
    change(&mut bench, joint);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 2, 2));
    assert!(in_force(&bench).is_joint());
    let add = auto([Change::AddVoter(NodeId(4))]);
    assert_eq!(
        refusal(&change(&mut bench, add)),
        Some(Refusal::ChangeUnderWay)
    );
    assert_eq!(refusal(&change(&mut bench, MembershipChange::Leave)), None);
    assert_eq!(in_force(&bench), of([1, 2]));
}

/// Raft §6: "If the leader crashes, a new leader may be chosen under either C-old or C-old,new"; one
/// that has the joint one goes on with it.
#[test]
fn a_new_leader_goes_on_with_a_joint_configuration_that_it_finds() {
    let two = auto([Change::AddVoter(NodeId(4)), Change::Remove(NodeId(3))]);
    let joint = of([1, 2, 3]).change(&two).unwrap();
    let mut bench = with_configuration(&[1], joint);
    bench.time_out();
    let campaign = Term(2);
    let yes = Body::PreVoteReply {
        campaign,
        granted: true,
    };
    bench.receive(3, 1, yes.clone());
    assert_eq!(
        bench.raft.role(),
        Role::PreCandidate,
        "1 and 3 are a majority of the old only"
    );
    bench.receive(4, 1, yes);
    bench.all_durable();
    for peer in [3, 4] {
        bench.receive(peer, 2, Body::VoteReply { granted: true });
    }
    assert_eq!(bench.raft.role(), Role::Leader);
    bench.all_durable();
    for peer in [3, 4] {
        bench.receive(peer, 2, accepted(1, 3, 3));
    }
    assert_eq!(in_force(&bench), of([1, 2, 4]));
}

/// Raft §7, figure 13: a snapshot includes "the latest configuration in the log as of last included
/// index".
#[test]
fn a_snapshot_brings_its_configuration() {
    let run = || {
        let mut bench = Bench::with_log(3, &[1]);
        let covers = snapshot(1, 9);
        bench.input(Input::SnapshotReceived {
            from: NodeId(2),
            term: Term(1),
            snapshot: covers,
        });
        bench.input(Input::SnapshotInstalled {
            snapshot: covers,
            configuration: Some(of([1, 2, 5])),
        });
        in_force(&bench)
    };
    assert_eq!(run(), of([1, 2, 5]));
    let _planted = Mutant::SnapshotForgetsMembers.plant();
    assert_eq!(run(), of([1, 2, 3]));
}

/// Check-quorum and rounds go by the configuration, too.
#[test]
fn a_leader_that_hears_only_learners_steps_down() {
    let mut bench = settled(3);
    change(&mut bench, auto([Change::AddLearner(NodeId(4))]));
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 2, 2));
    let patience = bench.now + bench.config.election_timeout_max;
    while bench.now < patience {
        assert_eq!(bench.raft.role(), Role::Leader);
        beat(&mut bench, &[4]);
    }
    assert_eq!(bench.raft.role(), Role::Follower);
}
