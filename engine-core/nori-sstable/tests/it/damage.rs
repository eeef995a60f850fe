//! Bytes from outside: every truncation and every flipped bit give the right value or a typed error.

use nori_env::MemStore;
use nori_sstable::{Compression, Error, SeqNo, TableMeta, TableOptions, ValueKind};

use crate::common::{self, Version};

fn entries() -> Vec<Version> {
    (0..40u32)
        .flat_map(|n| {
            let user = format!("user{:03}", n * 3).into_bytes();
            let value = format!("value value value {n}").into_bytes();
            let newer = (user.clone(), 90, ValueKind::Put, value);
            [newer, (user, 10, ValueKind::Tombstone, Vec::new())]
        })
        .collect()
}

fn small_table(compression: Compression) -> (Vec<u8>, TableMeta) {
    let store = MemStore::new();
    let options = TableOptions {
        block_bytes: 300,
        index_block_bytes: 100,
        compression,
        ..TableOptions::default()
    };
    let meta = common::build(&store, &entries(), options);
    (common::bytes_of(&store), meta)
}

/// Reads a damaged table in every way: what it gives is right, or an error that names damage.
/// Returns whether any read failed.
fn read_all(bytes: &[u8], meta: &TableMeta, expected: &[Version]) -> bool {
    let table = match common::open_bytes(bytes, meta) {
        Ok(table) => table,
        Err(error) => {
            assert!(is_damage(&error), "{error}");
            return true;
        }
    };
    let mut failed = false;
    for version in expected {
        match table.get(&version.0, SeqNo(version.1)) {
            Ok(found) => {
                let found = found.map(|f| (version.0.clone(), f.seqno.0, f.kind, f.value.to_vec()));
                assert_eq!(found.as_ref(), Some(version));
            }
            Err(error) => {
                assert!(is_damage(&error), "{error}");
                failed = true;
            }
        }
    }
    let mut reversed = expected.to_vec();
    reversed.reverse();
    for (scan, expected) in [
        (common::scan(&table), expected),
        (common::scan_back(&table), &reversed),
    ] {
        match scan {
            Ok(all) => assert_eq!(all, expected),
            Err(error) => {
                assert!(is_damage(&error), "{error}");
                failed = true;
            }
        }
    }
    failed
}

fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. } | Error::Unsupported { .. })
}

#[test]
fn every_flipped_bit_is_found() {
    let expected = entries();
    for compression in [Compression::None, Compression::Lz4] {
        let (mut bytes, meta) = small_table(compression);
        assert!(!read_all(&bytes, &meta, &expected));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert!(read_all(&bytes, &meta, &expected), "byte {at}, bit {bit}");
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn every_truncation_is_found() {
    let expected = entries();
    let (bytes, meta) = small_table(Compression::Lz4);
    for length in 0..bytes.len() {
        assert!(
            read_all(&bytes[..length], &meta, &expected),
            "{length} bytes"
        );
    }
}
