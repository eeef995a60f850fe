//! The part of the log that is kept in memory: everything after the newest compaction.
//!
//! **Invariant: entries follow `start` and each other without a gap, and terms never fall** (log
//! matching, Raft §5.3). What is at or below the commit index is never cut.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Term, Version};

use crate::entry::{Entry, SnapshotMeta};

/// The tail of the log.
#[derive(Debug)]
pub(crate) struct Log {
    /// The position before the first entry.
    start: Version,
    entries: VecDeque<Entry>,
}

impl Log {
    /// A log that goes on after `snapshot`. The caller has checked the invariant.
    pub(crate) fn new(snapshot: SnapshotMeta, entries: Vec<Entry>) -> Self {
        Self {
            start: snapshot.version(),
            entries: entries.into(),
        }
    }

    /// Appends one entry.
    pub(crate) fn push(&mut self, entry: Entry) {
        let last = self.last();
        assert!(entry.index == last.index.next(), "the log has no gaps");
        assert!(entry.term >= last.term, "terms never fall along the log");
        self.entries.push_back(entry);
    }

    /// Drops the entries at and above `from`.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        let keep = self.offset(from);
        self.entries.truncate(keep);
    }

    /// Drops the entries at or below `index`, which then is the start.
    pub(crate) fn compact(&mut self, index: LogIndex) {
        if index <= self.start.index {
            return;
        }
        let Some(start) = self.entry(index).map(Entry::version) else {
            unreachable!("only what was applied is forgotten, and that is in the log");
        };
        let count = self.offset(index.next());
        self.entries.drain(..count);
        self.start = start;
    }

    /// Drops everything; the log goes on after `snapshot`.
    pub(crate) fn reset(&mut self, snapshot: SnapshotMeta) {
        self.entries.clear();
        self.start = snapshot.version();
    }

    /// The position before the first entry in memory.
    pub(crate) const fn start(&self) -> Version {
        self.start
    }

    /// The last entry, or the start.
    pub(crate) fn last(&self) -> Version {
        self.entries.back().map_or(self.start, Entry::version)
    }

    /// Index of the last entry, or of the start.
    pub(crate) fn last_index(&self) -> LogIndex {
        self.last().index
    }

    /// The term at `index`; `None` below the start and above the end.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index == self.start.index {
            return Some(self.start.term);
        }
        self.entry(index).map(|entry| entry.term)
    }

    /// The entry at `index`, if it is in memory.
    pub(crate) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let above = index.0.checked_sub(self.start.index.0)?.checked_sub(1)?;
        self.entries.get(usize::try_from(above).ok()?)
    }

    /// Whether (term, index) is in the log, as far as memory can tell.
    pub(crate) fn contains(&self, at: Version) -> bool {
        self.term(at.index) == Some(at.term)
    }

    /// Entries `from..=to`, all in memory.
    pub(crate) fn range(
        &self,
        from: LogIndex,
        to: LogIndex,
    ) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        assert!(
            from > self.start.index && to <= self.last_index(),
            "only entries in memory can be handed out"
        );
        self.entries
            .range(self.offset(from)..self.offset(to.next()))
    }

    /// The largest entry at or below `at.index` whose term is not above `at.term`: everything after
    /// it conflicts with a log that has `at` (Raft §5.3, last paragraph). The start if none is.
    pub(crate) fn agreement_before(&self, at: Version) -> Version {
        let mut index = at.index.min(self.last_index()).max(self.start.index);
        while let Some(entry) = self.entry(index) {
            if entry.term <= at.term {
                return entry.version();
            }
            index = index.prev();
        }
        self.start
    }

    /// Offset in `entries` of `index`, or of the end.
    fn offset(&self, index: LogIndex) -> usize {
        let above = index.0.saturating_sub(self.start.index.0 + 1);
        usize::try_from(above).map_or(self.entries.len(), |at| at.min(self.entries.len()))
    }
}

#[cfg(test)]
mod tests;
