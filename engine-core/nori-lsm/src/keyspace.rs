//! Keyspaces: a store's keys in groups of their own.
//!
//! **Invariant: a keyspace is a prefix.** A key of the tree is the keyspace's number (u16,
//! big-endian) and then the key as its writer named it. So all keyspaces share one order of
//! writes, one log and one manifest, and a batch across them is one batch. Numbers are never used
//! again.

use alloc::sync::Arc;
use core::fmt;
use core::ops::{Bound, RangeBounds};

use alloc::vec::Vec;
use bytes::Bytes;
use nori_sstable::SeqNo;
use norikv_types::WallMs;

use crate::cursor::Cursor;
use crate::iter::Iter;
use crate::lsm::Lsm;
use crate::snapshot::Snapshot;
use crate::space::Space;
use crate::{Error, Versioned};

/// A handle on a keyspace. Clones are handles on the same one; any thread may use any. A keyspace
/// that was dropped reads as empty and refuses writes.
///
/// Every method does what that of [`Lsm`] does, in this keyspace.
#[derive(Clone)]
pub struct Keyspace {
    lsm: Lsm,
    id: u16,
    name: Arc<str>,
}

impl Keyspace {
    pub(crate) const fn new(lsm: Lsm, id: u16, name: Arc<str>) -> Self {
        Self { lsm, id, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number, which no other keyspace of the store has or had.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }

    pub(crate) const fn space(&self) -> Space<'_> {
        Space::new(&self.lsm, self.id)
    }

    /// Sets `key` to `value`: a batch of one.
    ///
    /// # Errors
    /// As [`Lsm::write`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<SeqNo, Error> {
        self.space().put(key, value)
    }

    /// Sets `key` to `value` until `at`: a batch of one.
    ///
    /// # Errors
    /// As [`Lsm::write`].
    pub fn put_expiring(&self, key: &[u8], value: &[u8], at: WallMs) -> Result<SeqNo, Error> {
        self.space().put_expiring(key, value, at)
    }

    /// Merges `operand` onto what `key` has: a batch of one.
    ///
    /// # Errors
    /// As [`Lsm::write`].
    pub fn merge(&self, key: &[u8], operand: &[u8]) -> Result<SeqNo, Error> {
        self.space().merge(key, operand)
    }

    /// Removes `key`: a batch of one.
    ///
    /// # Errors
    /// As [`Lsm::write`].
    pub fn delete(&self, key: &[u8]) -> Result<SeqNo, Error> {
        self.space().delete(key)
    }

    /// Removes the keys at or behind `start` and before `end`: a batch of one.
    ///
    /// # Errors
    /// As [`Lsm::write`].
    pub fn delete_range(&self, start: &[u8], end: &[u8]) -> Result<SeqNo, Error> {
        self.space().delete_range(start, end)
    }

    /// As [`Lsm::compare_and_set`].
    ///
    /// # Errors
    /// As there.
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
    /// As [`Lsm::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.space().get(key)
    }

    /// The value of `key` now, and its version.
    ///
    /// # Errors
    /// As [`Lsm::get`].
    pub fn get_versioned(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        self.space().get_versioned(key)
    }

    /// The value of `key` in `snapshot`.
    ///
    /// # Errors
    /// As [`Lsm::get`].
    pub fn get_at(&self, key: &[u8], snapshot: &Snapshot) -> Result<Option<Bytes>, Error> {
        self.space().get_at(key, snapshot)
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

    /// As [`Lsm::compact_range`].
    ///
    /// # Errors
    /// As there.
    pub fn compact_range(&self, from: &[u8], to: Option<&[u8]>) -> Result<(), Error> {
        self.space().compact_range(from, to)
    }

    /// A cursor over the keyspace in `snapshot`.
    #[must_use]
    pub fn cursor(&self, snapshot: &Snapshot) -> Cursor {
        self.space().cursor(snapshot)
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The keyspace of a key of the tree.
pub(crate) fn id_of(key: &[u8]) -> u16 {
    key.first_chunk::<ID_BYTES>()
        .map_or(0, |id| u16::from_be_bytes(*id))
}

/// A key of the tree as its writer named it.
pub(crate) fn user_key(key: &[u8]) -> &[u8] {
    key.get(ID_BYTES..).unwrap_or(&[])
}

/// A key as the tree has it.
pub(crate) fn tree_key(id: u16, key: &[u8]) -> Bytes {
    [&id.to_be_bytes(), key].concat().into()
}

/// The first key of the tree behind those of a keyspace.
pub(crate) fn end_of(id: u16) -> Bytes {
    tree_key(id.saturating_add(1), &[])
}

/// Calls `with` with a key as the tree has it; short ones, as most are, cost no allocation.
pub(crate) fn with_tree_key<R>(id: u16, key: &[u8], with: impl FnOnce(&[u8]) -> R) -> R {
    let mut short = [0; SHORT_BYTES];
    match short.get_mut(..ID_BYTES + key.len()) {
        Some(tree) => {
            let (prefix, rest) = tree.split_at_mut(ID_BYTES);
            prefix.copy_from_slice(&id.to_be_bytes());
            rest.copy_from_slice(key);
            with(tree)
        }
        None => with(&tree_key(id, key)),
    }
}

/// The keys of the tree that a range of a keyspace has: from the first on and before the second.
pub(crate) fn tree_range(id: u16, range: &impl RangeBounds<Bytes>) -> (Bytes, Bytes) {
    let behind = |key: &[u8]| Bytes::from([&id.to_be_bytes(), key, &[0]].concat());
    let from = match range.start_bound() {
        Bound::Included(from) => tree_key(id, from),
        Bound::Excluded(from) => behind(from),
        Bound::Unbounded => tree_key(id, &[]),
    };
    let to = match range.end_bound() {
        Bound::Included(to) => behind(to),
        Bound::Excluded(to) => tree_key(id, to),
        Bound::Unbounded => tree_key(id + 1, &[]),
    };
    (from, to)
}

/// As [`tree_range`], of the keys that begin with `prefix`.
pub(crate) fn tree_range_of_prefix(id: u16, prefix: &[u8]) -> (Bytes, Bytes) {
    let from = tree_key(id, prefix);
    let mut to: Vec<u8> = from.to_vec();
    // A number is below `u16::MAX`, so this ends in the prefix of the keyspace at the latest.
    while to.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    (from, to.into())
}

/// The keyspace that the methods of [`Lsm`] mean.
pub(crate) const DEFAULT: u16 = 0;
/// The highest number that a keyspace may have; one above is no keyspace's, but a bound.
pub(crate) const ID_MAX: u16 = u16::MAX - 1;
/// Bytes of the prefix.
pub(crate) const ID_BYTES: usize = ID_LENGTH as usize;
pub(crate) const ID_LENGTH: u16 = 2;
/// Keys of the tree up to this length are put together on the stack.
const SHORT_BYTES: usize = 128;

#[cfg(test)]
mod tests;
