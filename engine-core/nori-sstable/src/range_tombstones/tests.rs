use alloc::{vec, vec::Vec};

use proptest::{collection::vec as list_of, prelude::*};

use super::*;

fn tombstone(start: &[u8], end: &[u8], seqno: u64) -> RangeTombstone {
    RangeTombstone {
        start: Bytes::copy_from_slice(start),
        end: Bytes::copy_from_slice(end),
        seqno: SeqNo(seqno),
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    list_of(
        prop_oneof![Just(0_u8), Just(b'a'), Just(b'b'), Just(255)],
        0..4,
    )
}

fn tombstones() -> impl Strategy<Value = Vec<RangeTombstone>> {
    let one = (key(), key(), 0..20_u64).prop_map(|(a, b, seqno)| tombstone(&a, &b, seqno));
    list_of(one, 0..20)
}

/// As the definition says it, without any cutting.
fn covering(list: &[RangeTombstone], key: &[u8], at: u64) -> Option<SeqNo> {
    list.iter()
        .filter(|t| *t.start <= *key && *key < *t.end && t.seqno.0 <= at)
        .map(|t| t.seqno)
        .max()
}

#[test]
fn overlaps_are_cut_and_equal_neighbours_joined() {
    let set = RangeTombstones::new([
        tombstone(b"a", b"m", 5),
        tombstone(b"g", b"z", 9),
        tombstone(b"m", b"p", 5),
        tombstone(b"q", b"q", 7),
    ]);
    let expected = vec![
        tombstone(b"a", b"g", 5),
        tombstone(b"g", b"p", 9),
        tombstone(b"g", b"p", 5),
        tombstone(b"p", b"z", 9),
    ];
    assert_eq!(set.iter().collect::<Vec<_>>(), expected);
    assert_eq!(set.len(), 4);
    assert_eq!(set.covering(b"h", SeqNo(8)), Some(SeqNo(5)));
    assert_eq!(set.covering(b"z", SeqNo::MAX), None);
    assert_eq!(set.covering_range(b"a", b"y", SeqNo::MAX), Some(SeqNo(5)));
    assert_eq!(set.covering_range(b"a", b"z", SeqNo::MAX), None);
    assert_eq!(set.covering_range(b"h", b"o", SeqNo(4)), None);
}

proptest! {
    #[test]
    fn a_set_covers_what_its_list_covers(
        list in tombstones(), keys in list_of(key(), 30), cut in any::<prop::sample::Index>()
    ) {
        let set = RangeTombstones::new(list.clone());
        let newest = RangeTombstones::newest(list.clone());
        let (a, b) = list.split_at(cut.index(list.len() + 1));
        let merged = RangeTombstones::merge([
            &RangeTombstones::new(a.to_vec()), &RangeTombstones::new(b.to_vec()),
        ]);
        prop_assert_eq!(&merged, &set);
        for key in &keys {
            for at in [0, 3, 10, 19, 20] {
                prop_assert_eq!(set.covering(key, SeqNo(at)), covering(&list, key, at));
            }
            prop_assert_eq!(newest.covering(key, SeqNo::MAX), covering(&list, key, 99));
        }
    }

    #[test]
    fn a_clipped_set_covers_the_same_keys_within_its_bounds(
        list in tombstones(), from in key(), to in key(), keys in list_of(key(), 30)
    ) {
        let set = RangeTombstones::new(list);
        let clipped = set.clip(Some(&from), Some(&to));
        for key in &keys {
            let inside = from <= *key && *key < to;
            let expected = set.covering(key, SeqNo(10)).filter(|_| inside);
            prop_assert_eq!(clipped.covering(key, SeqNo(10)), expected);
        }
        prop_assert_eq!(set.clip(None, None), set);
    }

    #[test]
    fn a_covered_range_has_only_covered_keys(
        list in tombstones(), from in key(), to in key(), keys in list_of(key(), 30)
    ) {
        let set = RangeTombstones::new(list);
        if let Some(oldest) = set.covering_range(&from, &to, SeqNo(15)) {
            for key in keys.iter().filter(|key| from <= **key && **key <= to) {
                prop_assert!(set.covering(key, SeqNo(15)) >= Some(oldest));
            }
        }
    }

    #[test]
    fn a_block_of_tombstones_is_read_back(list in tombstones()) {
        let set = RangeTombstones::new(list);
        prop_assume!(!set.is_empty());
        prop_assert_eq!(codec::decode(&codec::encode(&set)), Ok(set));
    }

    #[test]
    fn what_is_decoded_is_a_set_and_encodes_to_no_more(data in list_of(0..6_u8, 0..40)) {
        if let Ok(set) = codec::decode(&data) {
            prop_assert_eq!(codec::decode(&codec::encode(&set)), Ok(set.clone()));
            prop_assert!(codec::encode(&set).len() <= data.len());
        }
    }
}
