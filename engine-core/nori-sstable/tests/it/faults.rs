//! Faults that tables of other engines have had; ours are shown not to.

use nori_env::MemStore;
use nori_sstable::{
    BlockCache, Compression, Error, SeqNo, Table, TableMeta, TableOptions, VALUE_BYTES_MAX,
    ValueKind,
    inspect::{self, BlockKind},
};

use crate::common::{self, ID, UID, Version};

fn entries() -> Vec<Version> {
    (0..300u32)
        .map(|n| {
            let value = format!("value value value {n}").into_bytes();
            (format!("user{n:03}").into_bytes(), 9, ValueKind::Put, value)
        })
        .collect()
}

fn built(partition_filters: bool) -> (Vec<u8>, TableMeta) {
    let store = MemStore::new();
    let options = TableOptions {
        block_bytes: 300,
        index_block_bytes: 200,
        partition_filters,
        hash_index: true,
        ..TableOptions::default()
    };
    let meta = common::build(&store, &entries(), options);
    (common::bytes_of(&store), meta)
}

/// Reads every key that is there; how many are answered by an error.
fn failures(bytes: &[u8], meta: &TableMeta) -> usize {
    let table = match common::open_bytes(bytes, meta) {
        Ok(table) => table,
        Err(Error::Corrupt { .. }) => return entries().len(),
        Err(other) => panic!("{other}"),
    };
    let fails = |(user, seqno, _, value): &Version| match table.get(user, SeqNo(*seqno)) {
        Ok(Some(found)) => {
            assert_eq!(&*found.value, &**value, "a wrong value");
            false
        }
        Ok(None) => panic!("a damaged table reads as not found"),
        Err(Error::Corrupt { object, .. }) => {
            assert_eq!(object, ID);
            true
        }
        Err(other) => panic!("{other}"),
    };
    entries().iter().filter(|version| fails(version)).count()
}

/// No checksum on data, index or filter blocks, so that one flipped byte is a wrong value; a
/// damaged table that reads as "not found".
#[test]
fn a_flipped_byte_in_a_block_of_any_kind_is_an_error_and_neither_a_wrong_value_nor_an_absent_key() {
    for partition_filters in [false, true] {
        let (mut bytes, meta) = built(partition_filters);
        let table = common::open_bytes(&bytes, &meta).unwrap();
        let mut kinds = Vec::new();
        for block in inspect::blocks(&table) {
            let block = block.unwrap();
            let (offset, length) = (block.offset, u64::from(block.stored_bytes));
            for at in [offset, offset + 5, offset + length / 2, offset + length - 1] {
                let at = usize::try_from(at).unwrap();
                bytes[at] ^= 0x40;
                assert!(failures(&bytes, &meta) > 0, "byte {at} of {:?}", block.kind);
                bytes[at] ^= 0x40;
            }
            kinds.push(block.kind);
        }
        for kind in [
            BlockKind::Data,
            BlockKind::Index,
            BlockKind::TopIndex,
            BlockKind::Filter,
            BlockKind::Properties,
        ] {
            assert!(kinds.contains(&kind), "{kind:?}");
        }
        assert_eq!(failures(&bytes, &meta), 0);
    }
}

#[test]
fn damage_in_one_block_leaves_the_keys_of_others_readable() {
    let (mut bytes, meta) = built(false);
    bytes[20] ^= 1;
    let failed = failures(&bytes, &meta);
    assert!((1..30).contains(&failed), "{failed}");
}

/// A filter that cannot be read is no reason to skip its table.
#[test]
fn a_damaged_filter_of_a_partition_denies_nothing() {
    let (mut bytes, meta) = built(true);
    let table = common::open_bytes(&bytes, &meta).unwrap();
    for block in inspect::blocks(&table).map(Result::unwrap) {
        if block.kind == BlockKind::Filter {
            bytes[usize::try_from(block.offset).unwrap() + 20] ^= 1;
        }
    }
    let table = common::open_bytes(&bytes, &meta).unwrap();
    for (user, ..) in entries() {
        assert!(table.may_contain(&user));
        assert!(matches!(
            table.get(&user, SeqNo::MAX),
            Err(Error::Corrupt { .. })
        ));
    }
}

