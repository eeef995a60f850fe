//! The store as it was.

use alloc::sync::Arc;

use nori_sstable::SeqNo;

use crate::view::View;

/// The store as it was at one moment. Holds its memtables and tables: while it lives, what is
/// rewritten or deleted meanwhile keeps its space.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) seqno: SeqNo,
}

impl Snapshot {
    /// The last write that it shows.
    #[must_use]
    pub const fn seqno(&self) -> SeqNo {
        self.seqno
    }
}
