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
    // Each is a batch of its own.
    log.share(log.last_index(), log.last_index());
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
    assert_eq!(log.term(LogIndex(3)), None);
    assert_eq!(log.term(LogIndex(6)), Some(Term(2)));
    assert_eq!(log.term(LogIndex(8)), None);
    let range: Vec<_> = log
        .recent(LogIndex(5), LogIndex(6))
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

#[test]
fn what_leaves_memory_keeps_its_term() {
    let mut log = log(0, 0, &[1, 1, 2, 2, 3]);
    log.evict(LogIndex(4), 0);
    assert_eq!(log.recent_from(), LogIndex(5));
    assert_eq!(log.term(LogIndex(2)), Some(Term(1)));
    assert_eq!(log.agreement_before(at(2, 5)), at(2, 4));
    log.truncate(LogIndex(5));
    assert_eq!((log.last(), log.recent_from()), (at(2, 4), LogIndex(5)));
    log.compact(LogIndex(2));
    assert_eq!((log.start(), log.last()), (at(1, 2), at(2, 4)));
    assert_eq!(log.agreement_before(at(1, 4)), at(1, 2));
    push(&mut log, 4);
    assert_eq!(log.recent_from(), LogIndex(5));
    log.compact(LogIndex(5));
    assert_eq!((log.start(), log.recent_from()), (at(4, 5), LogIndex(6)));
}

#[test]
fn the_log_by_reference_says_what_a_list_of_entries_says() {
    for seed in 0..200 {
        let mut prng = norikv_types::Prng::new(seed);
        let mut by_reference = log(0, 0, &[]);
        let mut list: Vec<Version> = alloc::vec![at(0, 0)];
        for _ in 0..200 {
            let last = list[list.len() - 1];
            match prng.below(8) {
                0 => {
                    let up_to = list[0].index.0 + prng.below(list.len() as u64);
                    by_reference.compact(LogIndex(up_to));
                    list.retain(|at| at.index.0 >= up_to);
                }
                1 => {
                    let from = list[0].index.0 + 1 + prng.below(list.len() as u64);
                    by_reference.truncate(LogIndex(from));
                    list.retain(|at| at.index.0 < from);
                }
                2 => by_reference.evict(LogIndex(last.index.0), prng.below(200)),
                _ => {
                    let term = last.term.0.max(1) + u64::from(prng.below(4) == 0);
                    push(&mut by_reference, term);
                    list.push(at(term, last.index.0 + 1));
                }
            }
            let last = list[list.len() - 1];
            assert_eq!(
                (by_reference.start(), by_reference.last()),
                (list[0], last),
                "seed {seed}"
            );
            for at in &list {
                assert_eq!(by_reference.term(at.index), Some(at.term), "seed {seed}");
            }
            let asked = at(prng.below(9), list[0].index.0 + prng.below(12));
            let agreed = list
                .iter()
                .rfind(|at| at.index <= asked.index && at.term <= asked.term);
            let agreed = agreed.copied().unwrap_or(list[0]);
            assert_eq!(
                by_reference.agreement_before(asked),
                agreed,
                "seed {seed}: {asked}"
            );
        }
    }
}
