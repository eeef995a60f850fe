use proptest::{collection::vec, prelude::*};

use super::*;

const KINDS: [FilterKind; 2] = [FilterKind::Bloom, FilterKind::Fuse];

fn builder(filter: FilterKind, bits_per_key: u32) -> FilterBuilder {
    FilterBuilder::new(&TableOptions {
        filter,
        bits_per_key,
        ..TableOptions::default()
    })
}

fn filter(kind: FilterKind, bits_per_key: u32, keys: impl Iterator<Item = u64>) -> Filter {
    let mut builder = builder(kind, bits_per_key);
    for key in keys {
        builder.add(&key.to_le_bytes());
    }
    Filter::new(builder.finish().unwrap().into()).unwrap()
}

/// How many of the numbers pass.
fn passed(filter: &Filter, keys: core::ops::Range<u64>) -> usize {
    keys.filter(|key| filter.may_contain(hash(&key.to_le_bytes())))
        .count()
}

#[test]
fn no_key_that_was_added_is_denied() {
    for kind in KINDS {
        for bits_per_key in [1, 2, 6, 10, 15, 20, 99] {
            for keys in [1, 2, 3, 4, 7, 50, 1000, 5000] {
                let filter = filter(kind, bits_per_key, 0..keys);
                assert_eq!(
                    passed(&filter, 0..keys) as u64,
                    keys,
                    "{kind:?} {bits_per_key}"
                );
            }
        }
    }
}

#[test]
fn ten_bits_a_key_of_a_bloom_filter_let_about_one_absent_key_in_a_hundred_pass() {
    let filter = filter(FilterKind::Bloom, 10, 0..100_000);
    let passed = passed(&filter, 100_000..200_000);
    assert!((500..1_300).contains(&passed), "{passed} of 100,000");
    assert!(filter.len() <= 125_064);
}

#[test]
fn ten_bits_a_key_of_a_fuse_filter_let_one_absent_key_in_256_pass_and_are_not_all_used() {
    for (keys, bytes_max) in [(1_000, 1_600), (10_000, 13_000), (1_000_000, 1_180_000)] {
        let filter = filter(FilterKind::Fuse, 10, 0..keys);
        let passed = passed(&filter, 1 << 40..(1 << 40) + 1_000_000);
        assert!((3_500..4_400).contains(&passed), "{passed} of 1,000,000");
        assert!(
            filter.len() <= bytes_max,
            "{keys} keys: {} bytes",
            filter.len()
        );
    }
}

#[test]
fn each_bit_more_halves_what_passes_a_fuse_filter() {
    for (bits_per_key, least, most) in [(6, 5_700, 6_800), (8, 1_350, 1_800), (14, 5, 50)] {
        let filter = filter(FilterKind::Fuse, bits_per_key, 0..20_000);
        let passed = passed(&filter, 1 << 40..(1 << 40) + 100_000);
        assert!(
            (least..most).contains(&passed),
            "{passed} of 100,000 at {bits_per_key} bits"
        );
    }
}

#[test]
fn a_key_that_is_added_twice_counts_once() {
    for kind in KINDS {
        let filter = filter(kind, 10, (0..100).chain(50..150).chain(0..1));
        assert_eq!(passed(&filter, 0..150), 150);
    }
}

#[test]
fn a_filter_knows_prefixes_apart_from_keys() {
    for filter in KINDS {
        let mut builder = FilterBuilder::new(&TableOptions {
            filter,
            bits_per_key: 16,
            prefix_extractor: Some(PrefixExtractor::Separator {
                byte: b'/',
                skip: 0,
            }),
            ..TableOptions::default()
        });
        for key in [&b"fruit/apple"[..], b"fruit/pear", b"no separator", b"nut/"] {
            builder.add(key);
        }
        let filter = Filter::new(builder.finish().unwrap().into()).unwrap();
        for prefix in [&b"fruit/"[..], b"nut/"] {
            assert!(filter.may_contain(prefix_hash(prefix)));
        }
        assert!(!filter.may_contain(hash(b"fruit/")));
        assert!(!filter.may_contain(prefix_hash(b"fruit/apple")));
        assert!(filter.may_contain(hash(b"no separator")));
    }
}

#[test]
fn without_bits_or_keys_there_is_no_filter() {
    for kind in KINDS {
        let mut none = builder(kind, 0);
        none.add(b"k");
        assert_eq!(none.len(), 0);
        assert!(none.finish().is_none());
        assert!(builder(kind, 10).finish().is_none());
    }
}

proptest! {
    #[test]
    fn impossible_filters_are_refused_and_none_panics(
        kind in 0..4_u8, mut payload in vec(any::<u8>(), 0..200), key: u64
    ) {
        payload.insert(0, kind);
        if let Ok(filter) = Filter::new(payload.into()) {
            filter.may_contain(key);
        }
    }

    #[test]
    fn a_filter_of_another_length_is_refused(kind in 0..2_usize, cut in 0..usize::MAX) {
        let mut builder = builder(KINDS[kind], 10);
        builder.add(b"k");
        let mut payload = builder.finish().unwrap();
        payload.truncate(cut % payload.len());
        prop_assert!(Filter::new(payload.clone().into()).is_err());
        payload.resize(400, 0);
        prop_assert!(Filter::new(payload.into()).is_err());
    }

    #[test]
    fn a_forged_fuse_filter_never_panics(
        width in 0..20_u8, segment_log in 0..20_u8, segments in 0..5_u32, length in 0..400_usize, key: u64
    ) {
        let mut payload = std::vec![2, width, segment_log, 0];
        payload.extend_from_slice(&segments.to_le_bytes());
        payload.resize(16 + length, 0);
        if let Ok(filter) = Filter::new(payload.into()) {
            filter.may_contain(key);
        }
    }
}
