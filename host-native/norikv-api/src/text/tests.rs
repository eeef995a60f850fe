use super::*;

fn round_trip(bytes: &[u8]) {
    let (plain, base64) = Text::of(bytes).into_fields();
    assert_eq!(Text::bytes(plain, base64).unwrap(), bytes);
}

#[test]
fn any_bytes_come_back_as_they_were() {
    round_trip(b"");
    round_trip("grüße \u{0} \"quoted\"".as_bytes());
    round_trip(b"\xff\xfe\x00");
    for byte in 0..=255 {
        round_trip(&[byte, b'x', byte]);
    }
}

#[test]
fn both_forms_at_once_are_refused() {
    assert!(Text::bytes(Some("a".into()), Some("YQ==".into())).is_err());
    assert!(Text::bytes(None, None).is_err());
    assert!(Text::bytes(None, Some("not base64!".into())).is_err());
}
