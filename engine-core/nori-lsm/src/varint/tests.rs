use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn what_was_put_is_read_back(value: u64) {
        let mut out = Vec::new();
        put(&mut out, value);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.varint(), Some(value));
        prop_assert!(reader.is_empty());
        for cut in 0..out.len() {
            prop_assert_eq!(Reader::new(&out[..cut]).varint(), None);
        }
    }
}

#[test]
fn a_number_has_one_encoding() {
    assert_eq!(Reader::new(&[0x80, 0x00]).varint(), None);
    assert_eq!(Reader::new(&[0xff; 11]).varint(), None);
    assert_eq!(Reader::new(&[0]).varint(), Some(0));
    let mut max = [0xff; 10];
    max[9] = 1;
    assert_eq!(Reader::new(&max).varint(), Some(u64::MAX));
    max[9] = 2;
    assert_eq!(Reader::new(&max).varint(), None);
}

#[test]
fn a_slice_longer_than_the_bytes_is_refused() {
    let mut out = Vec::new();
    put(&mut out, u64::MAX);
    assert_eq!(Reader::new(&out).slice(), None);
}
