//! How far a group is applied and flushed.

use alloc::collections::VecDeque;

use crate::state_machine::GroupRecord;
use nori_lsm::SeqNo;

/// Where a group stands, and which of its positions wait for their flush.
///
/// **Invariant: `unflushed` ascends, lies above `flushed`, and ends with what was applied last**,
/// unless that is flushed. Where many applies wait, it holds one in `stride` entries: a flush that
/// ends between two of them shows a little late.
#[derive(Debug)]
pub(super) struct Positions {
    record: GroupRecord,
    flushed: GroupRecord,
    unflushed: VecDeque<(SeqNo, GroupRecord)>,
    stride: u64,
}

impl Positions {
    /// Those of a group whose store was just opened: what it holds came from disk.
    pub(super) const fn opened(record: GroupRecord) -> Self {
        Self {
            record,
            flushed: record,
            unflushed: VecDeque::new(),
            stride: 1,
        }
    }

    /// The entries up to `record` were applied by a batch that ends at `seqno`.
    pub(super) fn applied(&mut self, seqno: SeqNo, record: GroupRecord) {
        assert!(
            record.applied.index > self.record.applied.index,
            "the applied index never goes back"
        );
        self.record = record;
        let before = match self.unflushed.len() {
            0 | 1 => self.flushed,
            len => self
                .unflushed
                .get(len - 2)
                .map_or(self.flushed, |(_, record)| *record),
        };
        if record.applied.index.0 - before.applied.index.0 <= self.stride {
            self.unflushed.pop_back();
        }
        self.unflushed.push_back((seqno, record));
        if self.unflushed.len() > UNFLUSHED_MAX {
            self.stride *= 2;
            let mut kept = self.unflushed.len().is_multiple_of(2);
            self.unflushed.retain(|_| {
                kept = !kept;
                kept
            });
        }
    }

    /// A snapshot that stands at `record` was installed, durably.
    pub(super) fn installed(&mut self, record: GroupRecord) {
        *self = Self::opened(record);
    }

    /// Where the group would stand after a crash when the store is flushed up to `seqno`.
    pub(super) fn flushed(&mut self, seqno: SeqNo) -> GroupRecord {
        while let Some((_, record)) = self.unflushed.pop_front_if(|(end, _)| *end <= seqno) {
            self.flushed = record;
        }
        if self.unflushed.len() < UNFLUSHED_MAX / 4 {
            self.stride = 1.max(self.stride / 2);
        }
        self.flushed
    }

    /// Where the group stands.
    pub(super) const fn last(&self) -> GroupRecord {
        self.record
    }
}

/// Positions remembered at once.
const UNFLUSHED_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
