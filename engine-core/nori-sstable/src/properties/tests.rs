use proptest::{collection::vec, prelude::*};

use super::*;

proptest! {
    #[test]
    fn properties_round_trip(n: [u64; 10]) {
        let [entries, tombstones, user_keys, key_bytes, value_bytes, rest @ ..] = n;
        let [data_blocks, data_bytes, index_partitions, seqno_min, seqno_max] = rest;
        let properties = Properties {
            entries, tombstones, user_keys, key_bytes, value_bytes, data_blocks, data_bytes,
            index_partitions, seqno_min: SeqNo(seqno_min), seqno_max: SeqNo(seqno_max),
        };
        prop_assert_eq!(Properties::decode(&properties.encode()), Ok(properties));
    }

    #[test]
    fn unknown_ids_are_skipped(id in 11..u32::MAX, value in vec(any::<u8>(), 0..200)) {
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
