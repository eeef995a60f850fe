//! How far a group is applied and flushed.

use alloc::collections::VecDeque;

use nori_lsm::SeqNo;
use norikv_types::{LogIndex, Version};

/// The applied (term, index) of a group, and which log positions wait for their flush.
///
/// **Invariant: `unflushed` ascends, lies above `flushed`, and ends with what was applied last**,
/// unless that is flushed. Where many applies wait, it holds one in `stride` entries: a flush that
/// ends between two of them shows a little late.
#[derive(Debug)]
pub(super) struct Positions {
    applied: Version,
    flushed: LogIndex,
    unflushed: VecDeque<(SeqNo, LogIndex)>,
    stride: u64,
}

impl Positions {
    /// Those of a group whose store was just opened: what it holds came from disk.
    pub(super) const fn opened(applied: Version) -> Self {
        Self {
            applied,
            flushed: applied.index,
            unflushed: VecDeque::new(),
            stride: 1,
        }
    }

    /// Entries up to `version` were applied by a batch that ends at `seqno`.
    pub(super) fn applied(&mut self, seqno: SeqNo, version: Version) {
        assert!(
            version.index > self.applied.index,
            "the applied index never goes back"
        );
        self.applied = version;
        let before = match self.unflushed.len() {
            0 | 1 => self.flushed,
            len => self
                .unflushed
                .get(len - 2)
                .map_or(self.flushed, |(_, index)| *index),
        };
        if version.index.0 - before.0 <= self.stride {
            self.unflushed.pop_back();
        }
        self.unflushed.push_back((seqno, version.index));
        if self.unflushed.len() > UNFLUSHED_MAX {
            self.stride *= 2;
            let mut kept = self.unflushed.len().is_multiple_of(2);
            self.unflushed.retain(|_| {
                kept = !kept;
                kept
            });
        }
    }

    /// A snapshot at `at` was installed, durably.
    pub(super) fn installed(&mut self, at: Version) {
        *self = Self::opened(at);
    }

    /// The last index that is flushed when the store is flushed up to `seqno`.
    pub(super) fn flushed(&mut self, seqno: SeqNo) -> LogIndex {
        while let Some((_, index)) = self.unflushed.pop_front_if(|(end, _)| *end <= seqno) {
            self.flushed = index;
        }
        if self.unflushed.len() < UNFLUSHED_MAX / 4 {
            self.stride = 1.max(self.stride / 2);
        }
        self.flushed
    }

    /// The (term, index) of the last applied entry.
    pub(super) const fn last(&self) -> Version {
        self.applied
    }
}

/// Positions remembered at once.
const UNFLUSHED_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
