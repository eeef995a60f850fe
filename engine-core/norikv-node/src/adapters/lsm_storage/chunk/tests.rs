use std::vec;

use super::*;

const HEAD: ChunkHead = ChunkHead {
    group: GroupId(3),
    number: 258,
    at: Version {
        term: Term(7),
        index: LogIndex(300),
    },
    last: true,
};

fn sample() -> Bytes {
    let mut chunk = ChunkWriter::new();
    chunk.add(b"k1", b"hello");
    chunk.add(b"", b"");
    chunk.add(b"k2", b"");
    let expected = chunk.len();
    let bytes = chunk.finish(&HEAD);
    assert_eq!(bytes.len() as u64, expected);
    bytes
}

#[test]
fn the_layout_of_format_1_is_as_written() {
    let expected = [
        b"NKVS".as_slice(),
        &[1, 1, 0, 0],
        &[3, 0, 0, 0],
        &[2, 1, 0, 0],
        &[7, 0, 0, 0, 0, 0, 0, 0],
        &[0x2c, 1, 0, 0, 0, 0, 0, 0],
        &[33, 0, 0, 0],
        &[2, 0, 0, 0, 5, 0, 0, 0],
        b"k1hello",
        &[0; 8],
        &[2, 0, 0, 0, 0, 0, 0, 0],
        b"k2",
    ]
    .concat();
    let bytes = sample();
    assert_eq!(bytes.slice(..expected.len()), expected);
    assert_eq!(bytes.len(), expected.len() + 4);
}

#[test]
fn a_chunk_survives_its_bytes() {
    let (head, mut items) = read(&sample()).unwrap();
    assert_eq!(head, HEAD);
    let mut found = vec![];
    while let Some(item) = items.next().unwrap() {
        found.push(item);
    }
    let item = |key: &'static [u8], value: &'static [u8]| (key.into(), value.into());
    assert_eq!(
        found,
        [item(b"k1", b"hello"), item(b"", b""), item(b"k2", b"")]
    );
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let bytes = sample();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped.into()).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(read(&bytes.slice(..len)).is_err(), "{len} bytes");
    }
}

/// A peer that checksums nonsense must not get further than an error.
#[test]
fn a_forged_chunk_is_refused() {
    let forge = |change: &dyn Fn(&mut Vec<u8>)| {
        let bytes = sample();
        let mut forged = bytes.slice(..bytes.len() - 4).to_vec();
        change(&mut forged);
        let checksum = crc32fast::hash(&forged);
        forged.extend_from_slice(&checksum.to_le_bytes());
        let (_, mut items) = read(&forged.into())?;
        while items.next()?.is_some() {}
        Ok(())
    };
    assert_eq!(forge(&|_| {}), Ok(()));
    assert_eq!(forge(&|bytes| bytes[0] = b'X'), Err(ChunkError::Magic));
    assert_eq!(forge(&|bytes| bytes[4] = 2), Err(ChunkError::Format(2)));
    assert_eq!(forge(&|bytes| bytes[5] = 2), Err(ChunkError::Malformed));
    assert_eq!(forge(&|bytes| bytes[6] = 1), Err(ChunkError::Malformed));
    assert_eq!(forge(&|bytes| bytes[32] += 1), Err(ChunkError::Malformed));
    assert_eq!(
        forge(&|bytes| bytes.truncate(60)),
        Err(ChunkError::Malformed)
    );
    for at in [36, 40] {
        let long = &|bytes: &mut Vec<u8>| bytes[at + 3] = 0xff;
        assert_eq!(forge(long), Err(ChunkError::Malformed), "length at {at}");
    }
    let cut = &|bytes: &mut Vec<u8>| {
        bytes.pop();
        bytes[32] -= 1;
    };
    assert_eq!(forge(cut), Err(ChunkError::Malformed));
}
