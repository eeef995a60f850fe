use bytes::Bytes;
use norikv_types::{LogIndex, Term};

use super::*;

fn key(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

fn sample() -> Transaction {
    let version = Version {
        term: Term(3),
        index: LogIndex(41),
    };
    let checks = [
        Check::Exists,
        Check::Absent,
        Check::Version(version),
        Check::Value(key(b"1")),
        Check::Value(key(b"\xff")),
    ];
    Transaction {
        compares: checks
            .into_iter()
            .map(|check| Compare {
                key: key(b"\xfe"),
                check,
            })
            .collect(),
        then: vec![
            Step::Put {
                key: key(b"a"),
                value: key(b"\xff"),
                ttl_ms: Some(5),
            },
            Step::Delete { key: key(b"b") },
        ],
        otherwise: vec![Step::Get { key: key(b"c") }],
    }
}

#[test]
fn a_transaction_survives_its_json() {
    for transaction in [sample(), Transaction::default()] {
        let json = serde_json::to_string(&TransactionBody::of(&transaction)).unwrap();
        let body: TransactionBody = serde_json::from_str(&json).unwrap();
        assert_eq!(body.into_transaction(), Ok(transaction));
    }
}

#[test]
fn a_transaction_reads_as_documented() {
    let json = r#"{"compare":[{"key":"a","value":"1"}],"then":[{"op":"put","key":"a","value":"2"}],"else":[{"op":"get","key":"a"}]}"#;
    let body: TransactionBody = serde_json::from_str(json).unwrap();
    let put = Step::Put {
        key: key(b"a"),
        value: key(b"2"),
        ttl_ms: None,
    };
    let expected = Transaction {
        compares: vec![Compare {
            key: key(b"a"),
            check: Check::Value(key(b"1")),
        }],
        then: vec![put],
        otherwise: vec![Step::Get { key: key(b"a") }],
    };
    assert_eq!(body.into_transaction(), Ok(expected));
}

#[test]
fn what_is_wrong_is_named() {
    for (json, what) in [
        (r#"{"compare":[{"key":"a"}]}"#, "compare[0]: of exists"),
        (r#"{"compare":[{"exists":true}]}"#, "compare[0]: key"),
        (
            r#"{"compare":[{"key":"a","exists":true,"value":"1"}]}"#,
            "compare[0]",
        ),
        (
            r#"{"then":[{"op":"get","key":"a"},{"op":"put","key":"a"}]}"#,
            "then[1]: value",
        ),
        (
            r#"{"else":[{"op":"get","key":"a","value":"v"}]}"#,
            "else[0]: only a put",
        ),
        (r#"{"else":[{"op":"get","key_b64":"%"}]}"#, "else[0]: key"),
    ] {
        let body: TransactionBody = serde_json::from_str(json).unwrap();
        let why = body.into_transaction().unwrap_err();
        assert!(why.starts_with(what), "{json}: {why}");
    }
    for json in [r#"{"than":[]}"#, r#"{"then":[{"op":"append","key":"a"}]}"#] {
        assert!(serde_json::from_str::<TransactionBody>(json).is_err());
    }
}

#[test]
fn answers_survive_their_json() {
    let value = StepAnswer::Value {
        value: key(b"\xff"),
        version: Version::default(),
        expires_at: Some(WallMs(7)),
    };
    for answer in [StepAnswer::Done, StepAnswer::Absent, value] {
        let json = serde_json::to_string(&ResultBody::of(&answer)).unwrap();
        let body: ResultBody = serde_json::from_str(&json).unwrap();
        assert_eq!(body.into_answer(), Ok(answer));
    }
}
