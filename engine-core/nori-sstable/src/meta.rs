//! What a table's parent keeps.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::SeqNo;

/// What the manifest stores of a table: enough to choose it for a read and to verify its footer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMeta {
    /// The random number that salts every checksum of the table.
    pub uid: u64,
    /// Bytes of the whole object.
    pub size: u64,
    /// Entries, tombstones of single keys included.
    pub entries: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// Its range tombstones; they are not among the entries.
    pub range_tombstones: u64,
    /// The first user key that an entry has or a range tombstone deletes.
    pub smallest: Bytes,
    /// The last such key, or the first behind it: [`largest_is_exclusive`](Self::largest_is_exclusive).
    pub largest: Bytes,
    /// Whether `largest` is the end of a range tombstone, thus itself not in the table.
    pub largest_is_exclusive: bool,
    /// The oldest write in it.
    pub seqno_min: SeqNo,
    /// The newest write in it.
    pub seqno_max: SeqNo,
    /// The checksum that its footer has to carry.
    pub footer_checksum: u32,
}

impl TableMeta {
    /// Whether `user_key` lies in the table's range.
    #[must_use]
    pub fn covers(&self, user_key: &[u8]) -> bool {
        *self.smallest <= *user_key && !self.ends_before(user_key)
    }

    /// Whether all of the table lies before `user_key`.
    #[must_use]
    pub fn ends_before(&self, user_key: &[u8]) -> bool {
        match self.largest_is_exclusive {
            true => *self.largest <= *user_key,
            false => *self.largest < *user_key,
        }
    }

    /// Whether any key of the closed range `from..=to` may lie in the table.
    #[must_use]
    pub fn overlaps(&self, from: &[u8], to: &[u8]) -> bool {
        *self.smallest <= *to && !self.ends_before(from)
    }
}
