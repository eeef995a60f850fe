use std::vec;
use std::vec::Vec;

use nori_env::{BlockStore, MemStore};

use super::*;
use crate::Compression;

const UID: u64 = 0x0123_4567_89ab_cdef;

/// A file of `values`, its meta, and a pointer to each.
fn built(
    values: &[Vec<u8>],
    compression: Compression,
) -> (Vec<u8>, ValueFileMeta, Vec<ValuePointer>) {
    let store = MemStore::new();
    let object = store.create(ObjectId::values(1), None).unwrap();
    let mut builder = ValueFileBuilder::new(Arc::clone(&object), UID, compression);
    let pointers = values.iter().map(|value| builder.add(value).unwrap());
    let pointers = pointers.collect();
    let meta = builder.finish().unwrap();
    let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
    object.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, meta.size);
    (bytes, meta, pointers)
}

fn open(bytes: &[u8], meta: &ValueFileMeta) -> Result<Arc<ValueFile>, Error> {
    let object = MemStore::new().create(ObjectId::values(1), None).unwrap();
    object.append(0, &[bytes]).unwrap();
    ValueFile::open(object, meta, BlockCache::new(1 << 16))
}

fn values() -> Vec<Vec<u8>> {
    (0..20_u8)
        .map(|n| match n % 3 {
            0 => vec![n; usize::from(n) * 30],
            1 => (0..40)
                .map(|at: u8| at.wrapping_mul(n).wrapping_add(at))
                .collect(),
            _ => std::format!("value {n}").into_bytes(),
        })
        .collect()
}

fn verify(file: &Arc<ValueFile>, budget: u64) -> Result<u32, Error> {
    let mut verifier = file.verifier();
    let mut steps = 1;
    while !verifier.step(budget)? {
        steps += 1;
    }
    Ok(steps)
}

#[test]
fn what_was_added_is_read_by_its_pointer() {
    for compression in [Compression::None, Compression::Lz4] {
        let (bytes, meta, pointers) = built(&values(), compression);
        let file = open(&bytes, &meta).unwrap();
        for fill_cache in [false, true, true] {
            for (value, pointer) in values().iter().zip(&pointers) {
                assert_eq!(file.read(pointer, fill_cache).unwrap(), value);
            }
        }
        assert_eq!(file.cache.stats().blocks, 20);
        let index = file.index().unwrap();
        let indexed: Vec<_> = index.iter().map(|info| info.offset).collect();
        let pointed: Vec<_> = pointers.iter().map(|pointer| pointer.offset).collect();
        assert_eq!(indexed, pointed);
        assert_eq!(verify(&file, u64::MAX).unwrap(), 1);
        assert_eq!(verify(&file, 1).unwrap(), 20);
    }
}

#[test]
fn a_reader_gives_the_same_in_any_order_and_reads_a_range_at_once_where_that_is_worth_it() {
    for compression in [Compression::None, Compression::Lz4] {
        let all: Vec<_> = (0..300_u16)
            .map(|n| n.to_le_bytes().repeat(usize::from(n % 90)))
            .collect();
        let (bytes, meta, pointers) = built(&all, compression);
        let disk = MemStore::new();
        let object = disk.create(ObjectId::values(1), None).unwrap();
        object.append(0, &[&bytes]).unwrap();
        for (step, fill_cache) in [(1, false), (2, false), (7, true), (299, false)] {
            let file = ValueFile::open(Arc::clone(&object), &meta, BlockCache::new(1 << 20));
            let mut reader = file.unwrap().reader(IterOptions {
                fill_cache,
                read_ahead_bytes: 4 << 10,
            });
            for at in (0..600).map(|at| at * step % 300) {
                assert_eq!(reader.read(&pointers[at]).unwrap(), all[at]);
            }
            assert_eq!(reader.file().cache.stats().blocks > 0, fill_cache);
        }
    }
}

#[test]
fn a_reader_finds_damage_where_it_is_and_reads_on_behind_it() {
    let all: Vec<_> = (0..40_u8).map(|n| vec![n; 100]).collect();
    let (mut bytes, meta, pointers) = built(&all, Compression::None);
    bytes[112 * 20 + 50] ^= 1;
    let file = open(&bytes, &meta).unwrap();
    let mut reader = file.reader(IterOptions::default());
    for (at, pointer) in pointers.iter().enumerate() {
        match reader.read(pointer) {
            Ok(value) => assert_eq!(value, all[at]),
            Err(Error::Corrupt { offset, .. }) => assert_eq!((at, offset), (20, 112 * 20)),
            Err(error) => panic!("{error}"),
        }
    }
    let foreign = ValuePointer {
        uid: 1,
        ..pointers[0]
    };
    assert!(reader.read(&foreign).is_err());
}

