use proptest::{collection::vec, prelude::*};

use super::*;

fn filter(bits_per_key: u32, keys: impl Iterator<Item = u64>) -> Filter {
    let mut builder = FilterBuilder::new(bits_per_key);
    for key in keys {
        builder.add(&key.to_le_bytes());
    }
    let length = builder.len();
    let payload = builder.finish().unwrap();
    assert_eq!(payload.len() as u64, length);
    Filter::new(payload.into()).unwrap()
}

#[test]
fn no_key_that_was_added_is_denied() {
    for bits_per_key in [1, 2, 10, 20, 99] {
        let filter = filter(bits_per_key, 0..5000);
        assert!((0..5000u64).all(|key| filter.may_contain(hash(&key.to_le_bytes()))));
    }
}

#[test]
fn ten_bits_a_key_let_about_one_absent_key_in_a_hundred_pass() {
    let filter = filter(10, 0..100_000);
    let absent = 100_000..200_000u64;
    let passed = absent.filter(|key| filter.may_contain(hash(&key.to_le_bytes())));
    let passed = passed.count();
    assert!((500..1_300).contains(&passed), "{passed} of 100,000");
}

#[test]
fn without_bits_or_keys_there_is_no_filter() {
    let mut none = FilterBuilder::new(0);
    none.add(b"k");
    assert_eq!(none.len(), 0);
    assert!(none.finish().is_none());
    assert!(FilterBuilder::new(10).finish().is_none());
}

proptest! {
    #[test]
    fn impossible_filters_are_refused_and_none_panics(payload in vec(any::<u8>(), 0..200), key: u64) {
        if let Ok(filter) = Filter::new(payload.into()) {
            filter.may_contain(key);
        }
    }

    #[test]
    fn a_filter_of_another_length_is_refused(cut in 1..72usize) {
        let mut builder = FilterBuilder::new(10);
        builder.add(b"k");
        let mut payload = builder.finish().unwrap();
        payload.truncate(payload.len() - cut);
        prop_assert!(Filter::new(payload.into()).is_err());
    }
}
