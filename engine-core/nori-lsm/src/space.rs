//! One keyspace of a store: what [`Lsm`] does in the default one and [`Keyspace`](crate::Keyspace)
//! in any.

use core::ops::{Bound, RangeBounds};

use bytes::Bytes;
use nori_sstable::{SeqNo, ValueKind};
use norikv_types::WallMs;

use crate::batch::WriteBatch;
use crate::conflict::ReadSet;
use crate::cursor::Cursor;
use crate::guards::KeyRange;
use crate::iter::Iter;
use crate::lsm::Lsm;
use crate::snapshot::Snapshot;
use crate::{Error, Versioned, expiry, keyspace};

/// A keyspace of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space<'a> {
    pub(crate) lsm: &'a Lsm,
    pub(crate) id: u16,
}

impl<'a> Space<'a> {
    pub(crate) const fn new(lsm: &'a Lsm, id: u16) -> Self {
        Self { lsm, id }
    }

    pub(crate) fn put(self, key: &[u8], value: &[u8]) -> Result<SeqNo, Error> {
        self.write(ValueKind::Put, key, &[value])
    }

    pub(crate) fn put_expiring(self, key: &[u8], value: &[u8], at: WallMs) -> Result<SeqNo, Error> {
        self.write(ValueKind::Expiring, key, &[&expiry::time(at), value])
    }

    pub(crate) fn merge(self, key: &[u8], operand: &[u8]) -> Result<SeqNo, Error> {
        self.write(ValueKind::Merge, key, &[operand])
    }

    pub(crate) fn delete(self, key: &[u8]) -> Result<SeqNo, Error> {
        self.write(ValueKind::Tombstone, key, &[])
    }

    fn write(self, kind: ValueKind, key: &[u8], value: &[&[u8]]) -> Result<SeqNo, Error> {
        let bytes: usize = value.iter().map(|part| part.len()).sum();
        let mut batch = WriteBatch::with_capacity(key.len() + bytes);
        batch.version(self.id, kind, key, value);
        self.lsm.write(batch)
    }

    pub(crate) fn delete_range(self, start: &[u8], end: &[u8]) -> Result<SeqNo, Error> {
        let mut batch = WriteBatch::with_capacity(start.len() + end.len());
        batch.range(self.id, start, end);
        self.lsm.write(batch)
    }

    pub(crate) fn get(self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.get_versioned(key)?.map(|found| found.value))
    }

    pub(crate) fn get_versioned(self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        let engine = &self.lsm.engine;
        let view = engine.view();
        let at = engine.visible();
        keyspace::with_tree_key(self.id, key, |key| view.get(key, at, || engine.now()))
    }

    pub(crate) fn get_at(self, key: &[u8], snapshot: &Snapshot) -> Result<Option<Bytes>, Error> {
        let found = keyspace::with_tree_key(self.id, key, |key| snapshot.get(key))?;
        Ok(found.map(|found| found.value))
    }

    pub(crate) fn compare_and_set(
        self,
        key: &[u8],
        expected: Option<SeqNo>,
        value: Option<&[u8]>,
    ) -> Result<SeqNo, Error> {
        let tree_key = keyspace::tree_key(self.id, key);
        let snapshot = self.lsm.snapshot();
        if snapshot.version(&tree_key)? != expected {
            return Err(Error::Conflict);
        }
        let mut batch = WriteBatch::with_capacity(key.len() + value.map_or(0, <[u8]>::len));
        match value {
            Some(value) => batch.version(self.id, ValueKind::Put, key, &[value]),
            None => batch.version(self.id, ValueKind::Tombstone, key, &[]),
        };
        let mut reads = ReadSet::default();
        reads.add_key(tree_key);
        self.lsm.write_if(batch, snapshot, &reads)
    }

    pub(crate) fn iter(self, range: &impl RangeBounds<Bytes>, snapshot: &Snapshot) -> Iter {
        Iter::new(snapshot, keyspace::tree_range(self.id, range))
    }

    pub(crate) fn iter_prefix(self, prefix: &[u8], snapshot: &Snapshot) -> Iter {
        Iter::of_prefix(snapshot, keyspace::tree_range_of_prefix(self.id, prefix))
    }

    pub(crate) fn compact_range(self, from: &[u8], to: Option<&[u8]>) -> Result<(), Error> {
        let to = to.map_or(Bound::Unbounded, |to| {
            Bound::Excluded(Bytes::copy_from_slice(to))
        });
        let from = Bound::Included(Bytes::copy_from_slice(from));
        let (from, to) = keyspace::tree_range(self.id, &(from, to));
        self.lsm.engine.compact(KeyRange { from, to: Some(to) })
    }

    pub(crate) fn cursor(self, snapshot: &Snapshot) -> Cursor {
        Cursor::new(snapshot, keyspace::tree_range(self.id, &(..)))
    }
}
