use alloc::vec;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{BATCH_BYTES_MAX, KeyspaceOptions};

#[test]
fn the_layout_is_the_documented_one() {
    let mut batch = WriteBatch::new();
    batch
        .put(b"ab", b"xyz")
        .delete(b"c")
        .delete_range(b"d", b"f");
    let sealed = batch.seal(SeqNo(7));
    assert_eq!(
        sealed[..],
        [
            1, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, // head
            1, 4, 0, 0, b'a', b'b', 3, b'x', b'y', b'z', // put
            0, 3, 0, 0, b'c', // delete
            0x80, 3, 0, 0, b'd', 3, 0, 0, b'f', // delete of a range
        ]
    );
}

/// The page's example: hex digits, `#` starts a comment.
fn documented() -> Vec<u8> {
    const PAGE: &str = include_str!("../../../../docs/formats/batch.md");
    let block = PAGE.split("```hex\n").nth(1).unwrap();
    let lines = block.split("```").next().unwrap().lines();
    let bytes = lines.flat_map(|line| line.split('#').next().unwrap().split_whitespace());
    bytes
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

#[test]
fn the_worked_example_is_what_is_written() {
    let mut batch = WriteBatch::new();
    batch
        .put(b"a", b"1")
        .merge(b"a", b"+2")
        .put_expiring(b"b", b"x", WallMs(1000))
        .delete(b"c")
        .range(1, b"d", b"f");
    assert_eq!(batch.seal(SeqNo(1))[..], documented());
    assert_eq!(decode(&documented()).unwrap().records.len(), 5);
}

#[test]
fn every_truncation_and_every_flip_of_a_batch_is_refused_or_reads_without_panic() {
    let mut batch = WriteBatch::new();
    batch
        .put(b"key", b"value")
        .delete(b"other")
        .delete_range(b"a", b"b")
        .merge(b"key", b"more")
        .put_expiring(b"key", b"value", WallMs(9));
    let sealed = batch.seal(SeqNo(1));
    for cut in 0..sealed.len() {
        assert!(decode(&sealed[..cut]).is_none(), "cut at {cut}");
    }
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut bytes = sealed.to_vec();
            bytes[at] ^= 1 << bit;
            if let Some(decoded) = decode(&bytes) {
                assert!(!decoded.records.is_empty());
            }
        }
    }
}

#[test]
fn a_batch_with_a_key_over_the_limit_is_refused_whole() {
    let mut batch = WriteBatch::new();
    batch.put(&vec![0; KEY_BYTES_MAX as usize + 1], b"");
    batch.put(b"fine", b"");
    assert_eq!(
        batch.check(BATCH_BYTES_MAX),
        Err(Error::KeyTooLarge {
            bytes: u64::from(KEY_BYTES_MAX) + 1,
            max: KEY_BYTES_MAX
        })
    );
}

#[test]
fn an_empty_range_is_no_write_and_one_that_goes_back_is_not_read() {
    let mut batch = WriteBatch::new();
    batch.delete_range(b"b", b"b").delete_range(b"c", b"b");
    assert!(batch.is_empty());
    batch.delete_range(b"b", b"c");
    let mut sealed = batch.seal(SeqNo(1)).to_vec();
    assert!(decode(&sealed).is_some());
    *sealed.last_mut().unwrap() = b'b';
    assert!(decode(&sealed).is_none());
}

#[test]
fn a_keyspace_where_values_end_gives_puts_an_end_and_leaves_the_rest() {
    let options = KeyspaceOptions {
        ttl: Some(Duration::from_millis(30)),
        ..KeyspaceOptions::default()
    };
    let rules = Rules {
        keyspaces: [(DEFAULT, options)].into(),
        ..Rules::default()
    };
    let mut batch = WriteBatch::new();
    batch
        .put(b"a", b"1")
        .put_expiring(b"b", b"2", WallMs(9))
        .delete(b"c")
        .delete_range(b"d", b"e");
    let mut expected = WriteBatch::new();
    expected
        .put_expiring(b"a", b"1", WallMs(130))
        .put_expiring(b"b", b"2", WallMs(9))
        .delete(b"c")
        .delete_range(b"d", b"e");
    assert_eq!(batch.with_ttl(&rules, WallMs(100)), expected);
}

proptest! {
    #[test]
    fn what_was_put_is_decoded(
        writes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), prop::option::of(prop::collection::vec(any::<u8>(), 0..200))), 1..20),
        first in 1_u64..1 << 50,
    ) {
        let mut batch = WriteBatch::new();
        for (key, value) in &writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        let sealed = batch.seal(SeqNo(first));
        let decoded = decode(&sealed).unwrap();
        prop_assert_eq!(decoded.first, SeqNo(first));
        prop_assert_eq!(decoded.records.len(), writes.len());
        let mut index = 0;
        for_each(&sealed, |seqno, kind, key, value| {
            assert_eq!(seqno.0, first + index as u64);
            assert_eq!(keyspace::user_key(key), &writes[index].0[..]);
            assert_eq!(kind == WriteKind::Version(ValueKind::Put), writes[index].1.is_some());
            assert_eq!(value[..], writes[index].1.clone().unwrap_or_default()[..]);
            index += 1;
        });
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = BATCH_VERSION;
        }
        let _ = decode(&bytes);
    }
}
