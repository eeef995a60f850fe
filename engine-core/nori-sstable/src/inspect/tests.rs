use std::format;

use nori_env::{BlockStore, MemStore, ObjectId};

use super::*;
use crate::{RangeTombstone, TableBuilder, TableOptions, ValueKind, footer::FOOTER_BYTES};

fn built(store: &MemStore, keys: u32, range: Option<(&str, &str)>) -> TableMeta {
    let options = TableOptions {
        block_bytes: 300,
        index_block_bytes: 120,
        partition_filters: true,
        ..TableOptions::default()
    };
    let object = store.create(ObjectId::table(1), None).unwrap();
    let mut builder = TableBuilder::new(object, 7, options);
    for n in 0..keys {
        let user = format!("key{n:03}");
        let key = InternalKeyRef::new(user.as_bytes(), SeqNo(9), ValueKind::Put);
        builder.add(&key, b"value value value").unwrap();
    }
    if let Some((start, end)) = range {
        let tombstone = RangeTombstone {
            start: Bytes::copy_from_slice(start.as_bytes()),
            end: Bytes::copy_from_slice(end.as_bytes()),
            seqno: SeqNo(20),
        };
        builder.add_range_tombstone(&tombstone).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn the_meta_of_a_table_is_made_out_of_the_table() {
    for (keys, range) in [
        (300, None),
        (300, Some(("a", "z"))),
        (300, Some(("key100", "key299"))),
        (0, Some(("a", "z"))),
    ] {
        let store = MemStore::new();
        let meta = built(&store, keys, range);
        let object = store.open(ObjectId::table(1)).unwrap();
        assert_eq!(meta_of(&object), Ok(meta));
    }
}

#[test]
fn a_walk_gives_every_block_in_order_and_every_entry() {
    let store = MemStore::new();
    let meta = built(&store, 300, Some(("a", "z")));
    let object = store.open(ObjectId::table(1)).unwrap();
    let table = Table::open(object, &meta, BlockCache::new(0)).unwrap();
    let (mut end, mut count) = (0, 0);
    for info in blocks(&table) {
        let info = info.unwrap();
        assert_eq!(info.offset, end);
        end += u64::from(info.stored_bytes);
        let entries = entries(&table, &info).unwrap();
        let separator = info.separator.clone().unwrap_or_default();
        assert!(entries.iter().all(|entry| entry.key.user <= separator));
        count += entries.len();
    }
    assert_eq!((end, count), (meta.size - FOOTER_BYTES as u64, 300));
}

#[test]
fn a_walk_goes_on_behind_damage() {
    let store = MemStore::new();
    let meta = built(&store, 300, None);
    let mut bytes = std::vec![0; usize::try_from(meta.size).unwrap()];
    let object = store.open(ObjectId::table(1)).unwrap();
    object.read_at(0, &mut bytes).unwrap();
    bytes[20] ^= 1;
    let object = MemStore::new().create(ObjectId::table(1), None).unwrap();
    object.append(0, &[&bytes]).unwrap();
    let table = Table::open(object, &meta, BlockCache::new(0)).unwrap();
    let (whole, damaged): (Vec<_>, Vec<_>) = blocks(&table).partition(Result::is_ok);
    assert_eq!(damaged.len(), 1);
    assert!(whole.len() > 20);
}
