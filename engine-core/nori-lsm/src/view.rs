//! Everything a reader needs, at one moment.
//!
//! **Invariant: a view together with a seqno that was visible when, or after, the view was taken
//! shows one state of the store, whatever is flushed, compacted or deleted meanwhile.** A view
//! holds its memtables and tables itself. Flush and compaction keep only the newest version of
//! each key, and may do so: what they write is seen only through later views, whose readers
//! have later seqnos.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_sstable::{Found, IterOptions, SeqNo, ValueKind};
use norikv_types::{Mutant, breaks};

use crate::Error;
use crate::cursor::Cursor;
use crate::levels::Levels;
use crate::memtable::Memtable;
use crate::rules::Rules;

/// The memtables and tables at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) active: Arc<Memtable>,
    /// Rotated memtables that wait for their flush, the newest first.
    pub(crate) waiting: Vec<Arc<Memtable>>,
    pub(crate) levels: Arc<Levels>,
    pub(crate) rules: Arc<Rules>,
}

impl View {
    /// The value of `key` as of `at`.
    pub(crate) fn get(&self, key: &[u8], at: SeqNo) -> Result<Option<Bytes>, Error> {
        let value = |found: Found| (found.kind == ValueKind::Put).then_some(found.value);
        let at = match breaks(Mutant::SnapshotSeesLater) {
            true => SeqNo::MAX,
            false => at,
        };
        for memtable in self.memtables() {
            if breaks(Mutant::WaitingMemtablesNotSearched) && memtable.id != self.active.id {
                continue;
            }
            if let Some(found) = memtable.get(key, at) {
                return Ok(value(found));
            }
        }
        Ok(self.levels.get(key, at)?.and_then(value))
    }

    /// A cursor for each source.
    pub(crate) fn cursors(&self) -> Vec<Cursor> {
        let memtables = self
            .memtables()
            .filter(|memtable| !memtable.is_empty())
            .map(|memtable| Cursor::memtable(Arc::clone(memtable)));
        let runs = self.levels.runs().filter(|run| !run.tables.is_empty());
        memtables
            .chain(runs.map(|run| Cursor::run(Arc::clone(run), IterOptions::default())))
            .collect()
    }

    /// All memtables, the newest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        core::iter::once(&self.active).chain(&self.waiting)
    }
}
