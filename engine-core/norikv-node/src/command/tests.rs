use std::vec;

use norikv_types::{LogIndex, Term};

use super::*;
use crate::{Check, Compare, Step};

fn sample() -> Command {
    Command {
        stamp: WallMs(0x0102),
        ..Command::new(
            Operation::Put {
                key: Bytes::from_static(b"user:123"),
                value: Bytes::from_static(b"hello"),
                expect: Expect::Version(Version {
                    term: Term(3),
                    index: LogIndex(300),
                }),
                ttl_ms: Some(300),
            },
            Some(Bytes::from_static(b"order-7")),
        )
    }
}

fn key() -> Bytes {
    Bytes::from_static(b"k")
}

#[test]
fn a_command_survives_its_bytes() {
    let transaction = Transaction {
        compares: vec![Compare {
            key: key(),
            check: Check::Value(key()),
        }],
        then: vec![Step::Get { key: key() }, Step::Delete { key: key() }],
        otherwise: vec![Step::Put {
            key: key(),
            value: key(),
            ttl_ms: None,
        }],
    };
    for operation in [
        sample().operation,
        Operation::Delete {
            key: key(),
            expect: Expect::Absent,
        },
        Operation::Increment { key: key(), by: -7 },
        Operation::Transaction(transaction),
        Operation::Tick,
    ] {
        for name in [None, Some(key())] {
            let command = Command::new(operation.clone(), name);
            assert_eq!(Command::decode(&command.encode()), Ok(command));
        }
    }
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let bytes = sample().encode();
    for len in 0..bytes.len() {
        assert!(Command::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Command::decode(&longer).is_err());
}

#[test]
fn no_flipped_bit_panics() {
    let bytes = sample().encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(Command::decode(&flipped), Ok(sample()), "bit {bit}");
    }
}

#[test]
fn the_layout_of_format_2_is_as_written() {
    let expected = [
        2, // format
        2, 1, 0, 0, 0, 0, 0, 0, // stamp
        0, 8, b'u', b's', b'e', b'r', b':', b'1', b'2', b'3', // put, its key
        5, b'h', b'e', b'l', b'l', b'o', // its value
        2, 3, 0xac, 0x02, // expect version: term 3, index 300
        1, 0xac, 0x02, // ends after 300 ms
        1, 7, b'o', b'r', b'd', b'e', b'r', b'-', b'7', // idempotency key
    ];
    assert_eq!(sample().encode(), expected.as_slice());
}

#[test]
fn a_leader_stamps_without_taking_the_command_apart() {
    let stamped = Command::stamped(sample().encode(), WallMs(u64::MAX));
    let expected = Command {
        stamp: WallMs(u64::MAX),
        ..sample()
    };
    assert_eq!(Command::decode(&stamped), Ok(expected));
    // Bytes that someone else holds stay as they are.
    let held = sample().encode();
    let stamped = Command::stamped(held.clone(), WallMs(1));
    assert_eq!(Command::decode(&held), Ok(sample()));
    assert_ne!(stamped, held);
    for junk in [
        b"".as_slice(),
        b"\x02short",
        b"\x07something of another format",
    ] {
        let junk = Bytes::copy_from_slice(junk);
        assert_eq!(Command::stamped(junk.clone(), WallMs(1)), junk);
    }
}

#[test]
fn the_fingerprint_tells_requests_apart_and_times_not() {
    let of = |operation: Operation, name: &'static [u8]| {
        Command::fingerprint(&Command::new(operation, Some(name.into())).encode())
    };
    let put = |value: &'static [u8], expect, ttl_ms| Operation::Put {
        key: key(),
        value: value.into(),
        expect,
        ttl_ms,
    };
    let base = of(put(b"v", Expect::Any, None), b"n");
    assert_eq!(base, of(put(b"v", Expect::Any, None), b"n"));
    for (operation, name) in [
        (put(b"w", Expect::Any, None), b"n"),
        (put(b"v", Expect::Absent, None), b"n"),
        (put(b"v", Expect::Any, Some(1)), b"n"),
        (put(b"v", Expect::Any, None), b"m"),
        (Operation::Increment { key: key(), by: 1 }, b"n"),
    ] {
        assert_ne!(base, of(operation, name));
    }
    let late = Command::stamped(
        Command::new(put(b"v", Expect::Any, None), Some(b"n".as_slice().into())).encode(),
        WallMs(77),
    );
    assert_eq!(base, Command::fingerprint(&late));
}

#[test]
fn the_documented_example_is_what_is_written() {
    let page = include_str!("../../../../docs/formats/state.md");
    let example = page.split("stamped 258:\n\n`").nth(1).unwrap();
    let documented: Vec<u8> = example
        .split_once('`')
        .unwrap()
        .0
        .split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(sample().encode(), documented);
}
