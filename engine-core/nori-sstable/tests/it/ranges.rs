//! Range tombstones in tables.

use bytes::Bytes;
use nori_env::{BlockStore, MemStore};
use nori_sstable::{
    InternalKeyRef, RangeTombstone, SeqNo, TableBuilder, TableMeta, TableOptions, ValueKind,
};

use crate::common::{self, ID, UID};

fn tombstone(start: &str, end: &str, seqno: u64) -> RangeTombstone {
    RangeTombstone {
        start: Bytes::copy_from_slice(start.as_bytes()),
        end: Bytes::copy_from_slice(end.as_bytes()),
        seqno: SeqNo(seqno),
    }
}

fn build(store: &MemStore, keys: &[&str], ranges: &[RangeTombstone]) -> TableMeta {
    let object = store.create(ID, None).unwrap();
    let mut builder = TableBuilder::new(object, UID, TableOptions::default());
    for key in keys {
        let key = InternalKeyRef::new(key.as_bytes(), SeqNo(10), ValueKind::Put);
        builder.add(&key, b"value").unwrap();
    }
    for range in ranges {
        builder.add_range_tombstone(range).unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn a_table_may_hold_range_tombstones_only() {
    let store = MemStore::new();
    let meta = build(
        &store,
        &[],
        &[tombstone("g", "p", 7), tombstone("c", "k", 9)],
    );
    assert_eq!((meta.entries, meta.range_tombstones), (0, 4));
    assert_eq!((&*meta.smallest, &*meta.largest), (&b"c"[..], &b"p"[..]));
    assert_eq!((meta.seqno_min, meta.seqno_max), (SeqNo(7), SeqNo(9)));
    let table = common::open(&store, &meta, 1 << 20);
    assert_eq!(table.get(b"h", SeqNo::MAX).unwrap(), None);
    assert_eq!(
        table.range_tombstones().covering(b"h", SeqNo::MAX),
        Some(SeqNo(9))
    );
    assert_eq!(
        table.range_tombstones().covering(b"h", SeqNo(8)),
        Some(SeqNo(7))
    );
    assert_eq!(table.range_tombstones().covering(b"p", SeqNo::MAX), None);
    let mut iter = table.iter();
    for result in [
        iter.seek_to_first(),
        iter.seek_to_last(),
        iter.seek(b"a", SeqNo::MAX),
        iter.seek_before(b"z", SeqNo::MAX),
    ] {
        result.unwrap();
    }
    assert!(!iter.is_valid());
}

#[test]
fn an_empty_range_deletes_nothing_and_makes_no_table() {
    let object = MemStore::new().create(ID, None).unwrap();
    let mut builder = TableBuilder::new(object, UID, TableOptions::default());
    builder
        .add_range_tombstone(&tombstone("b", "b", 7))
        .unwrap();
    builder
        .add_range_tombstone(&tombstone("c", "b", 7))
        .unwrap();
    assert_eq!(builder.finish(), Err(nori_sstable::Error::Empty));
}

#[test]
fn the_bounds_of_a_table_span_entries_and_range_tombstones() {
    let bounds = |keys: &[&str], ranges: &[RangeTombstone]| {
        let meta = build(&MemStore::new(), keys, ranges);
        let exclusive = meta.largest_is_exclusive;
        (meta.smallest, meta.largest, exclusive)
    };
    let expect = |from: &'static str, to: &'static str, exclusive| {
        (Bytes::from(from), Bytes::from(to), exclusive)
    };
    let range = [tombstone("c", "f", 1)];
    assert_eq!(bounds(&["d", "e"], &range), expect("c", "f", true));
    assert_eq!(bounds(&["a", "f"], &range), expect("a", "f", false));
    assert_eq!(bounds(&["a", "z"], &range), expect("a", "z", false));
}

#[test]
fn an_exclusive_end_is_outside_the_table() {
    let meta = build(&MemStore::new(), &["d"], &[tombstone("c", "f", 1)]);
    assert!(meta.covers(b"c") && meta.covers(b"ezzz") && !meta.covers(b"f"));
    assert!(meta.ends_before(b"f") && !meta.ends_before(b"ezzz"));
    assert!(meta.overlaps(b"a", b"c") && meta.overlaps(b"e", b"z"));
    assert!(!meta.overlaps(b"f", b"z") && !meta.overlaps(b"a", b"b"));
    let meta = build(&MemStore::new(), &["d", "f"], &[]);
    assert!(meta.covers(b"f") && !meta.ends_before(b"f") && meta.overlaps(b"f", b"z"));
}
