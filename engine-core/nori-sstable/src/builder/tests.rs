use std::vec;

use nori_env::{BlockStore, MemStore, ObjectId};

use super::*;
use crate::ValueKind;

fn builder(store: &MemStore) -> TableBuilder {
    let object = store.create(ObjectId::table(1), None).unwrap();
    TableBuilder::new(object, 1, TableOptions::default())
}

fn put(user: &[u8], seqno: u64) -> InternalKeyRef<'_> {
    InternalKeyRef::new(user, SeqNo(seqno), ValueKind::Put)
}

#[test]
fn entries_out_of_order_are_refused_and_the_builder_goes_on() {
    let mut builder = builder(&MemStore::new());
    builder.add(&put(b"b", 5), b"").unwrap();
    let tombstone = InternalKeyRef::new(b"b", SeqNo(5), ValueKind::Tombstone);
    for key in [
        put(b"a", 9),
        put(b"b", 5),
        put(b"b", 6),
        put(b"", 1),
        tombstone,
    ] {
        assert_eq!(builder.add(&key, b""), Err(Error::OutOfOrder { index: 1 }));
    }
    builder.add(&put(b"b", 4), b"").unwrap();
    builder.add(&put(b"b\0", 9), b"").unwrap();
    assert_eq!(builder.finish().unwrap().entries, 3);
}

#[test]
fn the_empty_key_is_a_key() {
    let mut builder = builder(&MemStore::new());
    builder.add(&put(b"", 0), b"x").unwrap();
    assert_eq!(
        builder.add(&put(b"", 0), b"x"),
        Err(Error::OutOfOrder { index: 1 })
    );
    let meta = builder.finish().unwrap();
    assert_eq!((&*meta.smallest, &*meta.largest), (&b""[..], &b""[..]));
}

#[test]
fn keys_and_values_over_their_limits_are_refused() {
    let mut builder = builder(&MemStore::new());
    let long = vec![b'k'; KEY_BYTES_MAX as usize + 1];
    let refused = builder.add(&put(&long, 1), b"");
    assert!(matches!(
        refused,
        Err(Error::KeyTooLarge { bytes: 65_536, .. })
    ));
    let large = vec![b'v'; VALUE_BYTES_MAX as usize + 1];
    let refused = builder.add(&put(b"k", 1), &large);
    assert!(matches!(
        refused,
        Err(Error::ValueTooLarge {
            bytes: 16_777_217,
            ..
        })
    ));
    assert_eq!(builder.entries(), 0);
}

#[test]
fn a_table_without_entries_is_refused_and_nothing_written() {
    let store = MemStore::new();
    assert_eq!(builder(&store).finish(), Err(Error::Empty));
    assert_eq!(store.open(ObjectId::table(1)).unwrap().len(), Ok(0));
}

#[test]
fn the_estimate_grows_to_nearly_the_size() {
    let mut builder = TableBuilder::new(
        MemStore::new().create(ObjectId::table(1), None).unwrap(),
        1,
        TableOptions {
            compression: crate::Compression::None,
            ..TableOptions::default()
        },
    );
    let mut last = builder.size_estimate();
    for n in 0..20_000u32 {
        builder.add(&put(&n.to_be_bytes(), 1), &[9; 50]).unwrap();
        let now = builder.size_estimate();
        assert!(now >= last);
        last = now;
    }
    let size = builder.finish().unwrap().size;
    assert!(last.abs_diff(size) < size / 50, "{last} for {size}");
}
