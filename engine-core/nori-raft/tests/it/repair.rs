//! A replica that lost entries of its log: what it may not do until it has them again.

use nori_raft::{
    AppendOutcome, Body, Entry, Input, LogPiece, Output, Persist, Reader, Restored, Stretch,
};
use norikv_types::{LogIndex, Mutant, NodeId, Term};

use crate::bench::{Bench, accepted, append, applied, at, entries, granted, reply, sent};

/// Node 1 of 3 with a log of these terms that is committed up to `commit_index`, without the
/// entries `from..=up_to`, and not restarted of late.
fn damaged(terms: &[u64], commit_index: u64, from: u64, up_to: u64) -> Bench {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state.term = Term(*terms.last().unwrap());
    restored.hard_state.commit_index = LogIndex(commit_index);
    restored.entries = entries(1, terms);
    (restored.entries).retain(|entry| !(from..=up_to).contains(&entry.index.0));
    restored.damaged = vec![stretch(from, up_to)];
    let mut bench = Bench::restored(3, restored);
    bench.now += bench.config.election_timeout_max;
    bench
}

fn stretch(from: u64, up_to: u64) -> Stretch {
    Stretch {
        from: LogIndex(from),
        up_to: LogIndex(up_to),
    }
}

fn piece(first: u64, terms: &[u64], commit_index: u64) -> Body {
    piece_after((1, first - 1), terms, commit_index)
}

fn piece_after(prev: (u64, u64), terms: &[u64], commit_index: u64) -> Body {
    let first = prev.1 + 1;
    Body::Entries(LogPiece {
        prev: at(prev.0, prev.1),
        entries: entries(first, terms).into(),
        commit_index: LogIndex(commit_index),
    })
}

fn persisted(outputs: &[Output]) -> Option<&Persist> {
    outputs.iter().find_map(|output| match output {
        Output::Persist(persist) => Some(persist),
        _ => None,
    })
}

fn versions(entries: &[Entry]) -> Vec<(u64, u64)> {
    let entries = entries.iter().map(Entry::version);
    entries.map(|at| (at.term.0, at.index.0)).collect()
}

/// Terms and indexes.
type Places = Vec<(u64, u64)>;

/// Which stretch it asks whom for.
fn asks(outputs: &[Output]) -> Option<(u64, Stretch)> {
    sent(outputs)
        .into_iter()
        .find_map(|(to, message)| match message.body {
            Body::FetchEntries(wanted) => Some((to, wanted)),
            _ => None,
        })
}

#[test]
fn a_stretch_that_storage_never_had_is_refused() {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state.term = Term(1);
    restored.entries = entries(1, &[1, 1, 1]);
    restored.damaged = vec![stretch(2, 2)];
    let config = nori_raft::Config::new(NodeId(1), (1..=3).map(NodeId), 9);
    let built = nori_raft::Raft::new(config, restored, norikv_types::Mono::ZERO);
    assert!(built.is_err(), "an entry is there or damaged, not both");
}

/// Whether it votes for a candidate whose log is as long as its own was.
fn votes_without_an_entry() -> Option<bool> {
    let mut bench = damaged(&[1, 1, 1], 0, 2, 2);
    let last = at(1, 3);
    let mut outputs = bench.receive(2, 2, Body::Vote { last });
    outputs.extend(bench.all_durable());
    granted(&outputs)
}

#[test]
fn a_vote_without_what_was_acknowledged_is_caught() {
    assert_eq!(votes_without_an_entry(), None);
    let _planted = Mutant::VotesWhileDamaged.plant();
    assert_eq!(votes_without_an_entry(), Some(true));
}

#[test]
fn it_does_not_campaign_but_asks_for_what_it_lacks() {
    let mut bench = damaged(&[1, 1, 1], 0, 2, 2);
    let outputs = bench.time_out();
    assert_eq!(asks(&outputs), Some((2, stretch(2, 2))));
    for _ in 0..20 {
        let outputs = bench.time_out();
        let campaigns = |(_, message): &(u64, &nori_raft::Message)| {
            matches!(message.body, Body::PreVote { .. } | Body::Vote { .. })
        };
        assert!(!sent(&outputs).iter().any(campaigns));
    }
    assert_eq!(bench.raft.term(), Term(1));
}

