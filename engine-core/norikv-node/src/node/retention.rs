//! Which entries of a group the log still needs, and how many bytes they are.
//!
//! **Invariant: an entry is released only when it is applied and flushed**, so a restart replays
//! whatever the storage lost. Of the rest as much is kept for slow followers as the bounds allow.

use alloc::collections::VecDeque;

use nori_raft::Entry;
use norikv_types::{LogIndex, Mutant, Version, breaks};

/// Sizes of the entries that the log holds of one group.
#[derive(Debug)]
pub(crate) struct Retention {
    /// The last entry released.
    released: LogIndex,
    /// For each entry behind `released`: bytes up to and with it, since the node's start.
    ends: VecDeque<u64>,
    /// Bytes up to and with `released`.
    base: u64,
    flushed: LogIndex,
}

impl Retention {
    pub(crate) fn new(start: LogIndex, flushed: LogIndex, entries: &[Entry]) -> Self {
        let mut retention = Self {
            released: start,
            ends: VecDeque::new(),
            base: 0,
            flushed,
        };
        // What is damaged counts as nothing until it is there again.
        let mut next = start.next();
        for entry in entries {
            while next < entry.index {
                retention
                    .ends
                    .push_back(retention.ends.back().copied().unwrap_or(0));
                next = next.next();
            }
            retention.append(core::slice::from_ref(entry));
            next = entry.index.next();
        }
        retention
    }

    pub(crate) const fn released(&self) -> LogIndex {
        self.released
    }

    pub(crate) const fn flushed(&self) -> LogIndex {
        self.flushed
    }

    /// Gives back the room for entries to come.
    pub(crate) fn trim(&mut self) {
        self.ends.shrink_to_fit();
    }

    /// Entries go to the log; the first one cuts what stands at and above it.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else {
            return;
        };
        let keep = first.index.0.saturating_sub(self.released.0 + 1);
        self.ends
            .truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut end = self.ends.back().copied().unwrap_or(self.base);
        for entry in entries {
            end += entry.size();
            self.ends.push_back(end);
        }
    }

    /// The log begins anew behind `at`.
    pub(crate) fn reset(&mut self, at: Version) {
        self.base = 0;
        self.ends.clear();
        self.released = at.index;
        self.flushed = self.flushed.max(at.index);
    }

    /// The storage holds everything up to `index` durably.
    pub(crate) fn flush(&mut self, index: LogIndex) {
        self.flushed = self.flushed.max(index);
    }

    /// Bytes of entries that are not flushed.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        let last = self.ends.back().copied().unwrap_or(self.base);
        last.saturating_sub(self.end_of(self.flushed))
    }

    /// Up to where the log may be released now, if that is further than before: all that is
    /// applied and flushed but its last `keep_bytes` or `keep_entries`, and nothing above `hold`.
    pub(crate) fn releasable(
        &self,
        applied: LogIndex,
        keep_bytes: u64,
        keep_entries: u64,
        hold: Option<LogIndex>,
    ) -> Option<LogIndex> {
        let floor = match breaks(Mutant::LogReleasedUnflushed) {
            true => applied,
            false => self.flushed.min(applied),
        };
        let floor_end = self.end_of(floor);
        // The first index behind which no more than `keep_bytes` lie.
        let by_bytes = if floor_end.saturating_sub(self.base) <= keep_bytes {
            self.released.0
        } else {
            let too_far = self
                .ends
                .partition_point(|end| floor_end.saturating_sub(*end) > keep_bytes);
            self.released.0 + 1 + too_far as u64
        };
        let by_entries = floor.0.saturating_sub(keep_entries);
        let mut index = by_bytes.max(by_entries).min(floor.0);
        if let Some(hold) = hold {
            index = index.min(hold.0);
        }
        (index > self.released.0).then_some(LogIndex(index))
    }

    /// Entries at or below `index` are gone.
    pub(crate) fn release(&mut self, index: LogIndex) {
        while self.released < index {
            let Some(end) = self.ends.pop_front() else {
                self.released = index;
                return;
            };
            self.base = end;
            self.released = self.released.next();
        }
    }

    fn end_of(&self, index: LogIndex) -> u64 {
        let Some(offset) = index.0.checked_sub(self.released.0 + 1) else {
            return self.base;
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.ends
            .get(offset)
            .or_else(|| self.ends.back())
            .copied()
            .unwrap_or(self.base)
    }
}

#[cfg(test)]
mod tests;
