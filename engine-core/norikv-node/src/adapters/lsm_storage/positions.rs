//! How far a group is applied and flushed.

use alloc::collections::VecDeque;

use nori_lsm::SeqNo;
use norikv_types::{LogIndex, Version};

/// The applied (term, index) of a group, and which log positions wait for their flush.
///
/// **Invariant: `unflushed` ascends, lies above `flushed`, and ends with what was applied last**,
/// unless that is flushed.
#[derive(Debug)]
pub(super) struct Positions {
    applied: Version,
    flushed: LogIndex,
    unflushed: VecDeque<(SeqNo, LogIndex)>,
}

impl Positions {
    /// Those of a group whose store was just opened: what it holds came from disk.
    pub(super) const fn opened(applied: Version) -> Self {
        Self {
            applied,
            flushed: applied.index,
            unflushed: VecDeque::new(),
        }
    }

    /// Entries up to `version` were applied by a batch that ends at `seqno`.
    pub(super) fn applied(&mut self, seqno: SeqNo, version: Version) {
        assert!(
            version.index > self.applied.index,
            "the applied index never goes back"
        );
        self.applied = version;
        if self.unflushed.len() >= UNFLUSHED_MAX {
            // Every second one is forgotten: a flush that ends between two shows a little late.
            let mut kept = true;
            self.unflushed.retain(|_| {
                kept = !kept;
                kept
            });
        }
        self.unflushed.push_back((seqno, version.index));
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
        self.flushed
    }

    /// The (term, index) of the last applied entry.
    pub(super) const fn last(&self) -> Version {
        self.applied
    }
}

/// Applies remembered at once.
const UNFLUSHED_MAX: usize = 4_096;
