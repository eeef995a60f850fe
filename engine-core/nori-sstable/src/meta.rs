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
    /// Entries, tombstones included.
    pub entries: u64,
    /// Entries that are tombstones.
    pub tombstones: u64,
    /// The first user key.
    pub smallest: Bytes,
    /// The last user key (inclusive).
    pub largest: Bytes,
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
        *self.smallest <= *user_key && *user_key <= *self.largest
    }

    /// Whether any key of the closed range `from..=to` may lie in the table.
    #[must_use]
    pub fn overlaps(&self, from: &[u8], to: &[u8]) -> bool {
        *self.smallest <= *to && *from <= *self.largest
    }
}
