use super::*;
use crate::record::LogId;

fn header() -> SegmentHeader {
    SegmentHeader {
        bridge: true,
        recycled: true,
        uid: 0x0102_0304_0506_0708,
        number: 9,
        base: 1000,
        watermark: 900,
        predecessor: Some(Name { number: 7, uid: 11 }),
        predecessor_end: 990,
        torn_end: 995,
        data_start: 512,
        align: 512,
        reserve: 4096,
    }
}

fn frame() -> FrameBuf {
    let mut frame = FrameBuf::new(Kind::Group, 500, Vec::new());
    frame.push(&Outgoing::new(LogId::MAIN, b"one", None));
    frame.push(&Outgoing::new(LogId::MAIN, b"", None));
    frame.push(&Outgoing::new(LogId::MAIN, b"three", None));
    frame
}

fn decode(bytes: &[u8], uid: u64, offset: u64) -> Option<FrameHeader> {
    let (head, rest) = bytes.split_first_chunk()?;
    let header = FrameHeader::decode(head, uid, offset)?;
    let whole = header.len as usize == bytes.len();
    (whole && header.verifies(rest, uid, offset)).then_some(header)
}

#[test]
fn a_header_comes_back_and_every_flipped_bit_is_noticed() {
    let bytes = header().encode();
    assert_eq!(SegmentHeader::decode(&bytes, 9), Ok(header()));
    for bit in 0..HEADER_LEN * 8 {
        let mut bad = bytes;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            SegmentHeader::decode(&bad, 9),
            Err(NotAHeader::Bad),
            "bit {bit}"
        );
    }
}

#[test]
fn a_header_of_another_number_is_one_of_an_earlier_life() {
    let bytes = header().encode();
    assert_eq!(SegmentHeader::decode(&bytes, 10), Err(NotAHeader::Bad));
}

#[test]
fn a_later_version_is_named() {
    let mut bytes = header().encode();
    bytes[4] = 2;
    let crc = checksum(header().uid, 0, &bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(
        SegmentHeader::decode(&bytes, 9),
        Err(NotAHeader::Version(2))
    );
}

#[test]
fn a_frame_comes_back_and_every_flipped_bit_is_noticed() {
    let mut frame = frame();
    frame.finish(77, 96, 400, 64);
    let bytes = frame.bytes();
    assert_eq!(bytes.len(), 128 - 96 + 64, "padded to the unit");
    let header = decode(bytes, 77, 96).unwrap();
    assert_eq!((header.lsn, header.watermark, header.count), (500, 400, 3));
    let records = Records::new(500, &bytes[FRAME_HEADER_LEN..][..header.body as usize]);
    let records: Vec<_> = records
        .map(|record| (record.lsn, record.payload().unwrap().into_owned()))
        .collect();
    let expected: [(u64, &[u8]); 3] = [(540, b"one"), (551, b""), (559, b"three")];
    assert_eq!(
        records,
        expected.map(|(lsn, payload)| (lsn, payload.to_vec()))
    );
    for bit in 0..bytes.len() * 8 {
        let mut bad = Vec::from(bytes);
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode(&bad, 77, 96), None, "bit {bit}");
    }
}

#[test]
fn a_frame_of_another_file_or_place_does_not_verify() {
    let mut frame = frame();
    frame.finish(77, 96, 400, STEP);
    assert!(decode(frame.bytes(), 77, 96).is_some());
    assert_eq!(decode(frame.bytes(), 78, 96), None);
    assert_eq!(decode(frame.bytes(), 77, 104), None);
}
