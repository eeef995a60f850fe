use std::vec;
use std::vec::Vec;

use super::*;

const UID: u64 = 9;

fn framed(payload: &[u8], compression: Compression) -> (Vec<u8>, BlockHandle) {
    let mut out = Vec::new();
    let handle = Framer::new(UID, compression).put(&mut out, 4096, BlockKind::Data, payload);
    (out, handle)
}

/// `framed` with a header field changed and both checksums made to fit again.
fn forged(framed: &[u8], change: impl FnOnce(&mut [u8])) -> (Bytes, BlockHandle) {
    let mut bytes = framed.to_vec();
    change(&mut bytes);
    let checksum = checksum(UID, 4096, &bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    let handle = BlockHandle {
        offset: 4096,
        length: u32::try_from(bytes.len()).unwrap(),
        checksum,
    };
    (bytes.into(), handle)
}

#[test]
fn payloads_round_trip_in_both_compressions() {
    let noise: Vec<u8> = (0..5000u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    for payload in [Vec::new(), vec![7; 5000], vec![7; 200_000], noise] {
        for compression in [Compression::None, Compression::Lz4] {
            let (bytes, handle) = framed(&payload, compression);
            assert_eq!(handle.length as usize, bytes.len());
            let copied = open_copied(UID, handle, BlockKind::Data, &bytes).unwrap();
            assert_eq!(copied, payload);
            let opened = open(UID, handle, BlockKind::Data, bytes.into()).unwrap();
            assert_eq!(opened, payload);
        }
    }
}

#[test]
fn a_block_that_lz4_shrinks_by_less_than_an_eighth_stays_as_it_is() {
    let random: Vec<u8> = (0..1000u32)
        .flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes())
        .collect();
    let mut nearly = random[..7300].to_vec();
    nearly.resize(8000, 0); // about 8.5 % to gain
    let mut enough = random[..6500].to_vec();
    enough.resize(8000, 0); // about 18 %
    assert_eq!(framed(&nearly, Compression::Lz4).0[5], COMPRESSION_NONE);
    assert_eq!(framed(&enough, Compression::Lz4).0[5], COMPRESSION_LZ4);
}

#[test]
fn a_large_block_does_not_change_how_later_ones_compress() {
    let mut framer = Framer::new(UID, Compression::Lz4);
    let (small, large) = (vec![b'x'; 3000], vec![b'y'; 300_000]);
    let mut put = |payload: &[u8]| {
        let mut out = Vec::new();
        framer.put(&mut out, 0, BlockKind::Data, payload);
        out
    };
    let before = put(&small);
    put(&large);
    assert_eq!(put(&small), before);
}

#[test]
fn the_same_bytes_elsewhere_or_in_another_table_fail() {
    let (bytes, handle) = framed(b"payload", Compression::None);
    let bytes = Bytes::from(bytes);
    let moved = BlockHandle {
        offset: 8192,
        ..handle
    };
    for (uid, handle) in [(UID, moved), (UID + 1, handle)] {
        let damage = open(uid, handle, BlockKind::Data, bytes.clone());
        assert!(matches!(damage, Err(Damage::Checksum { .. })));
    }
}

#[test]
fn a_stale_block_of_the_same_place_is_not_the_child() {
    let (_, handle) = framed(b"new", Compression::None);
    let (stale, _) = framed(b"old", Compression::None);
    let damage = open(UID, handle, BlockKind::Data, stale.into());
    assert!(matches!(damage, Err(Damage::NotTheChild { .. })));
}

#[test]
fn an_uncompressed_length_over_the_bound_is_refused_before_decompression() {
    let (bytes, _) = framed(&[7; 5000], Compression::Lz4);
    // Over the bound; more than LZ4 can expand; not what it expands to.
    for length in [u32::MAX, UNCOMPRESSED_BYTES_MAX + 1, 1 << 20, 4999, 5001] {
        let (bytes, handle) = forged(&bytes, |b| b[8..12].copy_from_slice(&length.to_le_bytes()));
        let damage = open(UID, handle, BlockKind::Data, bytes);
        let refused = matches!(damage, Err(Damage::Length(_) | Damage::Decompress));
        assert!(refused, "{length}: {damage:?}");
    }
    let (plain, _) = framed(b"payload", Compression::None);
    let (bytes, handle) = forged(&plain, |b| b[8] += 1);
    let damage = open(UID, handle, BlockKind::Data, bytes);
    assert_eq!(damage, Err(Damage::Length(8)));
}

#[test]
fn an_unknown_compression_or_another_kind_is_refused() {
    let (plain, _) = framed(b"payload", Compression::None);
    let (bytes, handle) = forged(&plain, |b| b[5] = 2);
    let damage = open(UID, handle, BlockKind::Data, bytes);
    assert_eq!(damage, Err(Damage::Compression(2)));
    let (bytes, handle) = forged(&plain, |b| b[6] = 1);
    let damage = open(UID, handle, BlockKind::Data, bytes);
    assert_eq!(damage, Err(Damage::Compression(1)));
    let (bytes, handle) = forged(&plain, |b| b[4] = BlockKind::Filter as u8);
    let damage = open(UID, handle, BlockKind::Data, bytes);
    assert_eq!(
        damage,
        Err(Damage::Kind {
            expected: 1,
            got: 4
        })
    );
}
