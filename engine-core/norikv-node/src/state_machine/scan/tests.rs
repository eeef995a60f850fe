use std::vec;

use bytes::Bytes;
use norikv_types::Prng;

use super::super::tests::{MapView, log, put, shards};
use super::*;

/// A group whose keys are full of `00` and `ff`.
fn group(seed: u64) -> (MapView, Vec<(Bytes, Bytes)>) {
    let mut prng = Prng::new(seed);
    let mut keys = Vec::new();
    while keys.len() < 150 {
        let len = 1 + prng.below(5);
        let key: Vec<u8> = (0..len)
            .map(|_| [0, 1, b'a', 0xfe, 0xff][usize::try_from(prng.below(5)).unwrap()])
            .collect();
        if shards().contains(&shard_of(&key)) && !keys.contains(&key) {
            keys.push(key);
        }
        // Short keys alone are too few.
        if prng.chance_ppm(300_000) {
            let mut key = vec![0xff; 3];
            key.extend_from_slice(&prng.next_u64().to_le_bytes());
            if shards().contains(&shard_of(&key)) {
                keys.push(key);
            }
        }
    }
    let mut view = MapView::default();
    let mut model = Vec::new();
    let commands = keys.into_iter().map(|key| {
        let key = Bytes::from(key);
        let value = vec![b'v'; usize::try_from(prng.below(50)).unwrap()];
        model.push((key.clone(), Bytes::from(value.clone())));
        put(&key, &value)
    });
    let entries = log(commands);
    view.apply(&entries);
    model.sort();
    (view, model)
}

fn page(view: &MapView, prefix: &[u8], after: Option<&[u8]>, limit: u32, bytes_max: u32) -> Page {
    let query = ScanQuery {
        group: super::super::tests::GROUP,
        shards: shards(),
        prefix,
        after,
        limit,
        bytes_max,
    };
    scan(view, &query).unwrap()
}

#[test]
fn pages_put_together_are_the_sorted_keys_of_the_prefix() {
    for seed in 0..10 {
        let (view, model) = group(seed);
        let mut prng = Prng::new(seed);
        let prefixes: [&[u8]; 9] = [
            b"",
            b"\x00",
            b"\xff",
            b"\xff\xff",
            b"\xff\xff\xff",
            b"\xfe\xff",
            b"a",
            b"a\xff",
            b"zz",
        ];
        for prefix in prefixes {
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .cloned()
                .collect();
            let mut found: Vec<(Bytes, Bytes)> = Vec::new();
            loop {
                let after = found.last().map(|(key, _)| key.clone());
                let limit = 1 + u32::try_from(prng.below(20)).unwrap();
                let bytes_max = u32::try_from(prng.below(400)).unwrap();
                let page = page(&view, prefix, after.as_deref(), limit, bytes_max);
                let bytes: usize = page
                    .items
                    .iter()
                    .map(|item| item.key.len() + item.value.len())
                    .sum();
                assert!(page.items.len() <= limit as usize);
                assert!(page.items.len() <= 1 || bytes <= bytes_max as usize);
                assert!(!page.more || !page.items.is_empty());
                found.extend(page.items.into_iter().map(|item| (item.key, item.value)));
                assert_eq!(
                    page.more,
                    found.len() < expected.len(),
                    "seed {seed}, prefix {prefix:?}"
                );
                if !page.more {
                    break;
                }
            }
            assert_eq!(found, expected, "seed {seed}, prefix {prefix:?}");
        }
    }
}

#[test]
fn a_scan_may_start_behind_any_key_whether_it_is_there_or_not() {
    let (view, model) = group(77);
    let afters: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"a",
        b"a\xff\xff\xff\xff\xff\xff",
        b"b",
        b"\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xfe\xff\xff",
    ];
    for prefix in [b"".as_slice(), b"a", b"\xff", b"\xfe\xff"] {
        for after in afters {
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| key.starts_with(prefix) && **key > *after)
                .map(|(key, _)| key.clone())
                .collect();
            let page = page(&view, prefix, Some(after), u32::MAX, u32::MAX);
            let found: Vec<_> = page.items.into_iter().map(|item| item.key).collect();
            assert_eq!(found, expected, "prefix {prefix:?}, after {after:?}");
            assert!(!page.more);
        }
    }
}

#[test]
fn no_item_is_too_long_for_the_first_place_of_a_page() {
    let (view, model) = group(5);
    let first = page(&view, b"", None, 10, 0);
    assert_eq!(first.items.len(), 1);
    assert_eq!(first.items[0].key, model[0].0);
    assert!(first.more);
    let one = page(&view, b"", None, 0, u32::MAX);
    assert_eq!(one.items, first.items);
    assert!(one.more, "a limit of 0 is taken as 1");
}

#[test]
fn shards_without_keys_are_passed_over_and_those_behind_them_are_not() {
    // Few keys, so that most shards have none, and some have only keys outside the prefix.
    for seed in 0..50 {
        let mut prng = Prng::new(seed);
        let mut view = MapView::default();
        let mut model = Vec::new();
        for _ in 0..prng.below(6) {
            let mut key = prng.next_u64().to_le_bytes();
            key[0] = [b'a', b'b', b'c'][usize::try_from(prng.below(3)).unwrap()];
            while !shards().contains(&shard_of(&key)) {
                key[7] = key[7].wrapping_add(1);
                key[6] = key[6].wrapping_add(u8::from(key[7] == 0));
            }
            model.push(Bytes::copy_from_slice(&key));
        }
        model.sort();
        model.dedup();
        view.apply(&log(model.iter().map(|key| put(key, b"v"))));
        for prefix in [b"".as_slice(), b"a", b"b", b"c", b"d"] {
            let page = page(&view, prefix, None, u32::MAX, u32::MAX);
            let found: Vec<_> = page.items.into_iter().map(|item| item.key).collect();
            let expected: Vec<_> = model
                .iter()
                .filter(|key| key.starts_with(prefix))
                .cloned()
                .collect();
            assert_eq!(found, expected, "seed {seed}, prefix {prefix:?}");
        }
    }
}

#[test]
fn a_page_without_a_key_says_all_the_same_where_the_group_stands() {
    let (view, _) = group(5);
    let query = ScanQuery {
        group: super::super::tests::GROUP,
        shards: ShardId(1023)..ShardId(1024),
        prefix: b"",
        after: None,
        limit: 10,
        bytes_max: 10,
    };
    let at = group_record(&view, query.group).unwrap().applied.index;
    let mut expected = Page::default();
    expected.cursor.push((query.group, at));
    assert_eq!(scan(&view, &query).as_ref(), Ok(&expected));
    let nowhere = ScanQuery {
        prefix: b"a",
        after: Some(b"b"),
        ..query
    };
    assert_eq!(scan(&view, &nowhere), Ok(expected));
}
