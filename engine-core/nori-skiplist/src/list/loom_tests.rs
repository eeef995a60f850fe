//! Every interleaving of a writer and a reader, by loom: `RUSTFLAGS="--cfg loom" cargo test
//! --profile ci -p nori-skiplist --lib loom`.

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::*;

/// Runs `reader` beside inserts of `keys`, after `before` were inserted.
fn beside(before: &'static [&'static [u8]], keys: &'static [&'static [u8]], reader: fn(&SkipList)) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let list = Arc::new(SkipList::new(SEED));
        for key in before {
            list.insert(key, 1, key);
        }
        // The reader is the spawned thread: loom finds a race by a load that comes after a store,
        // not by a store after a load of another thread when the writer has loaded meanwhile.
        let reading = {
            let list = Arc::clone(&list);
            thread::spawn(move || reader(&list))
        };
        for key in keys {
            list.insert(key, 1, key);
        }
        reading.join().expect("the reader does not panic");
        let count = before.len() + keys.len();
        assert_eq!(list.iter().count(), count);
    });
}

#[test]
fn loom_a_scan_is_in_order_and_sees_whole_entries() {
    beside(&[b"b"], &[b"a", b"c"], |list| {
        let seen: Vec<&[u8]> = list
            .iter()
            .map(|entry| {
                assert_eq!(entry.key, entry.value);
                entry.key
            })
            .collect();
        assert!(seen.is_sorted());
        assert!(seen.contains(&&b"b"[..]));
    });
}

#[test]
fn loom_a_search_finds_what_was_there_and_never_what_lies_before() {
    beside(&[b"a", b"d"], &[b"b", b"c"], |list| {
        let found = list.lower_bound(b"c", u64::MAX).expect("d is there");
        assert!([b"c", b"d"].contains(&list.entry(found).key.try_into().expect("one byte")));
        let before = list.before(b"c", u64::MAX).expect("a is there");
        assert!([b"a", b"b"].contains(&list.entry(before).key.try_into().expect("one byte")));
    });
}

/// The new node is taller than the list was.
#[test]
fn loom_a_search_from_a_level_that_is_new_finds_what_was_there() {
    beside(&[b"m"], &[b"c", b"x", b"e"], |list| {
        let found = list.lower_bound(b"m", u64::MAX).expect("m is there");
        assert_eq!(list.entry(found).key, b"m");
        assert!(list.last().is_some_and(|last| list.entry(last).key >= b"m"));
    });
}

#[test]
fn loom_the_seed_makes_towers() {
    let heights: Vec<usize> = (0..4)
        .map(|index| crate::writer::height_of(SEED, index))
        .collect();
    assert_eq!(heights, [1, 2, 1, 3]);
}

const SEED: u64 = 176;
