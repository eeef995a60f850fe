use std::vec;

use norikv_types::{LogIndex, Term};

use super::*;
use crate::StepAnswer;

const VERSION: Version = Version {
    term: Term(3),
    index: LogIndex(300),
};

const RECORD: GroupRecord = GroupRecord {
    applied: VERSION,
    stamp: WallMs(300),
};

fn sessions() -> Vec<Session> {
    let transacted = Outcome::Transacted {
        version: VERSION,
        succeeded: true,
        answers: vec![
            StepAnswer::Done,
            StepAnswer::Value {
                value: Bytes::from_static(b"v"),
                version: VERSION,
                expires_at: Some(WallMs(5)),
            },
            StepAnswer::Absent,
        ],
    };
    let outcomes = [
        Outcome::Written { version: VERSION },
        Outcome::PreconditionFailed { actual: None },
        Outcome::PreconditionFailed {
            actual: Some(VERSION),
        },
        Outcome::Counted {
            version: VERSION,
            value: i64::MIN,
        },
        transacted,
    ];
    let session = |outcome| Session {
        number: 1 << 40,
        name: u128::MAX,
        fingerprint: u64::MAX,
        stamp: WallMs(300),
        outcome,
    };
    outcomes.into_iter().map(session).collect()
}

#[test]
fn the_layout_is_as_written() {
    let value = encode_value(VERSION, None, b"hello");
    assert_eq!(value, b"\x01\x03\xac\x02hello".as_slice());
    let ending = encode_value(VERSION, Some(WallMs(300)), b"hello");
    assert_eq!(ending, b"\x02\x03\xac\x02\xac\x02hello".as_slice());
    assert_eq!(encode_group(RECORD), b"\x03\x03\xac\x02\xac\x02".as_slice());
    let session = Session {
        number: 7,
        name: 300,
        fingerprint: 5,
        stamp: WallMs(300),
        outcome: Outcome::Written { version: VERSION },
    };
    assert_eq!(
        encode_session(&session),
        b"\x04\x07\xac\x02\x05\xac\x02\x00\x03\xac\x02".as_slice()
    );
}

#[test]
fn records_survive_their_bytes() {
    for value in [b"".as_slice(), b"hello", &[0xff; 1_000]] {
        for expires_at in [None, Some(WallMs(u64::MAX))] {
            let stored = encode_value(VERSION, expires_at, value);
            let expected = StoredValue {
                version: VERSION,
                expires_at,
                value: Bytes::copy_from_slice(value),
            };
            assert_eq!(decode_value(b"k", &stored), Ok(expected));
            assert_eq!(ends_at(&stored), expires_at);
        }
    }
    assert_eq!(decode_group(b"k", &encode_group(RECORD)), Ok(RECORD));
    assert_eq!(ends_at(&encode_group(RECORD)), None);
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
    let group = encode_group(RECORD);
    let ending = encode_value(VERSION, Some(WallMs(300)), b"");
    for len in 0..group.len() {
        assert!(decode_group(b"k", &group.slice(..len)).is_err());
        assert!(decode_value(b"k", &group.slice(..len)).is_err());
        assert!(decode_value(b"k", &ending.slice(..len)).is_err());
        assert_eq!(ends_at(&ending.slice(..len)), None);
    }
}

#[test]
fn no_flipped_bit_panics_and_none_makes_another_kind_of_record() {
    let mut records = vec![
        (0, encode_value(VERSION, None, b"hello")),
        (0, encode_value(VERSION, Some(WallMs(9)), b"hello")),
        (1, encode_group(RECORD)),
    ];
    records.extend(
        sessions()
            .iter()
            .map(|session| (2, encode_session(session))),
    );
    for (kind, record) in records {
        for bit in 8..record.len() * 8 {
            let mut flipped = record.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = Bytes::from(flipped);
            let results = [
                decode_value(b"k", &flipped).is_ok(),
                decode_group(b"k", &flipped).is_ok(),
                decode_session(b"k", &flipped).is_ok(),
            ];
            for (other, is_read) in results.into_iter().enumerate() {
                assert!(!is_read || other == kind, "bit {bit} of a record of {kind}");
            }
        }
    }
}
