//! What the log holds of one group, and in which segments.
//!
//! **Invariant: the spans are disjoint, ascend, and cover exactly the entries above `start`,** so
//! each entry that counts is in exactly one segment.

use alloc::vec::Vec;

use nori_raft::HardState;
use norikv_types::{GroupId, LogIndex, Mutant, Term, Version, breaks};

use super::record::Record;
use super::table::Row;

/// One group's part of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupState {
    pub(super) hard_state: HardState,
    /// Entries at or below are not needed any more.
    pub(super) start: Version,
    /// The `start` that the log itself states last.
    pub(super) stated_start: Version,
    spans: Vec<Span>,
    /// Where each term begins, ascending.
    terms: Vec<Version>,
}

/// A run of entries in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) segment: u64,
    pub(super) low: LogIndex,
    pub(super) high: LogIndex,
    /// About how many bytes they take.
    pub(super) bytes: u64,
}

impl GroupState {
    /// Takes in a record that was written to `segment`.
    pub(super) fn apply(&mut self, record: &Record<'_>, segment: u64) {
        match record {
            Record::Append { entry, .. } => self.append(entry.version(), entry.size(), segment),
            Record::Rewrite { entry, .. } => self.rewrite(entry.index, entry.size(), segment),
            Record::HardState { hard_state, .. } => self.hard_state = *hard_state,
            Record::Reset { at, .. } => {
                self.spans.clear();
                self.terms.clear();
                self.start = *at;
                self.stated_start = *at;
            }
            Record::Release { up_to, .. } => self.stated_start = *up_to,
        }
    }

    /// The group as a table states it.
    pub(super) fn row(&self, group: GroupId) -> Row {
        let Self {
            mut hard_state,
            start,
            ..
        } = *self;
        if breaks(Mutant::TableForgetsVote) {
            hard_state.voted_for = None;
        }
        Row {
            group,
            hard_state,
            start,
            last: self.last(),
        }
    }

    /// Entries up to `up_to` are not needed any more. Beyond the last one it means the last one.
    pub(super) fn release(&mut self, up_to: LogIndex) {
        let up_to = up_to.min(self.last());
        if up_to <= self.start.index {
            return;
        }
        let Some(term) = self.term_of(up_to) else {
            return;
        };
        self.start = Version { term, index: up_to };
        self.spans.retain(|span| span.high > up_to);
        if let Some(first) = self.spans.first_mut()
            && first.low <= up_to
        {
            first.shrink(up_to.next(), first.high);
        }
        let begun = self
            .terms
            .iter()
            .rposition(|begin| begin.index <= up_to.next());
        self.terms.drain(..begun.unwrap_or(0));
    }

    /// The last entry; that of `start` when there is none above it.
    pub(super) fn last(&self) -> LogIndex {
        self.spans.last().map_or(self.start.index, |span| span.high)
    }

    /// The oldest segment in which an entry counts.
    pub(super) fn oldest_segment(&self) -> Option<u64> {
        self.spans.iter().map(|span| span.segment).min()
    }

    /// The spans in `segment`.
    pub(super) fn spans_in(&self, segment: u64) -> impl Iterator<Item = &Span> {
        self.spans
            .iter()
            .filter(move |span| span.segment == segment)
    }

    /// Whether the entry at `index` counts in `segment`.
    pub(super) fn counts_in(&self, segment: u64, index: LogIndex) -> bool {
        self.spans_in(segment)
            .any(|span| (span.low..=span.high).contains(&index))
    }

    fn append(&mut self, at: Version, bytes: u64, segment: u64) {
        assert!(
            at.index > self.start.index && at.index <= self.last().next(),
            "an append at {} leaves a gap behind {}, or cuts what was released up to {}",
            at.index,
            self.last(),
            self.start.index
        );
        self.cut(at.index);
        match self.spans.last_mut() {
            Some(last) if last.segment == segment => {
                last.high = at.index;
                last.bytes += bytes;
            }
            _ => self.spans.push(Span {
                segment,
                low: at.index,
                high: at.index,
                bytes,
            }),
        }
        if self.terms.last().is_none_or(|begin| begin.term != at.term) {
            self.terms.push(at);
        }
    }

    /// Forgets everything at and above `index`.
    fn cut(&mut self, index: LogIndex) {
        self.spans.retain(|span| span.low < index);
        if let Some(last) = self.spans.last_mut()
            && last.high >= index
        {
            last.shrink(last.low, index.prev());
        }
        self.terms.retain(|begin| begin.index < index);
    }

    /// The entry at `index` counts in `segment` from now on.
    fn rewrite(&mut self, index: LogIndex, bytes: u64, segment: u64) {
        let place = self
            .spans
            .iter()
            .position(|span| (span.low..=span.high).contains(&index));
        let place = place.expect("only an entry that counts is rewritten");
        let old = self.spans.remove(place);
        let mut parts = Vec::with_capacity(3);
        if old.low < index {
            parts.push(old.shrunk(old.low, index.prev()));
        }
        parts.push(Span {
            segment,
            low: index,
            high: index,
            bytes,
        });
        if index < old.high {
            parts.push(old.shrunk(index.next(), old.high));
        }
        self.spans.splice(place..place, parts);
        self.join_around(place);
    }

    /// Joins neighbours in one segment around `place`, so that rewriting a run makes one span.
    fn join_around(&mut self, place: usize) {
        let mut at = place.saturating_sub(1);
        while at + 1 < self.spans.len() && at <= place + 1 {
            let (left, right) = (self.spans[at], self.spans[at + 1]);
            if left.segment == right.segment && left.high.next() == right.low {
                self.spans[at] = Span {
                    high: right.high,
                    bytes: left.bytes + right.bytes,
                    ..left
                };
                self.spans.remove(at + 1);
            } else {
                at += 1;
            }
        }
    }

    fn term_of(&self, index: LogIndex) -> Option<Term> {
        if index == self.start.index {
            return Some(self.start.term);
        }
        self.terms
            .iter()
            .rfind(|begin| begin.index <= index)
            .map(|begin| begin.term)
    }
}

impl Span {
    /// Keeps `low..=high` of it, and as large a part of the bytes.
    fn shrink(&mut self, low: LogIndex, high: LogIndex) {
        *self = self.shrunk(low, high);
    }

    fn shrunk(self, low: LogIndex, high: LogIndex) -> Self {
        let before = self.high.0 - self.low.0 + 1;
        let after = high.0 - low.0 + 1;
        Self {
            low,
            high,
            bytes: self.bytes / before * after,
            ..self
        }
    }
}
