use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::BATCH_BYTES_MAX;

#[test]
fn the_layout_is_the_documented_one() {
    let mut batch = WriteBatch::new();
    batch.put(b"ab", b"xyz").delete(b"c");
    let sealed = batch.seal(SeqNo(7));
    assert_eq!(
        sealed[..],
        [
            1, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, // head
            1, 2, b'a', b'b', 3, b'x', b'y', b'z', // put
            0, 1, b'c', // delete
        ]
    );
}

#[test]
fn every_truncation_and_every_flip_of_a_batch_is_refused_or_reads_without_panic() {
    let mut batch = WriteBatch::new();
    batch.put(b"key", b"value").delete(b"other");
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
            assert_eq!(key[..], writes[index].0[..]);
            assert_eq!(kind == ValueKind::Put, writes[index].1.is_some());
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
