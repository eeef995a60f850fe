//! What one write does, to the store and to the model.
//!
//! **Invariant: a write means the same in a batch and in a transaction.** No range holds a slot: those
//! tell which batches are there.

use alloc::vec::Vec;

use bytes::Bytes;
use nori_lsm::{MergeOperator, MergeRefused, Transaction, WriteBatch};
use norikv_types::WallMs;

use super::operation::{KeyRange, contains};

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    Put(Bytes, Bytes),
    Delete(Bytes),
    /// From the first on and before the second; never empty.
    Range(Bytes, Bytes),
    Merge(Bytes, Bytes),
    Expiring(Bytes, Bytes, WallMs),
}

impl Write {
    pub(super) fn add_to(&self, batch: &mut WriteBatch) {
        match self {
            Self::Put(key, value) => batch.put(key, value),
            Self::Delete(key) => batch.delete(key),
            Self::Range(from, to) => batch.delete_range(from, to),
            Self::Merge(key, operand) => batch.merge(key, operand),
            Self::Expiring(key, value, at) => batch.put_expiring(key, value, *at),
        };
    }

    pub(super) fn add_to_transaction(&self, transaction: &mut Transaction) {
        match self {
            Self::Put(key, value) => transaction.put(key, value),
            Self::Delete(key) => transaction.delete(key),
            Self::Range(from, to) => transaction.delete_range(from, to),
            Self::Merge(key, operand) => transaction.merge(key, operand),
            Self::Expiring(key, value, at) => transaction.put_expiring(key, value, *at),
        };
    }

    /// The ranges that delete what lies between the two keys, slots apart.
    pub(super) fn ranges(a: Bytes, b: Bytes) -> Vec<Self> {
        let (from, to) = if a < b { (a, b) } else { (b, a) };
        let before = (from.clone(), to.clone().min(Bytes::from_static(SLOT)));
        let behind = (from.max(Bytes::from_static(BEHIND_SLOTS)), to);
        let both = [before, behind].into_iter().filter(|(from, to)| from < to);
        both.map(|(from, to)| Self::Range(from, to)).collect()
    }

    /// Whether it writes a key of `range`, as far as can be told without asking which there are.
    pub(super) fn may_write_in(&self, range: &KeyRange) -> bool {
        match self {
            Self::Put(key, _)
            | Self::Delete(key)
            | Self::Merge(key, _)
            | Self::Expiring(key, ..) => contains(range, key),
            Self::Range(..) => true,
        }
    }

    /// Whether it writes `key`.
    pub(super) fn writes(&self, key: &[u8]) -> bool {
        match self {
            Self::Put(own, _)
            | Self::Delete(own)
            | Self::Merge(own, _)
            | Self::Expiring(own, ..) => **own == *key,
            Self::Range(from, to) => **from <= *key && *key < **to,
        }
    }
}

/// Appends.
#[derive(Debug)]
pub(super) struct Append;

impl MergeOperator for Append {
    fn merge(&self, _: &[u8], older: Option<&[u8]>, newer: &[u8]) -> Result<Vec<u8>, MergeRefused> {
        Ok([older.unwrap_or_default(), newer].concat())
    }
}

/// What the keys begin with that tell whether a batch was written.
pub(super) const SLOT: &[u8] = b"slot";
const BEHIND_SLOTS: &[u8] = b"slou";
