use std::{format, vec::Vec};

use nori_env::{BlockStore, MemStore, ObjectId};

use super::*;
use crate::{
    BlockCache, PrefixExtractor, RangeTombstone, TableBuilder, TableMeta, TableOptions, ValueKind,
};

fn built(store: &MemStore, partition_filters: bool, ranges: bool) -> TableMeta {
    let options = TableOptions {
        block_bytes: 300,
        index_block_bytes: 120,
        partition_filters,
        hash_index: true,
        prefix_extractor: Some(PrefixExtractor::Fixed(3)),
        ..TableOptions::default()
    };
    let object = store.create(ObjectId::table(1), None).unwrap();
    let mut builder = TableBuilder::new(object, 7, options);
    for n in 0..400_u32 {
        let user = format!("key{:03}", n / 2);
        let kind = if n % 5 == 0 {
            ValueKind::Tombstone
        } else {
            ValueKind::Put
        };
        let key = InternalKeyRef::new(user.as_bytes(), SeqNo(u64::from(1000 - n)), kind);
        builder.add(&key, b"value value value").unwrap();
    }
    if ranges {
        let tombstone = RangeTombstone {
            start: "a".into(),
            end: "z".into(),
            seqno: SeqNo(2000),
        };
        builder.add_range_tombstone(&tombstone).unwrap();
    }
    builder.set_property(b"made by", b"a test").unwrap();
    builder.finish().unwrap()
}

fn open(store: &MemStore, meta: &TableMeta) -> Arc<Table> {
    let object = store.open(ObjectId::table(1)).unwrap();
    Table::open(object, meta, BlockCache::new(1 << 20)).unwrap()
}

#[test]
fn a_whole_table_passes_and_every_byte_of_it_was_read() {
    for (partitioned, ranges) in [(false, false), (true, false), (false, true), (true, true)] {
        let store = MemStore::new();
        let meta = built(&store, partitioned, ranges);
        let verified = open(&store, &meta).verify().unwrap();
        assert_eq!((verified.bytes, verified.entries), (meta.size, 400));
        assert!(verified.blocks > 20);
    }
}

#[test]
fn small_steps_find_the_same_as_one() {
    let store = MemStore::new();
    let meta = built(&store, true, true);
    let table = open(&store, &meta);
    let mut verifier = table.verifier();
    let mut steps = 1;
    let verified = loop {
        match verifier.step(500).unwrap() {
            Some(verified) => break verified,
            None => steps += 1,
        }
    };
    assert!(steps > 10);
    assert_eq!(verified, table.verify().unwrap());
}

#[test]
fn a_flipped_bit_anywhere_behind_an_open_table_is_found() {
    let store = MemStore::new();
    let meta = built(&store, true, true);
    let mut bytes = std::vec![0; usize::try_from(meta.size).unwrap()];
    let object = store.open(ObjectId::table(1)).unwrap();
    object.read_at(0, &mut bytes).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        let object = MemStore::new().create(ObjectId::table(1), None).unwrap();
        object.append(0, &[&bytes]).unwrap();
        let verified = Table::open(object, &meta, BlockCache::new(0)).and_then(|t| t.verify());
        assert!(matches!(verified, Err(Error::Corrupt { .. })), "byte {at}");
        bytes[at] ^= 1 << (at % 8);
    }
}

#[test]
fn a_parent_that_states_other_facts_is_found_out() {
    let store = MemStore::new();
    let meta = built(&store, false, true);
    let wrong: Vec<TableMeta> = [
        TableMeta {
            tombstones: 3,
            ..meta.clone()
        },
        TableMeta {
            range_tombstones: 3,
            ..meta.clone()
        },
        TableMeta {
            smallest: "b".into(),
            ..meta.clone()
        },
        TableMeta {
            largest: "zz".into(),
            ..meta.clone()
        },
        TableMeta {
            largest_is_exclusive: false,
            ..meta.clone()
        },
        TableMeta {
            seqno_min: SeqNo(1),
            ..meta.clone()
        },
        TableMeta {
            seqno_max: SeqNo(1 << 40),
            ..meta
        },
    ]
    .into();
    for meta in wrong {
        let refused = open(&store, &meta).verify();
        let Err(Error::Corrupt { what, .. }) = refused else {
            panic!("{refused:?} of {meta:?}");
        };
        assert_eq!(what, Damage::Counts);
    }
}
