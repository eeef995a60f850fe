use super::*;

#[test]
fn a_read_waits_for_a_round_that_begins_after_it() {
    let mut reads = Reads::default();
    assert_eq!(reads.begin(), 1);
    reads.ask(Asker::Here(ReadId(7)), LogIndex(3));
    assert!(!reads.wants_round(), "one is under way");
    assert!(reads.confirm(1));
    assert_eq!(reads.ready(), None);
    assert!(reads.wants_round());
    reads.begin();
    assert!(!reads.wants_round());
    assert!(reads.confirm(2));
    assert_eq!(reads.ready(), Some((Asker::Here(ReadId(7)), LogIndex(3))));
    assert_eq!(reads.ready(), None);
}

#[test]
fn early_reads_get_their_index_with_the_first_commit() {
    let mut reads = Reads::default();
    reads.ask_early(Asker::Here(ReadId(1)));
    assert!(!reads.wants_round());
    reads.term_committed(LogIndex(9));
    assert!(reads.wants_round());
    reads.begin();
    reads.confirm(1);
    assert_eq!(reads.ready(), Some((Asker::Here(ReadId(1)), LogIndex(9))));
}

#[test]
fn confirmations_never_go_back() {
    let mut reads = Reads::default();
    reads.begin();
    reads.begin();
    assert!(reads.confirm(2));
    assert!(!reads.confirm(1));
    assert!(!reads.confirm(2));
}

#[test]
fn every_read_without_an_answer_is_named_once() {
    let mut reads = Reads::default();
    reads.ask_early(Asker::Here(ReadId(2)));
    reads.ask(Asker::Here(ReadId(1)), LogIndex(1));
    let unanswered: Vec<_> = reads.into_unanswered().collect();
    assert_eq!(unanswered, [ReadId(1), ReadId(2)]);
}
