use super::*;

const GOLDEN: [u8; 32] = [
    0x4e, 0x4b, 0x56, 0x51, 1, 0, 2, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0,
    0, 0, 0, 0,
];

fn hello() -> Hello {
    Hello {
        cluster: 7,
        node: NodeId(2),
        boot: 9,
        lane: Lane::Append,
    }
}

#[test]
fn a_hello_is_written_as_the_documented_bytes() {
    assert_eq!(hello().encode(), GOLDEN);
    assert_eq!(Hello::decode(&GOLDEN), Ok(hello()));
}

#[test]
fn every_lane_survives_the_trip() {
    for lane in lane::ALL {
        let hello = Hello { lane, ..hello() };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for end in 0..GOLDEN.len() {
        assert!(Hello::decode(&GOLDEN[..end]).is_err(), "{end} bytes");
    }
    let mut longer = GOLDEN.to_vec();
    longer.push(0);
    assert_eq!(Hello::decode(&longer), Err(Refusal::NotAPeer));
}

#[test]
fn every_flipped_bit_is_refused_or_changes_the_meaning() {
    for bit in 0..GOLDEN.len() * 8 {
        let mut bytes = GOLDEN;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(Hello::decode(&bytes), Ok(hello()), "bit {bit}");
    }
}

#[test]
fn another_version_is_named_even_when_its_hello_is_longer() {
    let mut bytes = GOLDEN.to_vec();
    bytes[4] = 2;
    bytes.extend_from_slice(&[1; 40]);
    assert_eq!(
        Hello::decode(&bytes),
        Err(Refusal::Version { ours: 1, theirs: 2 })
    );
}
