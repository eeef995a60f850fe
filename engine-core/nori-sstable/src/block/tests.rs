use std::{string::ToString, sync::Arc, vec::Vec};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{block_builder::BlockBuilder, cursor::Cursor, filter, key};

/// Sorted, distinct (user key, trailer) pairs over few letters, so that prefixes abound.
fn keys() -> impl Strategy<Value = Vec<(Vec<u8>, u64)>> {
    vec((vec(0..3u8, 0..6), 0..4u64), 1..80).prop_map(|mut keys| {
        keys.sort_by(|a, b| key::compare(&a.0, a.1, &b.0, b.1));
        keys.dedup();
        keys
    })
}

fn block(keys: &[(Vec<u8>, u64)], interval: u32) -> Bytes {
    build(keys, BlockBuilder::new(interval))
}

fn build(keys: &[(Vec<u8>, u64)], mut builder: BlockBuilder) -> Bytes {
    for (index, (user, trailer)) in keys.iter().enumerate() {
        builder.add(user, *trailer, &index.to_string().into_bytes());
    }
    let expected = builder.len();
    let payload = builder.finish(Bytes::copy_from_slice);
    assert_eq!(payload.len(), expected);
    payload
}

/// Everything a reader may do to a block; errors are fine, panics are not.
fn exercise(payload: &Bytes, user: &[u8], bound: u64) {
    let Ok(block) = Block::new(payload.clone()) else {
        return;
    };
    if let Ok(Some(entry)) = block.find(user, filter::hash(user), bound) {
        block.slice(entry.value_start..entry.value_end);
    }
    if let Ok(index) = block.search_index(user, bound) {
        let _ = block.index_value(index);
    }
    let mut cursor = Cursor::new();
    cursor.enter(Arc::new(block));
    let mut steps = 0;
    let _ = cursor.seek_to_first();
    while cursor.is_valid() && cursor.next().is_ok() {
        cursor.value_bytes();
        steps += 1;
        assert!(steps <= payload.len());
    }
    let _ = cursor.seek_to_last();
    while cursor.is_valid() && cursor.prev().is_ok() {
        cursor.value_bytes();
        steps += 1;
        assert!(steps <= 2 * payload.len());
    }
    if cursor.seek(user, bound).is_ok() && cursor.is_valid() {
        let _ = cursor.prev();
    }
}

#[test]
fn restart_points_that_no_builder_writes_are_refused() {
    let u32s = |numbers: &[u32]| -> Bytes {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        bytes.collect::<Vec<u8>>().into()
    };
    for payload in [
        u32s(&[]),
        u32s(&[0]),
        u32s(&[0, 1]),
        u32s(&[0, 2]),
        u32s(&[0, u32::MAX]),
        u32s(&[0, 0, 0, 0, 0, 0, 2]),
        u32s(&[0, 0, 0, 0, 0, 16, 2]),
        u32s(&[0, 0, 0, 0, 0, 1 << 31]),
        u32s(&[0, 0, 0, 0, 0, 9999, 1 << 31 | 1]),
    ] {
        let refused = Block::new(payload).err();
        assert!(
            matches!(refused, Some(Damage::Restarts | Damage::Entry)),
            "{refused:?}"
        );
    }
    assert!(Block::new(u32s(&[0, 0, 0, 0, 0, 1])).is_ok());
}

#[test]
fn an_entry_that_reaches_into_the_restart_points_is_refused() {
    let mut payload = block(&[(b"k".to_vec(), 1)], 16).to_vec();
    payload[2] += 1;
    assert_eq!(Block::new(payload.into()).err(), Some(Damage::Entry));
}

proptest! {
    #[test]
    fn search_and_cursor_agree_with_a_linear_search(
        keys in keys(), interval in 1..6u32, user in vec(0..4u8, 0..7), bound in 0..5u64,
        hashed: bool
    ) {
        let mut builder = match hashed {
            true => BlockBuilder::with_hash_index(interval),
            false => BlockBuilder::new(interval),
        };
        builder.finish(|_| ());
        let block = Block::new(build(&keys, builder)).unwrap();
        if interval == 1 {
            let first = block.search_index(&user, bound).unwrap() as usize;
            let before = |(other, trailer): &&(Vec<u8>, u64)| key::compare(other, *trailer, &user, bound).is_lt();
            prop_assert_eq!(first, keys.iter().take_while(before).count());
        }
        let expected = keys
            .iter()
            .position(|(other, trailer)| key::compare(other, *trailer, &user, bound).is_ge());
        let entry = block.find(&user, filter::hash(&user), bound).unwrap();
        let value = entry.map(|entry| block.slice(entry.value_start..entry.value_end));
        let expected_value = expected.map(|index| Bytes::from(index.to_string()));
        let same = expected.is_some_and(|index| keys[index].0 == user);
        prop_assert_eq!(value, expected_value.clone().filter(|_| same));

        let mut cursor = Cursor::new();
        cursor.enter(Arc::new(block));
        cursor.seek(&user, bound).unwrap();
        let stands = cursor.is_valid().then(|| cursor.value_bytes());
        prop_assert_eq!(&stands, &expected_value);
        if let Some(index) = expected {
            prop_assert_eq!((cursor.key(), cursor.trailer()), (&*keys[index].0, keys[index].1));
            cursor.prev().unwrap();
            let before = cursor.is_valid().then(|| cursor.key().to_vec());
            prop_assert_eq!(before, index.checked_sub(1).map(|i| keys[i].0.clone()));
        }
    }

    #[test]
    fn a_forged_block_never_panics(
        keys in keys(), interval in 1..6u32, hashed: bool, changes in vec((any::<u16>(), any::<u8>()), 0..5),
        cut in 0..8u16, user in vec(0..4u8, 0..7), bound: u64
    ) {
        let builder = match hashed {
            true => BlockBuilder::with_hash_index(interval),
            false => BlockBuilder::new(interval),
        };
        let mut payload = build(&keys, builder).to_vec();
        for (at, byte) in changes {
            let at = usize::from(at) % payload.len();
            payload[at] = byte;
        }
        payload.truncate(payload.len() - usize::from(cut));
        exercise(&payload.into(), &user, bound);
    }

    #[test]
    fn garbage_with_a_plausible_tail_never_panics(
        mut body in vec(any::<u8>(), 0..200), restart: u8, user in vec(0..4u8, 0..7), bound: u64
    ) {
        body.extend_from_slice(&0u32.to_le_bytes());
        body.extend_from_slice(&u32::from(restart).to_le_bytes());
        body.extend_from_slice(&2u32.to_le_bytes());
        exercise(&body.into(), &user, bound);
    }
}
