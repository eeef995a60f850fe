use bytes::Bytes;
use norikv_types::{GroupId, Term, Version};
use std::string::ToString;
use std::vec;

use super::*;
use crate::Change;

fn event(index: u64, key: &str) -> WatchEvent {
    WatchEvent {
        group: GroupId(1),
        key: Bytes::copy_from_slice(key.as_bytes()),
        version: Version {
            term: Term(1),
            index: LogIndex(index),
        },
        change: Change::Delete,
    }
}

fn indexes(seen: &Seen) -> Vec<u64> {
    let events = seen.events.iter();
    events.map(|event| event.version.index.0).collect()
}

#[test]
fn events_come_once_and_in_order_whatever_the_page() {
    let mut history = History::new(LogIndex(4), 1 << 20);
    for index in 5..105 {
        // Every third entry changes three keys at once.
        let keys = 1 + 2 * u64::from(index % 3 == 0);
        let events = (0..keys).map(|key| event(index, &key.to_string()));
        history.add(events.collect(), LogIndex(index));
    }
    for limit in [1, 2, 3, 7, 1_000] {
        let (mut after, mut all) = (LogIndex(4), Vec::new());
        while after < LogIndex(104) {
            let seen = history.behind(after, b"", limit, u64::MAX).unwrap();
            assert!(seen.up_to > after, "a page goes on");
            assert!(seen.events.len() < limit + 3);
            all.extend(indexes(&seen));
            after = seen.up_to;
        }
        let expected: Vec<u64> = (5..105)
            .flat_map(|index| vec![index; if index % 3 == 0 { 3 } else { 1 }])
            .collect();
        assert_eq!(all, expected, "limit {limit}");
    }
}

#[test]
fn a_watch_of_a_prefix_passes_over_the_rest() {
    let mut history = History::new(LogIndex(0), 1 << 20);
    history.add(
        vec![event(1, "a"), event(2, "b"), event(3, "ab")],
        LogIndex(9),
    );
    let seen = history.behind(LogIndex(0), b"a", 10, u64::MAX).unwrap();
    assert_eq!((indexes(&seen), seen.up_to), (vec![1, 3], LogIndex(9)));
    let seen = history.behind(LogIndex(0), b"a", 1, u64::MAX).unwrap();
    assert_eq!((indexes(&seen), seen.up_to), (vec![1], LogIndex(1)));
    let seen = history.behind(LogIndex(0), b"c", 10, u64::MAX).unwrap();
    assert_eq!((indexes(&seen), seen.up_to), (vec![], LogIndex(9)));
}

#[test]
fn what_is_kept_is_bounded_and_the_past_is_refused_with_the_oldest_position() {
    let mut history = History::new(LogIndex(0), 10 * (EVENT_BYTES + 1));
    for index in 1..=100 {
        history.add(vec![event(index, "k")], LogIndex(index));
        assert!(history.bytes <= history.bytes_max);
    }
    assert_eq!(
        history.behind(LogIndex(89), b"", 100, u64::MAX),
        Err(LogIndex(90))
    );
    let seen = history.behind(LogIndex(90), b"", 100, u64::MAX).unwrap();
    assert_eq!(indexes(&seen), (91..=100).collect::<Vec<u64>>());
    let mut large = event(101, "k");
    large.change = Change::Put {
        value: vec![0; 100_000].into(),
        expires_at: None,
    };
    history.add(vec![large], LogIndex(101));
    let seen = history.behind(LogIndex(100), b"", 1, u64::MAX).unwrap();
    assert_eq!(indexes(&seen), [101], "the newest one is always there");
    history.reset(LogIndex(200));
    assert_eq!(
        history.behind(LogIndex(199), b"", 1, u64::MAX),
        Err(LogIndex(200))
    );
}

#[test]
fn a_replica_that_is_behind_the_position_has_nothing_and_does_not_go_back() {
    let history = History::new(LogIndex(5), 1_000);
    let seen = history.behind(LogIndex(8), b"", 1, u64::MAX).unwrap();
    assert_eq!((indexes(&seen), seen.up_to), (vec![], LogIndex(8)));
}

/// The mutant that the first test must see.
#[test]
fn the_mutant_leaves_the_last_event_of_a_page_out() {
    let mut history = History::new(LogIndex(0), 1 << 20);
    history.add(vec![event(1, "a"), event(2, "b")], LogIndex(2));
    let _planted = Mutant::WatchSkipsAVersion.plant();
    let seen = history.behind(LogIndex(0), b"", 9, u64::MAX).unwrap();
    assert_eq!((indexes(&seen), seen.up_to), (vec![1], LogIndex(2)));
}
