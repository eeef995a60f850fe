use std::vec;

use norikv_types::{LogIndex, Term};

use super::*;

const VERSION: Version = Version {
    term: Term(3),
    index: LogIndex(300),
};

fn sessions() -> [Session; 3] {
    [
        Kept::Written(VERSION),
        Kept::PreconditionFailed(None),
        Kept::PreconditionFailed(Some(VERSION)),
    ]
    .map(|kept| Session {
        fingerprint: u64::MAX,
        kept,
    })
}

#[test]
fn the_layout_of_format_1_is_as_written() {
    let value = encode_value(VERSION, b"hello");
    assert_eq!(value, b"\x01\x03\xac\x02hello".as_slice());
    assert_eq!(encode_applied(VERSION), b"\x01\x03\xac\x02".as_slice());
    assert_eq!(encode_count(300), b"\x01\xac\x02".as_slice());
    assert_eq!(encode_slot(b"name"), b"\x01name".as_slice());
    let short = |kept| {
        encode_session(&Session {
            fingerprint: 5,
            kept,
        })
    };
    let written = short(Kept::Written(VERSION));
    assert_eq!(written, b"\x01\x05\x00\x03\xac\x02".as_slice());
    let absent = short(Kept::PreconditionFailed(None));
    assert_eq!(absent, b"\x01\x05\x01\x00".as_slice());
    let met = short(Kept::PreconditionFailed(Some(VERSION)));
    assert_eq!(met, b"\x01\x05\x01\x01\x03\xac\x02".as_slice());
}

#[test]
fn records_survive_their_bytes() {
    for value in [b"".as_slice(), b"hello", &[0xff; 1_000]] {
        let stored = encode_value(VERSION, value);
        let read = decode_value(b"k", &stored);
        assert_eq!(read, Ok((VERSION, Bytes::copy_from_slice(value))));
    }
    assert_eq!(decode_applied(b"k", &encode_applied(VERSION)), Ok(VERSION));
    assert_eq!(decode_count(b"k", &encode_count(u64::MAX)), Ok(u64::MAX));
    assert_eq!(
        decode_slot(b"k", &encode_slot(b"n")),
        Ok(Bytes::from_static(b"n"))
    );
    for session in sessions() {
        assert_eq!(decode_session(b"k", &encode_session(&session)), Ok(session));
    }
}

#[test]
fn a_truncated_or_longer_record_is_refused_with_its_key() {
    for session in sessions() {
        let whole = encode_session(&session);
        for len in 0..whole.len() {
            assert!(decode_session(b"k", &whole.slice(..len)).is_err(), "{len}");
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        let error = decode_session(b"\x01k", &longer.into()).unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Corrupt);
        assert!(error.detail.contains("under key 016b"), "{error}");
    }
    let applied = encode_applied(VERSION);
    for len in 0..applied.len() {
        assert!(decode_applied(b"k", &applied.slice(..len)).is_err());
        assert!(decode_value(b"k", &applied.slice(..len)).is_err());
    }
}

#[test]
fn no_flipped_bit_panics() {
    let mut records = vec![encode_value(VERSION, b"hello"), encode_count(7)];
    records.extend(sessions().iter().map(encode_session));
    for record in records {
        for bit in 0..record.len() * 8 {
            let mut flipped = record.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = Bytes::from(flipped);
            let results = [
                decode_value(b"k", &flipped).is_ok(),
                decode_applied(b"k", &flipped).is_ok(),
                decode_count(b"k", &flipped).is_ok(),
                decode_session(b"k", &flipped).is_ok(),
                decode_slot(b"k", &flipped).is_ok(),
            ];
            assert!(
                bit >= 8 || !results.contains(&true),
                "another format is read"
            );
        }
    }
}
