//! Reading and writing: what callers do with the default keyspace, and how they come to others.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeBounds;

use bytes::Bytes;
use nori_env::sync::Ordering;
use nori_sstable::SeqNo;
use norikv_types::WallMs;

use crate::batch::WriteBatch;
use crate::conflict::ReadSet;
use crate::cursor::Cursor;
use crate::expiry::Expiry;
use crate::iter::Iter;
use crate::keyspace::{self, Keyspace};
use crate::lsm::Lsm;
use crate::snapshot::Snapshot;
use crate::space::Space;
use crate::transaction::Transaction;
use crate::{Error, Versioned};

impl Lsm {
    const fn space(&self) -> Space<'_> {
        Space::new(self, keyspace::DEFAULT)
    }

    /// Sets `key` to `value`: a batch of one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<SeqNo, Error> {
        self.space().put(key, value)
    }

    /// Sets `key` to `value` until `at`; from then on it reads as deleted. A batch of one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn put_expiring(&self, key: &[u8], value: &[u8], at: WallMs) -> Result<SeqNo, Error> {
        self.space().put_expiring(key, value, at)
    }

    /// Merges `operand` onto what `key` has, by the keyspace's
    /// [merge operator](crate::MergeOperator): a batch of one. Nothing is read.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn merge(&self, key: &[u8], operand: &[u8]) -> Result<SeqNo, Error> {
        self.space().merge(key, operand)
    }

    /// Removes `key`: a batch of one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn delete(&self, key: &[u8]) -> Result<SeqNo, Error> {
        self.space().delete(key)
    }

    /// Removes the keys at or behind `start` and before `end`: a batch of one, at the same cost for
    /// any number of keys. An empty range removes nothing.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn delete_range(&self, start: &[u8], end: &[u8]) -> Result<SeqNo, Error> {
        self.space().delete_range(start, end)
    }

    /// Sets `key` to `value`, or removes it where that is `None`, if its version is `expected`: the
    /// one that [`get_versioned`](Self::get_versioned) gave, or `None` for a key that is not there.
    /// Of several threads that expect the same version one succeeds. Returns the new version.
    ///
    /// # Errors
    /// `Conflict`: the version is another, or is about to be; nothing was written. Otherwise as
    /// [`write`](Self::write) and [`get`](Self::get).
    pub fn compare_and_set(
        &self,
        key: &[u8],
        expected: Option<SeqNo>,
        value: Option<&[u8]>,
    ) -> Result<SeqNo, Error> {
        self.space().compare_and_set(key, expected, value)
    }

    /// The value of `key` now.
    ///
    /// # Errors
    /// `Table` when a block that may hold it cannot be read: then nobody knows whether it is there.
    /// `Merge` or `NoMergeOperator` when it has operands that cannot be merged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.space().get(key)
    }

    /// The value of `key` now, and its version.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_versioned(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        self.space().get_versioned(key)
    }

    /// The value of `key` in `snapshot`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_at(&self, key: &[u8], snapshot: &Snapshot) -> Result<Option<Bytes>, Error> {
        self.space().get_at(key, snapshot)
    }

    /// The store as it is now, in all keyspaces.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let engine = &self.engine;
        let (view, seqno) = engine.view_and_visible();
        Snapshot {
            view,
            seqno,
            own: SeqNo(0),
            now: engine.now(),
        }
    }

    /// The keys of `range` in `snapshot`, in order.
    #[must_use]
    pub fn iter(&self, range: impl RangeBounds<Bytes>, snapshot: &Snapshot) -> Iter {
        self.space().iter(&range, snapshot)
    }

    /// The keys of `snapshot` that begin with `prefix`, in order.
    #[must_use]
    pub fn iter_prefix(&self, prefix: &[u8], snapshot: &Snapshot) -> Iter {
        self.space().iter_prefix(prefix, snapshot)
    }

    /// A cursor over `snapshot`.
    #[must_use]
    pub fn cursor(&self, snapshot: &Snapshot) -> Cursor {
        self.space().cursor(snapshot)
    }

    /// Begins a transaction, which may read and write all keyspaces.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// The keyspace `name`; makes it if there is none.
    ///
    /// # Errors
    /// `KeyspaceName` when the name is empty or longer than 255 bytes, `KeyspacesFull` when all
    /// numbers are used up, or a failed write of the manifest: no keyspace was made.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace, Error> {
        let id = self.engine.keyspace(name)?;
        Ok(Keyspace::new(self.clone(), id, name.into()))
    }

    /// The names of all keyspaces, in order of their making.
    #[must_use]
    pub fn keyspaces(&self) -> Vec<Arc<str>> {
        self.engine.keyspaces()
    }

    /// Removes the keyspace `name` and all that is in it; says whether there was one. Handles on it
    /// read it as empty and refuse writes; one that is made later under that name has nothing in common with
    /// it.
    ///
    /// # Errors
    /// `KeyspaceName` for the default keyspace. A failed write: the keyspace may be empty now, but is
    /// there.
    pub fn drop_keyspace(&self, name: &str) -> Result<bool, Error> {
        self.engine.drop_keyspace(name)
    }

    /// With [`Expiry::Stamp`]: it is `now`, for what expires. A time before the last one changes
    /// nothing.
    ///
    /// # Panics
    /// With [`Expiry::Wall`].
    pub fn advance_expiry(&self, now: WallMs) {
        let engine = &self.engine;
        assert_eq!(
            engine.options.expiry,
            Expiry::Stamp,
            "the time is the host's"
        );
        engine.stamp.fetch_max(now.0, Ordering::AcqRel);
    }

    /// Writes `batch` if nothing of `reads` has changed since `snapshot`.
    pub(crate) fn write_if(
        &self,
        batch: WriteBatch,
        snapshot: Snapshot,
        reads: &ReadSet,
    ) -> Result<SeqNo, Error> {
        if batch.is_empty() {
            return self.write(batch);
        }
        let engine = &self.engine;
        engine.make_room(batch.bytes())?;
        // Whatever needs tables is looked at here, where it holds up nobody.
        let now = Snapshot {
            now: snapshot.now,
            ..self.snapshot()
        };
        if reads.differs(&snapshot, &now)? {
            return Err(Error::Conflict);
        }
        engine.write_checked(
            batch,
            Some(&|staging| engine.check_unchanged(staging, &now, reads)),
        )
    }
}
