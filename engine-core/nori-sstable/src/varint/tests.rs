use proptest::prelude::*;
use std::vec;

use super::*;

#[test]
fn truncated_and_overlong_varints_are_refused() {
    assert_eq!(read_u64(&[], 0), None);
    assert_eq!(read_u64(&[0x80], 0), None);
    assert_eq!(read_u64(&[0xff; 11], 0), None);
    assert_eq!(
        read_u64(
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            0
        ),
        None
    );
    assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x10], 0), None);
    assert_eq!(read_u32(&[1], 7), None);
}

proptest! {
    #[test]
    fn varints_round_trip(value: u64, shift in 0..64u32) {
        let value = value >> shift;
        let mut out = vec![9];
        put(&mut out, value);
        prop_assert_eq!(read_u64(&out, 1), Some((value, out.len())));
        if let Ok(small) = u32::try_from(value) {
            prop_assert_eq!(read_u32(&out, 1), Some((small, out.len())));
        }
    }
}
