use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::vec::Vec;
use std::{format, thread, vec};

use proptest::prelude::*;

use super::*;
use crate::writer::{bytes_of, height_of};

#[test]
fn versions_of_a_key_come_newest_first() {
    let list = SkipList::new(1);
    for tag in [5, 9, 1, 7] {
        list.insert(b"k", tag, b"");
    }
    let tags: Vec<u64> = list.iter().map(|entry| entry.tag).collect();
    assert_eq!(tags, [9, 7, 5, 1]);
    let at = list.lower_bound(b"k", 6).unwrap();
    assert_eq!(list.entry(at).tag, 5);
    assert_eq!(list.entry(list.prev(at).unwrap()).tag, 7);
    assert_eq!(list.lower_bound(b"k", 0), None);
    assert_eq!(list.entry(list.before(b"k", 0).unwrap()).tag, 1);
}

#[test]
fn keys_that_share_zero_padded_prefixes_are_told_apart() {
    let list = SkipList::new(1);
    let keys: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0\0\0\0\0\0\0\0"];
    for key in keys.iter().rev() {
        list.insert(key, 1, b"");
    }
    let found: Vec<&[u8]> = list.iter().map(|entry| entry.key).collect();
    assert_eq!(found, keys);
}

#[test]
#[should_panic(expected = "a version is inserted once")]
fn the_same_version_twice_is_refused() {
    let list = SkipList::new(1);
    list.insert(b"k", 1, b"a");
    list.insert(b"k", 1, b"b");
}

#[test]
fn after_a_refused_insert_the_next_one_finds_its_place() {
    let list = SkipList::new(1);
    list.insert(b"a", 1, b"");
    list.insert(b"z", 1, b"");
    list.insert(b"b", 1, b"");
    let refused = AssertUnwindSafe(|| list.insert(b"z", 1, b""));
    catch_unwind(refused).unwrap_err();
    list.insert(b"c", 1, b"");
    let keys: Vec<&[u8]> = list.iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [b"a", b"b", b"c", b"z"]);
}

#[test]
#[should_panic(expected = "two inserts at once")]
fn a_second_writer_is_refused() {
    let list = SkipList::new(1);
    let _first = list.writer();
    list.insert(b"k", 1, b"");
}

#[test]
#[should_panic(expected = "a position of another list")]
fn a_position_of_another_list_is_refused() {
    let (one, other) = (SkipList::new(1), SkipList::new(1));
    one.insert(b"k", 1, b"");
    other.insert(b"k", 1, b"");
    let _ = other.entry(one.first().unwrap());
}

#[test]
fn bytes_are_those_of_the_entry_and_of_its_links() {
    let list = SkipList::new(1);
    list.insert(b"key", 1, b"value");
    let height = height_of(1, 0) as u64;
    assert_eq!(list.bytes(), (8 + 3 + 5) + 16 + 16 * height);
    assert_eq!(bytes_of(b"key", b"values", 1), 24 + 16 + 16);
}

#[test]
fn heights_depend_on_the_seed_and_the_number_alone() {
    let heights = |seed| -> Vec<usize> { (0..64).map(|index| height_of(seed, index)).collect() };
    assert_eq!(heights(7), heights(7));
    assert_ne!(heights(7), heights(8));
    let taller = heights(7).iter().filter(|height| **height > 1).count();
    assert!(
        (16..48).contains(&taller),
        "{taller} of 64 nodes are taller than 1"
    );
}

#[test]
fn values_that_need_chunks_of_their_own_are_kept() {
    let list = SkipList::new(1);
    let value = |number: u8| vec![number; usize::from(number) * 30_000];
    for number in [7, 0, 90, 3, 40] {
        list.insert(format!("{number:02}").as_bytes(), 1, &value(number));
    }
    for (entry, number) in list.iter().zip([0, 3, 7, 40, 90]) {
        assert!(entry.value == value(number), "value {number}");
    }
}

#[test]
fn the_common_prefix_is_that_of_all_keys() {
    let list = SkipList::new(1);
    assert_eq!(list.common_prefix(), b"");
    list.insert(b"user:17", 1, b"");
    assert_eq!(list.common_prefix(), b"user:17");
    list.insert(b"user:1", 1, b"");
    list.insert(b"user:42", 1, b"");
    assert_eq!(list.common_prefix(), b"user:");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_list_agrees_with_a_btree_map(
        inserts in prop::collection::vec((prop::collection::vec(0_u8..3, 0..10), 0_u64..6), 0..INSERTS_MAX),
        probes in prop::collection::vec((prop::collection::vec(0_u8..3, 0..10), 0_u64..7), 0..INSERTS_MAX / 5),
        seed: u64,
        prefix in prop::collection::vec(0_u8..3, 0..3),
    ) {
        let list = SkipList::with_prefix(seed, &prefix);
        let mut model = BTreeMap::new();
        for (number, (key, tag)) in inserts.into_iter().enumerate() {
            let value = format!("{number}").into_bytes();
            if model.contains_key(&(key.clone(), !tag)) {
                continue;
            }
            model.insert((key.clone(), !tag), value.clone());
            list.insert(&key, tag, &value);
        }
        let listed: Vec<_> = list.iter().map(|e| ((e.key.to_vec(), !e.tag), e.value.to_vec())).collect();
        let expected: Vec<_> = model.clone().into_iter().collect();
        prop_assert_eq!(&listed, &expected);

        let mut backwards = Vec::new();
        let mut at = list.last();
        while let Some(here) = at {
            let entry = list.entry(here);
            backwards.push(((entry.key.to_vec(), !entry.tag), entry.value.to_vec()));
            at = list.prev(here);
        }
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected);

        for (key, tag) in probes {
            let probe = (key.clone(), !tag);
            let value = |at: Option<Position>| at.map(|at| list.entry(at).value.to_vec());
            prop_assert_eq!(
                value(list.lower_bound(&key, tag)),
                model.range(probe.clone()..).next().map(|(_, value)| value.clone())
            );
            prop_assert_eq!(
                value(list.before(&key, tag)),
                model.range(..probe).next_back().map(|(_, value)| value.clone())
            );
        }
    }
}

/// A reader sees an order-keeping subset that holds everything inserted before it began.
#[test]
fn readers_beside_a_writer_see_all_that_was_there_when_they_began() {
    const COUNT: u32 = if cfg!(miri) { 60 } else { 20_000 };
    let list = Arc::new(SkipList::new(3));
    #[expect(clippy::disallowed_methods, reason = "the test is about threads")]
    let writer = {
        let list = Arc::clone(&list);
        thread::spawn(move || {
            for number in 0..COUNT {
                let key = number.wrapping_mul(2_654_435_761);
                list.insert(&key.to_be_bytes(), 1, b"");
            }
        })
    };
    loop {
        let floor = list.len();
        let mut seen = 0;
        let mut last: Option<Vec<u8>> = None;
        for entry in list.iter() {
            assert!(last.as_deref().is_none_or(|last| last < entry.key));
            last = Some(entry.key.to_vec());
            seen += 1;
        }
        assert!(seen >= floor, "{seen} of at least {floor}");
        for number in 0..floor {
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes();
            let at = list.lower_bound(&key, u64::MAX).unwrap();
            assert_eq!(list.entry(at).key, key);
        }
        if floor == COUNT {
            break;
        }
    }
    writer.join().unwrap();
}

/// Miri takes a second for what else takes a millisecond.
const INSERTS_MAX: usize = if cfg!(miri) { 30 } else { 200 };
