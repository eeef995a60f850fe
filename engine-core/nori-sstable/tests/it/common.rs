//! What the tests share: building, opening, reading everything.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockObject, BlockStore, MemStore, ObjectId};
use nori_sstable::{
    BlockCache, Error, InternalKeyRef, SeqNo, Table, TableBuilder, TableMeta, TableOptions,
    ValueKind,
};

pub(crate) const UID: u64 = 0x0123_4567_89ab_cdef;
pub(crate) const ID: ObjectId = ObjectId::table(1);

/// One version: user key, sequence number, kind, value.
pub(crate) type Version = (Vec<u8>, u64, ValueKind, Vec<u8>);

pub(crate) fn build(store: &MemStore, entries: &[Version], options: TableOptions) -> TableMeta {
    let object = store.create(ID, None).unwrap();
    let mut builder = TableBuilder::new(object, UID, options);
    for (user, seqno, kind, value) in entries {
        let key = InternalKeyRef::new(user, SeqNo(*seqno), *kind);
        builder.add(&key, value).unwrap();
    }
    builder.finish().unwrap()
}

pub(crate) fn open(store: &MemStore, meta: &TableMeta, cache_bytes: u64) -> Arc<Table> {
    let object = store.open(ID).unwrap();
    Table::open(object, meta, BlockCache::new(cache_bytes)).unwrap()
}

pub(crate) fn table(entries: &[Version], options: TableOptions) -> Arc<Table> {
    let store = MemStore::new();
    let meta = build(&store, entries, options);
    open(&store, &meta, 1 << 20)
}

/// All bytes of the table's object.
pub(crate) fn bytes_of(store: &MemStore) -> Vec<u8> {
    let object = store.open(ID).unwrap();
    let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
    object.read_at(0, &mut bytes).unwrap();
    bytes
}

/// An object that holds `bytes`.
pub(crate) fn object_of(bytes: &[u8]) -> Arc<dyn BlockObject> {
    let object = MemStore::new().create(ID, None).unwrap();
    object.append(0, &[bytes]).unwrap();
    object
}

pub(crate) fn open_bytes(bytes: &[u8], meta: &TableMeta) -> Result<Arc<Table>, Error> {
    Table::open(object_of(bytes), meta, BlockCache::new(1 << 20))
}

/// The whole table, front to back.
pub(crate) fn scan(table: &Arc<Table>) -> Result<Vec<Version>, Error> {
    let mut iter = table.iter();
    let mut all = Vec::new();
    iter.seek_to_first()?;
    while iter.is_valid() {
        all.push(version(iter.key(), iter.value()));
        iter.next()?;
    }
    Ok(all)
}

/// The whole table, back to front.
pub(crate) fn scan_back(table: &Arc<Table>) -> Result<Vec<Version>, Error> {
    let mut iter = table.iter();
    let mut all = Vec::new();
    iter.seek_to_last()?;
    while iter.is_valid() {
        all.push(version(iter.key(), iter.value()));
        iter.prev()?;
    }
    Ok(all)
}

pub(crate) fn version(key: InternalKeyRef<'_>, value: Bytes) -> Version {
    (key.user.to_vec(), key.seqno.0, key.kind, value.to_vec())
}
