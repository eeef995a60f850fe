use proptest::{collection::vec, prelude::*};

use super::*;

proptest! {
    #[test]
    fn properties_round_trip(which in 0..3_usize, n: [u64; 10], m: [u64; 10], user in vec((vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..9)), 0..3)) {
        let [entries, tombstones, user_keys, key_bytes, value_bytes, rest @ ..] = n;
        let [data_blocks, data_bytes, index_partitions, seqno_min, seqno_max] = rest;
        let properties = Properties {
            entries, tombstones, user_keys, key_bytes, value_bytes, data_blocks, data_bytes,
            index_partitions, seqno_min: SeqNo(seqno_min), seqno_max: SeqNo(seqno_max),
            merges: m[0], expiring: m[1], pointers: m[2], oldest_expiry_ms: m[3],
            range_tombstones: m[4], raw_bytes: m[5], filter_bytes: m[6], index_bytes: m[7],
            filter_kind: m[8], compression: m[9],
            prefix_extractor: [None, Some(PrefixExtractor::Fixed(300)),
                Some(PrefixExtractor::Separator { byte: b'/', skip: 2 })][which],
            user: user.into_iter().map(|(a, b)| (a.into(), b.into())).collect(),
        };
        prop_assert_eq!(Properties::decode(&properties.encode()), Ok(properties));
    }

    #[test]
    fn unknown_ids_are_skipped(id in 65..u32::MAX, value in vec(any::<u8>(), 0..200)) {
        let mut encoded = Vec::new();
        varint::put(&mut encoded, u64::from(id));
        varint::put(&mut encoded, value.len() as u64);
        encoded.extend_from_slice(&value);
        encoded.extend_from_slice(&[1, 1, 42]);
        prop_assert_eq!(Properties::decode(&encoded).unwrap().entries, 42);
    }

    #[test]
    fn garbage_never_panics(encoded in vec(any::<u8>(), 0..60)) {
        let _ = Properties::decode(&encoded);
    }
}

#[test]
fn a_value_of_another_length_than_stated_is_refused() {
    assert_eq!(Properties::decode(&[1, 2, 42, 0]), Err(Damage::Properties));
    assert_eq!(Properties::decode(&[1, 2, 42]), Err(Damage::Properties));
    assert_eq!(Properties::decode(&[1]), Err(Damage::Properties));
}
