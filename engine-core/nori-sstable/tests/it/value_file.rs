//! Value files as docs/formats/values.md describes them, and files that earlier builds wrote.

use std::sync::Arc;

use nori_env::{BlockObject, BlockStore, MemStore, ObjectId};
use nori_sstable::{
    BlockCache, Compression, ValueFile, ValueFileBuilder, ValueFileMeta, ValuePointer,
};

use crate::common::UID;
use crate::format::{dump, hex};

const PAGE: &str = include_str!("../../../../docs/formats/values.md");
/// Value files that format version 1 wrote, each with its meta (postcard).
const GOLDEN: [(&str, Compression, &[u8], &[u8]); 2] = [
    (
        "plain",
        Compression::None,
        include_bytes!("../golden/plain.values"),
        include_bytes!("../golden/plain.values.meta"),
    ),
    (
        "lz4",
        Compression::Lz4,
        include_bytes!("../golden/lz4.values"),
        include_bytes!("../golden/lz4.values.meta"),
    ),
];

fn object_of(bytes: &[u8]) -> Arc<dyn BlockObject> {
    let object = MemStore::new().create(ObjectId::values(1), None).unwrap();
    object.append(0, &[bytes]).unwrap();
    object
}

fn build(
    values: &[Vec<u8>],
    compression: Compression,
) -> (Vec<u8>, ValueFileMeta, Vec<ValuePointer>) {
    let object = object_of(&[]);
    let mut builder = ValueFileBuilder::new(Arc::clone(&object), UID, compression);
    let pointers = values.iter().map(|value| builder.add(value).unwrap());
    let pointers = pointers.collect();
    let meta = builder.finish().unwrap();
    let mut bytes = vec![0; usize::try_from(meta.size).unwrap()];
    object.read_at(0, &mut bytes).unwrap();
    (bytes, meta, pointers)
}

fn open(bytes: &[u8], meta: &ValueFileMeta) -> Arc<ValueFile> {
    ValueFile::open(object_of(bytes), meta, BlockCache::new(0)).unwrap()
}

fn golden_values() -> Vec<Vec<u8>> {
    let value = |n: u32| format!("{n:04} of many, many, many, many").into_bytes();
    (0..50)
        .map(|n| value(n).repeat(1 + n as usize % 4))
        .collect()
}

#[test]
fn the_worked_example_of_the_page_is_the_value_file_that_is_written() {
    let (bytes, meta, pointers) = build(&[b"toasted".to_vec(), b"a".repeat(100)], Compression::Lz4);
    let documented = dump(PAGE);
    assert_eq!(hex(&documented), hex(&bytes));
    let mut pointer = Vec::new();
    pointers[1].encode_into(&mut pointer);
    for fact in [hex(&pointer), format!("{:08x}", meta.footer_checksum)] {
        assert!(PAGE.contains(&fact), "{fact}");
    }
    let file = open(&documented, &meta);
    assert_eq!(file.read(&pointers[0], true).unwrap(), "toasted");
    assert_eq!(file.read(&pointers[1], true).unwrap(), b"a".repeat(100));
}

#[test]
fn value_files_of_format_version_1_are_still_read_and_written_the_same() {
    if let Ok(folder) = std::env::var("NORI_SSTABLE_WRITE_GOLDEN") {
        for (name, compression, ..) in GOLDEN {
            let (bytes, meta, _) = build(&golden_values(), compression);
            std::fs::write(format!("{folder}/{name}.values"), &bytes).unwrap();
            let meta = postcard::to_allocvec(&meta).unwrap();
            std::fs::write(format!("{folder}/{name}.values.meta"), meta).unwrap();
        }
        panic!("golden files written; run again without NORI_SSTABLE_WRITE_GOLDEN");
    }
    for (name, compression, golden, golden_meta) in GOLDEN {
        let (bytes, meta, pointers) = build(&golden_values(), compression);
        assert!(bytes == golden, "the bytes of {name} differ");
        assert_eq!(postcard::to_allocvec(&meta).unwrap(), golden_meta);
        let meta: ValueFileMeta = postcard::from_bytes(golden_meta).unwrap();
        let file = open(golden, &meta);
        for (value, pointer) in golden_values().iter().zip(&pointers) {
            assert_eq!(file.read(pointer, false).unwrap(), value);
        }
        assert!(file.verifier().step(u64::MAX).unwrap());
    }
}
