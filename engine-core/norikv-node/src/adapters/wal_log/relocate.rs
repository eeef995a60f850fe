//! Emptying the oldest segment, so that a group with nothing to do does not pin the whole log.
//!
//! **Invariant: a rewritten entry is durable in its new place before its old one may go.** What
//! cannot be read stays where it is until its replica has written it again.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use nori_raft::{Entry, Stretch};
use nori_wal::SegmentInfo;
use norikv_types::{GroupId, LogIndex};

use super::group::Span;
use super::record::{Owned, Record};
use super::{WalLog, port_error};
use crate::{PortError, PortErrorKind};

/// The largest part of a segment, one in this many, that is worth writing again.
const WORTH_PART: u64 = 4;

/// Entries that were read back.
type Found = BTreeMap<(GroupId, LogIndex), Entry>;

impl WalLog {
    /// Rewrites what still counts in the oldest segment, where that is little; `None` where it is
    /// not. Returns what counts there and cannot be read, the first time that it comes upon it.
    /// Durable when this returns.
    ///
    /// # Errors
    /// `Corrupt` when an entry that counts is not where it should be; I/O. The segment stays.
    pub(super) fn empty_oldest(&self) -> Result<Option<Vec<(GroupId, Stretch)>>, PortError> {
        let segments = self.wal.segments();
        let [oldest, .., _active] = segments.as_slice() else {
            return Ok(None);
        };
        let (wanted, bytes) = self.counting_in(oldest.number);
        let in_vain = self.state.lock().unreadable == Some((oldest.number, wanted));
        if bytes > self.segment_bytes / WORTH_PART || in_vain {
            return Ok(None);
        }
        let mut found = Found::new();
        let mut is_damaged = false;
        if wanted > 0 {
            match self.read_through(oldest, &mut found) {
                Err(error) if error.kind == PortErrorKind::Corrupt => {
                    is_damaged = true;
                    self.read_spans(oldest, &mut found)?;
                }
                read => read?,
            }
        }
        self.rewrite(oldest.number, &found)?;
        self.wal.commit().map_err(port_error)?;
        let (left, _) = self.counting_in(oldest.number);
        if left == 0 {
            return Ok(Some(Vec::new()));
        }
        if is_damaged {
            let mut state = self.state.lock();
            state.unreadable = Some((oldest.number, left));
            let groups = state.groups.iter();
            let stretches = groups.flat_map(|(&group, held)| {
                let spans = held.spans_in(oldest.number);
                spans.map(move |span| {
                    let (from, up_to) = (span.low, span.high);
                    (group, Stretch { from, up_to })
                })
            });
            return Ok(Some(stretches.collect()));
        }
        let number = oldest.number;
        let detail = format!("log: {left} entries that count are not in segment {number}");
        Err(PortError::new(PortErrorKind::Corrupt, detail))
    }

    /// All entries of a segment.
    ///
    /// # Errors
    /// As the log says. What was found before is found.
    fn read_through(&self, segment: &SegmentInfo, found: &mut Found) -> Result<(), PortError> {
        for record in self.wal.iter_from(segment.base).map_err(port_error)? {
            let (lsn, payload) = record.map_err(port_error)?;
            if lsn >= segment.end {
                break;
            }
            // The last word of the segment on an index is the one that counts.
            if let Some(Owned::Append { group, entry } | Owned::Rewrite { group, entry }) =
                Owned::decode(&payload)
            {
                found.insert((group, entry.index), entry);
            }
        }
        Ok(())
    }

    /// What can be read of the entries that count in a damaged segment, and nothing else.
    ///
    /// # Errors
    /// As the log says, but for damage.
    fn read_spans(&self, segment: &SegmentInfo, found: &mut Found) -> Result<(), PortError> {
        found.clear();
        let wanted: Vec<(GroupId, Span)> = {
            let state = self.state.lock();
            let groups = state.groups.iter();
            let spans = groups.map(|(&group, held)| (group, held.spans_in(segment.number)));
            spans
                .flat_map(|(group, spans)| spans.map(move |span| (group, *span)))
                .collect()
        };
        for (group, span) in wanted {
            let (mut entries, mut room) = (Vec::new(), u64::MAX);
            let term = self.find(group, span.low).map(|(_, _, term)| term);
            let Some(term) = term else { continue };
            let from = (span, span.low, term);
            match self.fetch_span(group, from, span.high, &mut room, &mut entries) {
                Err(error) if error.kind != PortErrorKind::Corrupt => return Err(error),
                Ok(()) | Err(_) => {}
            }
            found.extend(
                entries
                    .into_iter()
                    .map(|entry| ((group, entry.index), entry)),
            );
        }
        Ok(())
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
    fn rewrite(&self, old: u64, found: &Found) -> Result<(), PortError> {
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
