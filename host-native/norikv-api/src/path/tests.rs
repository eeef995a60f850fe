use super::*;

#[test]
fn every_byte_comes_back_from_a_path() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(decode(&encode(&all)).unwrap(), all);
    for key in [
        &b"."[..],
        b"..",
        b"a/b",
        b"%41",
        b"a b+c",
        b"\xf0\x9f\x8c\x8a",
    ] {
        let encoded = encode(key);
        assert!(encoded.is_ascii() && !encoded.contains(['/', ' ', '+', '?', '#']));
        assert_eq!(decode(&encoded).unwrap(), key);
    }
}

#[test]
fn a_broken_escape_is_refused() {
    for text in ["%", "%4", "%zz", "a%2", "%%41"] {
        assert!(decode(text).is_err(), "{text} was taken");
    }
}
