use super::*;
use crate::entry::Payload;

fn at(term: u64, index: u64) -> Version {
    Version {
        term: Term(term),
        index: LogIndex(index),
    }
}

/// Entries of these terms after (`term`, `index`).
fn log(term: u64, index: u64, terms: &[u64]) -> Log {
    let snapshot = SnapshotMeta {
        index: LogIndex(index),
        term: Term(term),
    };
    let mut log = Log::new(snapshot, Vec::new());
    for term in terms {
        push(&mut log, *term);
    }
    log
}

fn push(log: &mut Log, term: u64) {
    log.push(Entry {
        term: Term(term),
        index: log.last_index().next(),
        payload: Payload::Noop,
    });
}

#[test]
fn an_empty_log_ends_where_it_starts() {
    let log = log(3, 7, &[]);
    assert_eq!(log.last(), at(3, 7));
    assert_eq!(log.term(LogIndex(7)), Some(Term(3)));
    assert_eq!(log.term(LogIndex(8)), None);
    assert_eq!(log.term(LogIndex(6)), None);
    assert!(log.contains(at(3, 7)));
    assert!(!log.contains(at(2, 7)));
}

#[test]
fn entries_are_found_by_index() {
    let log = log(1, 4, &[1, 2, 2]);
    assert_eq!(log.entry(LogIndex(4)), None);
    assert_eq!(log.entry(LogIndex(6)).map(Entry::version), Some(at(2, 6)));
    assert_eq!(log.entry(LogIndex(8)), None);
    let range: Vec<_> = log
        .range(LogIndex(5), LogIndex(6))
        .map(Entry::version)
        .collect();
    assert_eq!(range, [at(1, 5), at(2, 6)]);
}

#[test]
fn truncation_drops_the_end_and_compaction_the_beginning() {
    let mut log = log(0, 0, &[1, 1, 2, 2, 3]);
    log.truncate(LogIndex(5));
    assert_eq!(log.last(), at(2, 4));
    log.compact(LogIndex(3));
    assert_eq!(log.start(), at(2, 3));
    log.compact(LogIndex(1));
    assert_eq!(log.start(), at(2, 3), "what is gone stays gone");
    log.compact(LogIndex(4));
    assert_eq!((log.start(), log.last()), (at(2, 4), at(2, 4)));
    push(&mut log, 5);
    assert_eq!(log.last(), at(5, 5));
}

#[test]
fn agreement_is_sought_by_term() {
    let log = log(1, 2, &[1, 2, 2, 5]);
    assert_eq!(log.agreement_before(at(5, 6)), at(5, 6));
    assert_eq!(log.agreement_before(at(4, 6)), at(2, 5));
    assert_eq!(log.agreement_before(at(1, 5)), at(1, 3));
    assert_eq!(log.agreement_before(at(9, 99)), at(5, 6));
    assert_eq!(
        log.agreement_before(at(0, 4)),
        at(1, 2),
        "the start at the least"
    );
}

#[test]
#[should_panic(expected = "no gaps")]
fn a_gap_is_a_bug() {
    let mut log = log(0, 0, &[1]);
    log.push(Entry {
        term: Term(1),
        index: LogIndex(3),
        payload: Payload::Noop,
    });
}

#[test]
#[should_panic(expected = "never fall")]
fn a_falling_term_is_a_bug() {
    let mut log = log(0, 0, &[2]);
    push(&mut log, 1);
}
