use norikv_types::Term;

use super::*;

fn sample() -> Command {
    Command::new(
        Bytes::from_static(b"user:123"),
        Operation::Put(Bytes::from_static(b"hello")),
        Expect::Version(Version {
            term: Term(3),
            index: LogIndex(300),
        }),
        Some(Bytes::from_static(b"order-7")),
    )
}

#[test]
fn a_command_survives_its_bytes() {
    let command = sample();
    assert_eq!(Command::decode(&command.encode()), Ok(command));
    let delete = Command::new(
        Bytes::from_static(b"k"),
        Operation::Delete,
        Expect::Absent,
        None,
    );
    assert_eq!(Command::decode(&delete.encode()), Ok(delete));
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
fn the_layout_of_format_1_is_as_written() {
    let expected = [
        1, // format
        8, b'u', b's', b'e', b'r', b':', b'1', b'2', b'3', // key
        0, 5, b'h', b'e', b'l', b'l', b'o', // put
        2, 3, 0xac, 0x02, // expect version: term 3, index 300
        1, 7, b'o', b'r', b'd', b'e', b'r', b'-', b'7', // idempotency key
    ];
    assert!(sample().encode().starts_with(&expected));
}

#[test]
fn the_fingerprint_tells_requests_apart() {
    let of = |key: &'static [u8], operation, expect| {
        Command::new(
            key.into(),
            operation,
            expect,
            Some(Bytes::from_static(b"n")),
        )
        .idempotency
        .map(|idempotency| idempotency.fingerprint)
    };
    let put = |value: &'static [u8]| Operation::Put(value.into());
    let base = of(b"k", put(b"v"), Expect::Any);
    assert_eq!(base, of(b"k", put(b"v"), Expect::Any));
    assert_ne!(base, of(b"kv", put(b""), Expect::Any));
    assert_ne!(base, of(b"k", put(b"w"), Expect::Any));
    assert_ne!(base, of(b"k", Operation::Delete, Expect::Any));
    assert_ne!(base, of(b"k", put(b"v"), Expect::Absent));
}
