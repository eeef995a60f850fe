//! The store as it was.

use alloc::sync::Arc;

use nori_sstable::SeqNo;
use norikv_types::WallMs;

use crate::view::View;
use crate::{Error, Versioned};

/// The store as it was at one moment, in all keyspaces; what had not expired then does not expire
/// in it. Holds its memtables and tables: while it lives, what is rewritten or deleted meanwhile
/// keeps its space.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) seqno: SeqNo,
    /// The last of a transaction's own writes that it shows.
    pub(crate) own: SeqNo,
    pub(crate) now: WallMs,
}

impl Snapshot {
    /// What `key` (of the tree) reads as.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Versioned>, Error> {
        self.view.get(key, self.seqno, || self.now)
    }

    /// The version of `key` (of the tree), if it is there.
    pub(crate) fn version(&self, key: &[u8]) -> Result<Option<SeqNo>, Error> {
        let found = self.view.find(key, self.seqno, || self.now)?;
        Ok(found.map(|(version, _)| version))
    }

    /// The last write that it shows.
    #[must_use]
    pub const fn seqno(&self) -> SeqNo {
        self.seqno
    }
}
