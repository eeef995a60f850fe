use std::collections::BTreeMap;
use std::sync::Arc;
use std::vec::Vec;
use std::{format, thread};

use proptest::prelude::*;

use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn versions_of_a_key_come_newest_first() {
    let list = SkipList::new(1);
    for tag in [5, 9, 1, 7] {
        list.insert(bytes("k"), tag, bytes(&format!("{tag}")));
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
        list.insert(Bytes::copy_from_slice(key), 1, Bytes::new());
    }
    let found: Vec<&[u8]> = list.iter().map(|entry| entry.key).collect();
    assert_eq!(found, keys);
}

#[test]
#[should_panic(expected = "a version is inserted once")]
fn the_same_version_twice_is_refused() {
    let list = SkipList::new(1);
    list.insert(bytes("k"), 1, bytes("a"));
    list.insert(bytes("k"), 1, bytes("b"));
}

#[test]
fn bytes_count_keys_values_and_a_constant() {
    let list = SkipList::new(1);
    list.insert(bytes("key"), 1, bytes("value"));
    assert_eq!(list.bytes(), 3 + 5 + ENTRY_OVERHEAD_BYTES);
}

#[test]
fn heights_depend_on_the_seed_and_the_number_alone() {
    let heights = |seed| -> Vec<usize> {
        let list = SkipList::new(seed);
        (0..64).map(|index| list.height_of(index)).collect()
    };
    assert_eq!(heights(7), heights(7));
    assert_ne!(heights(7), heights(8));
    let taller = heights(7).iter().filter(|height| **height > 1).count();
    assert!(
        (4..32).contains(&taller),
        "{taller} of 64 nodes are taller than 1"
    );
}

proptest! {
    #[test]
    fn the_list_agrees_with_a_btree_map(
        inserts in prop::collection::vec((prop::collection::vec(0_u8..3, 0..10), 0_u64..6), 0..200),
        probes in prop::collection::vec((prop::collection::vec(0_u8..3, 0..10), 0_u64..7), 0..40),
        seed: u64,
    ) {
        let list = SkipList::new(seed);
        let mut model = BTreeMap::new();
        for (number, (key, tag)) in inserts.into_iter().enumerate() {
            let value = bytes(&format!("{number}"));
            if model.contains_key(&(key.clone(), !tag)) {
                continue;
            }
            model.insert((key.clone(), !tag), value.clone());
            list.insert(Bytes::from(key), tag, value);
        }
        let listed: Vec<_> = list.iter().map(|e| ((e.key.to_vec(), !e.tag), Bytes::copy_from_slice(e.value))).collect();
        let expected: Vec<_> = model.clone().into_iter().collect();
        prop_assert_eq!(&listed, &expected);

        let mut backwards = Vec::new();
        let mut at = list.last();
        while let Some(here) = at {
            let entry = list.entry(here);
            backwards.push(((entry.key.to_vec(), !entry.tag), Bytes::copy_from_slice(entry.value)));
            at = list.prev(here);
        }
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected);

        for (key, tag) in probes {
            let probe = (key.clone(), !tag);
            let value = |at: Option<Position>| at.map(|at| Bytes::copy_from_slice(list.entry(at).value));
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
    const COUNT: u32 = 20_000;
    let list = Arc::new(SkipList::new(3));
    #[expect(clippy::disallowed_methods, reason = "the test is about threads")]
    let writer = {
        let list = Arc::clone(&list);
        thread::spawn(move || {
            for number in 0..COUNT {
                let key = number.wrapping_mul(2_654_435_761);
                list.insert(Bytes::copy_from_slice(&key.to_be_bytes()), 1, Bytes::new());
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
