use super::ValueId;

const BYTES_MAX: u32 = 4_096;

#[test]
fn a_value_names_its_write_and_a_changed_byte_shows() {
    for id in (0..1_000).map(ValueId) {
        let mut bytes = id.bytes(BYTES_MAX).to_vec();
        assert_eq!(ValueId::parse(&bytes, BYTES_MAX), Some(id));
        if let Some(last) = bytes.last_mut().filter(|_| id.0 > 0) {
            *last ^= 1;
            assert_ne!(ValueId::parse(&bytes, BYTES_MAX), Some(id));
        }
    }
    assert_eq!(ValueId::parse(b"short", BYTES_MAX), None);
}