#[test]
fn an_entry_that_came_back_is_not_acknowledged_before_it_is_durable() {
    let mut bench = damaged(&[1, 1, 1, 1], 0, 3, 3);
    let outputs = bench.receive(2, 1, append((1, 2), &[1, 1], 0, 1));
    let Some(AppendOutcome::Accepted { match_index, .. }) = reply(&outputs) else {
        panic!("{outputs:?}");
    };
    assert_eq!(match_index, LogIndex(2));
    bench.all_durable();
    let outputs = bench.receive(2, 1, append((1, 4), &[], 0, 2));
    let Some(AppendOutcome::Accepted { match_index, .. }) = reply(&outputs) else {
        panic!("{outputs:?}");
    };
    assert_eq!(match_index, LogIndex(4));
    assert!(!bench.raft.is_damaged());
}

/// What it acknowledges while an entry that came back is not durable.
fn acknowledged_too_early() -> LogIndex {
    let mut bench = damaged(&[1, 1, 1, 1], 0, 3, 3);
    let outputs = bench.receive(2, 1, append((1, 2), &[1, 1], 0, 1));
    match reply(&outputs) {
        Some(AppendOutcome::Accepted { match_index, .. }) => match_index,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_acknowledgement_of_what_was_lost_is_caught() {
    assert_eq!(acknowledged_too_early(), LogIndex(2));
    let _planted = Mutant::AcksWhatItLost.plant();
    assert_eq!(acknowledged_too_early(), LogIndex(4));
}

#[test]
fn a_leader_that_finds_agreement_behind_the_hole_is_sent_before_it() {
    let mut bench = damaged(&[1, 1, 1, 1], 0, 2, 3);
    bench.receive(2, 2, append((1, 4), &[2], 0, 1));
    bench.all_durable();
    let outputs = bench.receive(2, 2, append((1, 4), &[2], 0, 1));
    let hint = at(1, 1);
    let prev_index = LogIndex(4);
    assert_eq!(
        reply(&outputs),
        Some(AppendOutcome::Rejected { prev_index, hint })
    );
}

/// What is written, in place and at the end, when the lost entry comes back.
fn written_when_it_comes_back(term: u64) -> (Places, Places) {
    let mut bench = damaged(&[2, 2, 2], 0, 2, 2);
    bench.time_out();
    let outputs = bench.receive(3, 4, piece(2, &[term], 0));
    match persisted(&outputs) {
        Some(persist) => (versions(&persist.rewrites), versions(&persist.entries)),
        None => (Vec::new(), Vec::new()),
    }
}

#[test]
fn what_comes_back_is_written_in_its_place_and_cuts_nothing() {
    assert_eq!(written_when_it_comes_back(2), (vec![(2, 2)], vec![]));
    let _planted = Mutant::RepairCuts.plant();
    assert_eq!(written_when_it_comes_back(2), (vec![], vec![(2, 2)]));
}

#[test]
fn a_repair_with_an_entry_of_another_term_is_caught() {
    assert_eq!(written_when_it_comes_back(1), (vec![], vec![]));
    let _planted = Mutant::RepairTakesAnyTerm.plant();
    assert_eq!(written_when_it_comes_back(1), (vec![(1, 2)], vec![]));
}

#[test]
fn where_the_term_is_not_known_only_what_is_committed_counts() {
    let mut bench = damaged(&[1, 2, 3], 0, 2, 2);
    bench.time_out();
    let outputs = bench.receive(3, 3, piece(2, &[2, 3], 1));
    assert!(persisted(&outputs).is_none(), "{outputs:?}");
    let outputs = bench.receive(3, 3, piece(2, &[2, 3], 2));
    let persist = persisted(&outputs).unwrap();
    assert_eq!(versions(&persist.rewrites), [(2, 2)]);
    let outputs = bench.all_durable();
    let repaired = |output: &Output| matches!(output, Output::Event(nori_raft::Event::Repaired));
    assert!(outputs.iter().any(repaired));
    let status = bench.raft.status();
    assert_eq!((status.last, bench.raft.is_damaged()), (at(3, 3), false));
}

/// Indexes that are handed out of a log that is committed to its end.
fn handed_out() -> Vec<u64> {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state.term = Term(1);
    restored.hard_state.commit_index = LogIndex(4);
    restored.entries = entries(1, &[1, 1, 1, 1]);
    restored.entries.remove(2);
    restored.damaged = vec![stretch(3, 3)];
    let config = nori_raft::Config::new(NodeId(1), (1..=3).map(NodeId), 9);
    let mut raft = nori_raft::Raft::new(config, restored, norikv_types::Mono::ZERO).unwrap();
    let mut indexes = Vec::new();
    while let Some(output) = raft.poll_output() {
        match output {
            Output::Apply { entries } => indexes.extend(entries.iter().map(|entry| entry.index.0)),
            Output::FetchEntries { from, up_to, .. } => indexes.extend(from.0..=up_to.0),
            _ => {}
        }
    }
    indexes
}

#[test]
fn applying_what_was_lost_is_caught() {
    assert_eq!(handed_out(), [1, 2]);
    let _planted = Mutant::AppliesWhatItLost.plant();
    assert_eq!(handed_out(), [1, 2, 3], "up to what is in memory");
}

#[test]
fn entries_that_came_back_are_applied_once_durable() {
    let mut bench = damaged(&[1, 1, 1, 1], 4, 3, 3);
    bench.input(Input::EntriesFetched {
        reader: Reader::Apply,
        from: LogIndex(1),
        entries: Some(entries(1, &[1, 1]).into()),
    });
    bench.time_out();
    bench.receive(2, 1, piece(3, &[1], 4));
    let outputs = bench.all_durable();
    let fetch = outputs.iter().find_map(|output| match output {
        Output::FetchEntries {
            reader: Reader::Apply,
            from,
            up_to,
            ..
        } => Some((from.0, up_to.0)),
        _ => None,
    });
    assert_eq!(fetch, Some((3, 3)), "it is not in memory");
    let outputs = bench.input(Input::EntriesFetched {
        reader: Reader::Apply,
        from: LogIndex(3),
        entries: Some(entries(3, &[1]).into()),
    });
    assert_eq!(applied(&outputs), [3, 4]);
}

#[test]
fn a_log_whose_end_is_lost_is_whole_again_when_it_agrees_as_far_as_it_reached() {
    let mut bench = damaged(&[1, 1, 1, 1], 0, 3, 4);
    assert_eq!(bench.log_end(), (1, 2));
    assert_eq!(asks(&bench.time_out()), Some((2, stretch(3, 4))));
    bench.receive(2, 1, append((1, 2), &[1], 0, 1));
    bench.all_durable();
    assert!(
        bench.raft.is_damaged(),
        "it may have acknowledged the fourth"
    );
    bench.receive(2, 1, append((1, 3), &[1], 0, 1));
    assert!(bench.raft.is_damaged(), "it is not durable");
    bench.all_durable();
    assert!(!bench.raft.is_damaged());
}

#[test]
fn a_log_whose_end_is_lost_is_whole_again_with_an_entry_of_a_later_term() {
    let mut bench = damaged(&[1, 1, 1, 1], 0, 3, 4);
    bench.receive(2, 2, append((1, 2), &[2], 0, 1));
    bench.all_durable();
    assert!(!bench.raft.is_damaged());
}

#[test]
fn a_log_whose_end_is_lost_takes_only_what_is_proven() {
    let mut bench = damaged(&[1, 1, 1, 1], 0, 3, 4);
    bench.time_out();
    bench.receive(3, 1, piece(3, &[1, 1], 0));
    assert_eq!(
        bench.log_end(),
        (1, 2),
        "not committed, and not its leader's"
    );
    bench.receive(3, 1, piece(3, &[1, 1], 3));
    assert_eq!(bench.log_end(), (1, 3));
}

#[test]
fn what_is_committed_is_not_put_behind_an_entry_that_is_void() {
    // The second entry was never committed: in term 3 another one took its place.
    let mut bench = damaged(&[1, 2, 2], 0, 3, 3);
    bench.time_out();
    bench.receive(3, 3, piece_after((3, 2), &[3], 3));
    assert_eq!(bench.log_end(), (2, 2));
    let mut bench = damaged(&[1, 2, 2, 4], 0, 3, 3);
    bench.time_out();
    let outputs = bench.receive(3, 5, piece_after((3, 2), &[3], 3));
    let repairs = |persist: &Persist| !persist.rewrites.is_empty();
    assert!(!persisted(&outputs).is_some_and(repairs), "{outputs:?}");
}

#[test]
fn an_unknown_stretch_closes_only_where_what_stands_behind_it_is_the_same() {
    // In term 2 the second and the third entry were others than in term 3: what is committed is
    // not to be put before an entry that does not follow on it.
    let closes = |terms: &[u64]| {
        let mut bench = damaged(&[1, 2, 3], 0, 2, 2);
        bench.time_out();
        let outputs = bench.receive(3, 4, piece(2, terms, 2));
        persisted(&outputs).is_some_and(|persist| !persist.rewrites.is_empty())
    };
    assert!(!closes(&[1]), "it is not known what follows");
    assert!(!closes(&[1, 4]));
    assert!(closes(&[1, 3]));
}

#[test]
fn where_the_leaders_log_is_another_one_it_cuts() {
    let mut bench = damaged(&[1, 2, 2, 2], 0, 2, 3);
    bench.receive(2, 3, append((1, 1), &[3], 0, 1));
    bench.all_durable();
    assert_eq!(bench.log_end(), (3, 2));
    assert!(!bench.raft.is_damaged());
}

#[test]
fn whoever_forgot_what_it_promised_says_nothing() {
    let mut restored = Restored::fresh();
    restored.fresh = false;
    restored.hard_state.term = Term(1);
    restored.amnesia = true;
    let mut bench = Bench::restored(3, restored);
    bench.now += bench.config.election_timeout_max;
    let outputs = bench.receive(2, 1, append((0, 0), &[1], 0, 1));
    assert_eq!(reply(&outputs), None);
    assert_eq!(reply(&bench.all_durable()), None);
    bench.wait(1_000);
    let outputs = bench.receive(3, 2, Body::Vote { last: at(1, 1) });
    assert_eq!(granted(&outputs), None);
}

#[test]
fn a_peer_gives_what_it_has_from_memory_or_from_its_log() {
    let mut bench = Bench::with_log(3, &[1, 1, 1, 1]);
    let outputs = bench.receive(2, 1, Body::FetchEntries(stretch(2, 9)));
    let given = |outputs: &[Output]| {
        sent(outputs)
            .into_iter()
            .find_map(|(to, message)| match &message.body {
                Body::Entries(piece) => Some((to, versions(&piece.entries))),
                _ => None,
            })
    };
    assert_eq!(given(&outputs), Some((2, vec![(1, 2), (1, 3), (1, 4)])));
    let mut bench = committed_out_of_memory();
    let outputs = bench.receive(2, 1, Body::FetchEntries(stretch(2, 2)));
    assert_eq!(given(&outputs), None);
    let reader = Reader::Repair(NodeId(2));
    let asked = outputs.iter().any(|output| {
        matches!(output, Output::FetchEntries { reader: who, from, .. }
            if *who == reader && *from == LogIndex(2))
    });
    assert!(asked, "{outputs:?}");
    let outputs = bench.input(Input::EntriesFetched {
        reader,
        from: LogIndex(2),
        entries: Some(entries(2, &[1]).into()),
    });
    assert_eq!(given(&outputs), Some((2, vec![(1, 2)])));
}

/// A leader of three that keeps nothing in memory that it need not.
fn committed_out_of_memory() -> Bench {
    let mut bench = Bench::build(3, Restored::fresh(), |config| config.recent_bytes_max = 0);
    bench.lead();
    for number in 0..3 {
        bench.propose(number);
    }
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 4, 4));
    assert_eq!(bench.commit_index(), 4);
    bench
}