#[test]
fn values_that_shrink_are_stored_compressed() {
    let large = [vec![7; 4096]];
    let (plain, ..) = built(&large, Compression::None);
    let (small, ..) = built(&large, Compression::Lz4);
    assert!(plain.len() > 4096 && small.len() < 300, "{}", small.len());
}

#[test]
fn a_pointer_survives_encoding_and_nothing_else_is_one() {
    let pointer = ValuePointer {
        uid: UID,
        offset: u64::MAX,
        length: u32::MAX,
        checksum: 0xdead_beef,
    };
    let mut bytes = Vec::new();
    pointer.encode_into(&mut bytes);
    assert_eq!(bytes.len(), ValuePointer::BYTES_MAX);
    assert_eq!(ValuePointer::decode(&bytes), Some(pointer));
    for len in 0..bytes.len() {
        assert_eq!(ValuePointer::decode(&bytes[..len]), None);
    }
    bytes.push(0);
    assert_eq!(ValuePointer::decode(&bytes), None);
}

/// Reads everything in every way; whether verifying failed.
fn read_all(bytes: &[u8], meta: &ValueFileMeta, pointers: &[ValuePointer]) -> bool {
    let file = match open(bytes, meta) {
        Ok(file) => file,
        Err(error) => {
            assert!(
                matches!(error, Error::Corrupt { .. } | Error::Unsupported { .. }),
                "{error}"
            );
            return true;
        }
    };
    for (value, pointer) in values().iter().zip(pointers) {
        match file.read(pointer, true) {
            Ok(read) => assert_eq!(read, value),
            Err(Error::Corrupt { offset, .. }) => assert_eq!(offset, pointer.offset),
            Err(error) => panic!("{error}"),
        }
    }
    match verify(&file, 100) {
        Ok(_) => false,
        Err(Error::Corrupt { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    for compression in [Compression::None, Compression::Lz4] {
        let (mut bytes, meta, pointers) = built(&values(), compression);
        assert!(!read_all(&bytes, &meta, &pointers));
        for at in 0..bytes.len() {
            let bit = 1 << (at % 8);
            bytes[at] ^= bit;
            assert!(read_all(&bytes, &meta, &pointers), "byte {at}");
            bytes[at] ^= bit;
        }
        for len in 0..bytes.len() {
            assert!(read_all(&bytes[..len], &meta, &pointers), "{len} bytes");
        }
    }
}

#[test]
fn a_whole_value_of_another_file_or_place_or_life_is_refused() {
    let all = [vec![1; 50], vec![2; 50]];
    let (bytes, meta, pointers) = built(&all, Compression::None);
    let file = open(&bytes, &meta).unwrap();
    let refused = |pointer: ValuePointer| match file.read(&pointer, true) {
        Err(Error::Corrupt { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    // The second value where the first is meant.
    let misdirected = ValuePointer {
        offset: pointers[1].offset,
        ..pointers[0]
    };
    assert!(matches!(refused(misdirected), Damage::NotTheChild { .. }));
    // Written over by a whole value of the same place in another life of the file.
    let stale = ValuePointer {
        checksum: pointers[0].checksum ^ 1,
        ..pointers[0]
    };
    assert!(matches!(refused(stale), Damage::NotTheChild { .. }));
    let foreign = ValuePointer {
        uid: UID + 1,
        ..pointers[0]
    };
    assert_eq!(refused(foreign), Damage::Handle);
    let outside = ValuePointer {
        offset: meta.data_bytes,
        ..pointers[0]
    };
    assert_eq!(refused(outside), Damage::Handle);
    let other = ValueFileMeta {
        uid: UID + 1,
        ..meta
    };
    let error = open(&bytes, &other).unwrap_err();
    assert!(matches!(
        error,
        Error::Corrupt {
            what: Damage::NotTheTable,
            ..
        }
    ));
}

#[test]
fn a_file_alone_says_what_it_is() {
    let (bytes, meta, _) = built(&values(), Compression::Lz4);
    let object = MemStore::new().create(ObjectId::values(1), None).unwrap();
    object.append(0, &[&bytes]).unwrap();
    assert_eq!(ValueFileMeta::of(&*object), Ok(meta));
}

#[test]
fn an_empty_file_is_refused_and_nothing_is_written() {
    let object = MemStore::new().create(ObjectId::values(1), None).unwrap();
    let builder = ValueFileBuilder::new(Arc::clone(&object), UID, Compression::None);
    assert_eq!(builder.finish(), Err(Error::Empty));
    assert_eq!(object.len(), Ok(0));
}
