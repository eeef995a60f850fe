use proptest::prelude::*;
use std::vec::Vec;

use super::*;

#[test]
fn a_prefix_sorts_before_the_longer_key_whatever_their_sequence_numbers() {
    let short_old = InternalKeyRef::new(b"a", SeqNo(1), ValueKind::Put);
    let short_new = InternalKeyRef::new(b"a", SeqNo::MAX, ValueKind::Put);
    let long = InternalKeyRef::new(b"a\0", SeqNo(7), ValueKind::Tombstone);
    assert!(short_new < short_old);
    assert!(short_old < long && short_new < long);
}

#[test]
fn an_unknown_kind_does_not_decode() {
    assert_eq!(InternalKeyRef::decode(b"k\xc8\0\0\0\0\0\0\0"), None);
    assert_eq!(InternalKeyRef::decode(b"\x01\0\0\0\0\0\0"), None);
}

#[test]
fn a_bound_admits_its_own_number_and_no_newer_one() {
    let at = SeqNo(9).bound();
    let trailer = |n| InternalKeyRef::new(b"", SeqNo(n), ValueKind::Put).trailer();
    assert!(trailer(9) <= at && trailer(10) > at);
    assert!(trailer(SeqNo::MAX.0) <= SeqNo(u64::MAX).bound());
}

proptest! {
    #[test]
    fn encoding_round_trips(user: Vec<u8>, seqno in 0..=SeqNo::MAX.0, put: bool) {
        let kind = if put { ValueKind::Put } else { ValueKind::Tombstone };
        let key = InternalKeyRef::new(&user, SeqNo(seqno), kind);
        let mut encoded = Vec::new();
        key.encode_into(&mut encoded);
        prop_assert_eq!(InternalKeyRef::decode(&encoded), Some(key));
    }
}