/// Whether a peer that is behind is sent what was read back for it, when that is of this term.
fn sent_after_reading_back(term: u64) -> bool {
    let mut bench = committed_out_of_memory();
    let outputs = bench.receive(3, 1, accepted(1, 1, 1));
    let asked = outputs.iter().any(|output| {
        matches!(output, Output::FetchEntries { reader, from, .. }
            if *reader == Reader::Peer(NodeId(3)) && *from == LogIndex(2))
    });
    assert!(asked, "{outputs:?}");
    let outputs = bench.input(Input::EntriesFetched {
        reader: Reader::Peer(NodeId(3)),
        from: LogIndex(2),
        entries: Some(entries(2, &[term, term]).into()),
    });
    crate::bench::appends_to(&outputs, 3)
        .iter()
        .any(|(_, count, _)| *count == 2)
}

#[test]
fn entries_read_back_that_are_of_another_term_are_caught() {
    assert!(sent_after_reading_back(1));
    assert!(!sent_after_reading_back(7));
    let _planted = Mutant::FetchedOfAnyTerm.plant();
    assert!(sent_after_reading_back(7));
}

#[test]
fn what_a_leader_cannot_read_back_goes_as_a_snapshot_and_is_asked_for() {
    let mut bench = committed_out_of_memory();
    bench.receive(3, 1, accepted(1, 1, 1));
    let outputs = bench.input(Input::EntriesFetched {
        reader: Reader::Peer(NodeId(3)),
        from: LogIndex(2),
        entries: None,
    });
    let exports = |output: &Output| matches!(output, Output::ExportSnapshot { to } if to.0 == 3);
    assert!(outputs.iter().any(exports), "{outputs:?}");
    assert!(bench.raft.is_damaged());
    assert_eq!(asks(&bench.time_out()), Some((2, stretch(2, 2))));
}

