//! Emptying the oldest segment, so that a group with nothing to do does not pin the whole log.
//!
//! **Invariant: a rewritten entry is durable in its new place before its old one may go.**

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use nori_raft::Entry;
use norikv_types::{GroupId, LogIndex};

use super::record::{Owned, Record};
use super::{WalLog, port_error};
use crate::{PortError, PortErrorKind};

/// The largest part of a segment, one in this many, that is worth writing again.
const WORTH_PART: u64 = 4;

impl WalLog {
    /// Rewrites what still counts in the oldest segment, where that is little; returns whether it
    /// did. Durable when this returns.
    ///
    /// # Errors
    /// `Corrupt` when an entry that counts cannot be read back; I/O. The segment stays.
    pub(super) fn empty_oldest(&self) -> Result<bool, PortError> {
        let segments = self.wal.segments();
        let [oldest, .., _active] = segments.as_slice() else {
            return Ok(false);
        };
        let (wanted, bytes) = self.counting_in(oldest.number);
        if bytes > self.segment_bytes / WORTH_PART {
            return Ok(false);
        }
        let mut found: BTreeMap<(GroupId, LogIndex), Entry> = BTreeMap::new();
        if wanted > 0 {
            for record in self.wal.iter_from(oldest.base).map_err(port_error)? {
                let (lsn, payload) = record.map_err(port_error)?;
                if lsn >= oldest.end {
                    break;
                }
                // The last word of the segment on an index is the one that counts.
                if let Some(Owned::Append { group, entry } | Owned::Rewrite { group, entry }) =
                    Owned::decode(&payload)
                {
                    found.insert((group, entry.index), entry);
                }
            }
        }
        self.rewrite(oldest.number, &found)?;
        self.wal.commit().map_err(port_error)?;
        let (left, _) = self.counting_in(oldest.number);
        if left > 0 {
            let number = oldest.number;
            let detail = format!("log: {left} entries that count are not in segment {number}");
            return Err(PortError::new(PortErrorKind::Corrupt, detail));
        }
        Ok(true)
    }

    /// How many entries count in `segment`, and about how many bytes they take.
    fn counting_in(&self, segment: u64) -> (u64, u64) {
        let state = self.state.lock();
        state
            .groups
            .values()
            .flat_map(|held| held.spans_in(segment))
            .fold((0, 0), |(count, bytes), span| {
                (count + span.high.0 - span.low.0 + 1, bytes + span.bytes)
            })
    }

    /// Stages the entries of `found` that still count in `old`.
    fn rewrite(
        &self,
        old: u64,
        found: &BTreeMap<(GroupId, LogIndex), Entry>,
    ) -> Result<(), PortError> {
        let mut entries = found.iter().peekable();
        while entries.peek().is_some() {
            // Locked a batch at a time: appends go on in between, and what they cut is not
            // rewritten, since it does not count any more.
            let mut state = self.state.lock();
            let mut batch: Vec<Record<'_>> = Vec::new();
            let mut bytes = 0;
            while bytes < self.batch_bytes
                && let Some((&(group, index), entry)) = entries.next()
            {
                let counts = state
                    .groups
                    .get(&group)
                    .is_some_and(|held| held.counts_in(old, index));
                if counts {
                    bytes += entry.size();
                    batch.push(Record::Rewrite { group, entry });
                }
            }
            if batch.is_empty() {
                continue;
            }
            let place = self.stage(&mut state, &batch)?;
            for record in &batch {
                if let Some(held) = state.groups.get_mut(&record.group()) {
                    held.apply(record, place);
                }
            }
        }
        Ok(())
    }
}