#[test]
fn an_empty_or_cut_object_in_place_of_a_table_is_an_error_not_an_empty_table() {
    let (bytes, meta) = built(false);
    for length in [0, 1, 103, 104, bytes.len() - 1] {
        let opened = common::open_bytes(&bytes[..length], &meta);
        assert!(
            matches!(opened, Err(Error::Corrupt { .. })),
            "{length} bytes"
        );
    }
}

/// A whole, valid table in the place of another one.
#[test]
fn another_table_in_its_place_is_an_error() {
    let (bytes, meta) = built(false);
    for other in [
        TableMeta {
            uid: UID + 1,
            ..meta.clone()
        },
        TableMeta {
            footer_checksum: meta.footer_checksum ^ 1,
            ..meta.clone()
        },
        TableMeta {
            entries: meta.entries + 1,
            ..meta
        },
    ] {
        let opened = common::open_bytes(&bytes, &other);
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{other:?}");
    }
}

/// Unchecked lengths from disk: what a meta or a footer says is compared with the object before
/// memory is set aside for it.
#[test]
fn a_size_that_the_object_does_not_have_is_refused() {
    let (bytes, meta) = built(false);
    for size in [0, 103, meta.size - 1, meta.size + 1, 1 << 40, u64::MAX] {
        let other = TableMeta {
            size,
            ..meta.clone()
        };
        let opened = common::open_bytes(&bytes, &other);
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{size}");
    }
}

/// Blocks above a bound that can be written and not be decompressed; records above a size that can
/// be written and not read back.
#[test]
fn the_largest_value_and_the_longest_key_are_read_back_compressed_or_not() {
    let largest = VALUE_BYTES_MAX as usize;
    for compression in [Compression::None, Compression::Lz4] {
        let store = MemStore::new();
        let long_key = vec![b'k'; 65_535];
        let entries = vec![
            (b"a".to_vec(), 1, ValueKind::Put, b"before".to_vec()),
            (long_key, 1, ValueKind::Put, vec![7; largest]),
            (b"l".to_vec(), 1, ValueKind::Put, b"behind".to_vec()),
        ];
        let options = TableOptions {
            compression,
            ..TableOptions::default()
        };
        let meta = common::build(&store, &entries, options);
        let table = common::open(&store, &meta, 0);
        for (user, _, _, value) in &entries {
            let found = table.get(user, SeqNo::MAX).unwrap().unwrap();
            assert!(found.value == value, "{} bytes", value.len());
        }
        assert_eq!(table.verify().unwrap().bytes, meta.size);
    }
}

/// One cache for all tables of all stores, and a scan through one of them leaves what the others
/// are asked for.
#[test]
fn tables_of_two_stores_share_one_cache_and_a_long_scan_does_not_empty_it() {
    let cache = BlockCache::new(1 << 20);
    let table_of = |uid, keys: u32| {
        let store = MemStore::new();
        let object = nori_env::BlockStore::create(&store, ID, None).unwrap();
        let mut builder =
            nori_sstable::TableBuilder::new(object.clone(), uid, TableOptions::default());
        for n in 0..keys {
            let user = format!("user{n:06}");
            let key = nori_sstable::InternalKeyRef::new(user.as_bytes(), SeqNo(1), ValueKind::Put);
            let value: Vec<u8> = (0..100)
                .map(|i| (n * 37 + i * i).to_le_bytes()[0])
                .collect();
            builder.add(&key, &value).unwrap();
        }
        let meta = builder.finish().unwrap();
        Table::open(object, &meta, cache.clone()).unwrap()
    };
    let (hot, cold) = (table_of(1, 3_000), table_of(2, 40_000));
    let read_hot = || {
        for n in (0..3_000).step_by(20) {
            hot.get(format!("user{n:06}").as_bytes(), SeqNo::MAX)
                .unwrap()
                .unwrap();
        }
    };
    (0..3).for_each(|_| read_hot());
    assert!(cold.meta().size > 2 * cache.capacity());
    common::scan(&cold).unwrap();
    let before = cache.stats();
    read_hot();
    let after = cache.stats();
    assert_eq!(
        after.misses, before.misses,
        "the scan pushed hot blocks out"
    );
    assert!(after.bytes + after.pinned <= cache.capacity());
    let pinned = after.pinned;
    assert_eq!(pinned, hot.resident_bytes() + cold.resident_bytes());
    drop((hot, cold));
    assert_eq!(cache.stats().pinned, 0);
}