#[test]
fn damage_that_is_still_in_memory_is_written_again_at_once() {
    let mut bench = Bench::leader(3);
    bench.propose(1);
    bench.all_durable();
    let outputs = bench.input(Input::Damaged(stretch(1, 2)));
    let persist = persisted(&outputs).unwrap();
    assert_eq!(versions(&persist.rewrites), [(1, 1), (1, 2)]);
    assert!(persist.entries.is_empty());
    bench.all_durable();
    assert!(!bench.raft.is_damaged());
}

/// How far the log counts as durable when the second of two writes is reported.
fn durable_after_the_second_write() -> LogIndex {
    let mut bench = Bench::leader(3);
    bench.propose(1);
    bench.propose(2);
    let second = bench.writes.pop().unwrap();
    bench.input(Input::Durable(second));
    bench.raft.status().durable_index
}

#[test]
fn a_later_write_that_completes_an_earlier_one_is_caught() {
    assert_eq!(durable_after_the_second_write(), LogIndex(1));
    let _planted = Mutant::LaterWriteCompletesEarlier.plant();
    assert_eq!(durable_after_the_second_write(), LogIndex(3));
}

#[test]
fn where_pieces_are_single_entries_what_stands_behind_a_stretch_says_what_its_last_entry_was() {
    let mut bench = damaged(&[1, 1, 2], 0, 2, 2);
    let asked = |bench: &mut Bench| {
        let outputs = bench.time_out();
        asks(&outputs).map(|(_, wanted)| wanted)
    };
    let answer = |bench: &mut Bench, prev, term| {
        let outputs = bench.receive(2, 2, piece_after(prev, &[term], 0));
        persisted(&outputs).map(|persist| versions(&persist.rewrites))
    };
    bench.receive(2, 2, append((0, 0), &[], 0, 1));
    assert_eq!(asked(&mut bench), Some(stretch(2, 3)));
    assert_eq!(answer(&mut bench, (1, 1), 1), None, "nothing proves it");
    assert_eq!(asked(&mut bench), Some(stretch(3, 3)));
    assert_eq!(answer(&mut bench, (1, 2), 2), None);
    assert_eq!(asked(&mut bench), Some(stretch(2, 3)));
    assert_eq!(
        answer(&mut bench, (1, 1), 2),
        None,
        "it was of another term"
    );
    assert_eq!(answer(&mut bench, (1, 1), 1), Some(vec![(1, 2)]));
    bench.all_durable();
    assert!(!bench.raft.is_damaged());
}

#[test]
fn where_the_leader_has_something_else_behind_a_stretch_its_entries_take_the_place() {
    let mut bench = damaged(&[1, 1, 2], 0, 2, 2);
    bench.receive(2, 3, append((0, 0), &[], 0, 1));
    bench.all_durable();
    bench.receive(2, 3, piece_after((1, 1), &[1], 0));
    bench.receive(2, 3, piece_after((1, 2), &[3], 0));
    let outputs = bench.receive(2, 3, append((1, 1), &[1], 0, 2));
    let written = persisted(&outputs).map(|persist| versions(&persist.entries));
    assert_eq!(written, Some(vec![(1, 2)]));
    bench.all_durable();
    let outputs = bench.receive(2, 3, append((1, 2), &[3], 0, 3));
    let written = persisted(&outputs).map(|persist| versions(&persist.entries));
    assert_eq!(written, Some(vec![(3, 3)]));
    bench.all_durable();
    assert!(!bench.raft.is_damaged());
}
