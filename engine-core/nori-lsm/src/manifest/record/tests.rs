use super::*;

const HEAD: Head = Head {
    number: 7,
    uid: 0x0102_0304_0506_0708,
    align: 1,
};

#[test]
fn a_head_is_read_back_and_every_flip_and_truncation_is_refused() {
    let bytes = HEAD.encode();
    assert_eq!(Head::decode(7, &bytes), Ok(HEAD));
    assert_eq!(Head::decode(8, &bytes), Err(HeadError::Damaged));
    for at in 0..bytes.len() {
        assert_eq!(Head::decode(7, &bytes[..at]), Err(HeadError::Damaged));
        for bit in 0..8 {
            let mut flipped = bytes;
            flipped[at] ^= 1 << bit;
            assert_eq!(Head::decode(7, &flipped), Err(HeadError::Damaged));
        }
    }
}

#[test]
fn another_format_version_is_named() {
    let mut bytes = HEAD.encode();
    bytes[8] = 2;
    let checksum = HEAD.checksum(&bytes);
    bytes[28..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(Head::decode(7, &bytes), Err(HeadError::Version(2)));
}

#[test]
fn a_record_verifies_only_whole_unflipped_and_in_its_place() {
    let mut bytes = alloc::vec![0; 40];
    bytes.extend_from_slice(&encode(&HEAD, 40, Kind::Edit, 33, b"payload"));
    let record = decode(&HEAD, &bytes, 40).unwrap();
    assert_eq!(record.kind, Kind::Edit);
    assert_eq!(record.watermark, 33);
    assert_eq!(record.payload, b"payload");
    assert_eq!(record.end, bytes.len() as u64);

    let other = Head { uid: 1, ..HEAD };
    assert_eq!(decode(&other, &bytes, 40), None);
    assert_eq!(decode(&HEAD, &bytes[1..], 39), None);
    for at in 40..bytes.len() {
        assert_eq!(decode(&HEAD, &bytes[..at], 40), None, "cut at {at}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert_eq!(decode(&HEAD, &flipped, 40), None, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_watermark_above_its_own_record_is_refused() {
    let bytes = encode(&HEAD, 0, Kind::Seal, 1, b"");
    assert_eq!(decode(&HEAD, &bytes, 0), None);
}
