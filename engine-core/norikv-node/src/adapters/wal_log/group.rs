//! What the log holds of one group, and in which segments.
//!
//! **Invariant: the spans are disjoint, ascend, and cover exactly the entries above `start`,** so
//! each entry that counts is in exactly one segment.

use alloc::vec::Vec;

use nori_raft::{Entry, HardState};
use nori_wal::Lsn;
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
    /// How far the log reached, where its end is lost to damage; the term is that of the hard
    /// state then.
    pub(super) lost: Option<Version>,
    /// Damage may have taken a newer hard state.
    pub(super) is_doubtful: bool,
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
    /// The first of them stands at or after this position, the others after it.
    pub(super) at: Lsn,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    /// At this position or after it.
    pub(super) lsn: Lsn,
}

/// Bytes of log after which a span is ended, so that an entry is found by reading about as many.
const SPAN_BYTES: u64 = 64 << 10;

impl GroupState {
    /// A group that is written to for the first time, as far as is known.
    pub(super) fn new(is_doubtful: bool) -> Self {
        Self {
            is_doubtful,
            ..Self::default()
        }
    }

    /// Takes in a record that was written to `place`.
    pub(super) fn apply(&mut self, record: &Record<'_>, place: Place) {
        match record {
            Record::Append { entry, .. } => self.append(entry.version(), entry.size(), place),
            Record::Rewrite { entry, .. } => self.rewrite(entry.version(), entry.size(), place),
            Record::HardState { hard_state, .. } => self.hard_state = *hard_state,
            Record::Reset { at, .. } => {
                self.spans.clear();
                self.terms.clear();
                self.lost = None;
                self.is_doubtful &= *at != Version::default();
                self.start = *at;
                self.stated_start = *at;
            }
            Record::Release { up_to, .. } => self.stated_start = *up_to,
            Record::State { .. } => {}
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
            last: match self.lost {
                Some(lost) => Version {
                    term: Term(0),
                    index: lost.index,
                },
                None => Version {
                    term: self.term_of(self.last()).unwrap_or_default(),
                    index: self.last(),
                },
            },
            is_doubtful: self.is_doubtful,
        }
    }

    /// Takes in an entry that was read back. Entries before it may be missing; where `apart`, those
    /// before it are not reached by reading on.
    pub(super) fn found(&mut self, entry: &Entry, place: Place, apart: bool) {
        let (at, bytes) = (entry.version(), entry.size());
        let reached = self.last().next() == at.index && !apart;
        match self.spans.last_mut() {
            Some(last) if reached && last.segment == place.segment && last.is_near(place.lsn) => {
                last.high = at.index;
                last.bytes += bytes;
            }
            _ => self.spans.push(Span {
                segment: place.segment,
                low: at.index,
                high: at.index,
                bytes,
                at: place.lsn,
            }),
        }
        if self.terms.last().is_none_or(|begin| begin.term != at.term) {
            self.terms.push(at);
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

    /// The log begins behind `at`, whatever of it can be read up to there.
    pub(super) fn begin_behind(&mut self, at: Version) {
        if at.index <= self.start.index {
            return;
        }
        let first = self.spans.iter().find(|span| span.high > at.index);
        let first = first.map(|span| span.low.max(at.index.next()));
        let term = first.and_then(|first| self.term_of(first));
        self.start = at;
        self.stated_start = at;
        self.spans.retain(|span| span.high > at.index);
        if let Some(first) = self.spans.first_mut()
            && first.low <= at.index
        {
            first.shrink(at.index.next(), first.high);
        }
        self.terms.retain(|begin| begin.index > at.index);
        // A term that began before, and is that of the first entry left.
        if let (Some(index), Some(term)) = (first, term)
            && self.terms.first().is_none_or(|begin| begin.index > index)
        {
            self.terms.insert(0, Version { term, index });
        }
        self.lost = self.lost.filter(|lost| lost.index > at.index);
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

    /// The span that holds `index`.
    pub(super) fn span_of(&self, index: LogIndex) -> Option<Span> {
        let after = self.spans.partition_point(|span| span.high < index);
        self.spans
            .get(after)
            .filter(|span| span.low <= index)
            .copied()
    }

    /// Whether the entry at `index` counts in `segment`.
    pub(super) fn counts_in(&self, segment: u64, index: LogIndex) -> bool {
        self.spans_in(segment)
            .any(|span| (span.low..=span.high).contains(&index))
    }

    fn append(&mut self, at: Version, bytes: u64, place: Place) {
        let Place { segment, lsn } = place;
        assert!(
            at.index > self.start.index && at.index <= self.last().next(),
            "an append at {} leaves a gap behind {}, or cuts what was released up to {}",
            at.index,
            self.last(),
            self.start.index
        );
        // What replaces cut entries begins a span: those still stand before it.
        let cuts = at.index <= self.last();
        if cuts {
            self.cut(at.index);
        }
        match self.spans.last_mut() {
            Some(last) if !cuts && last.segment == segment && last.is_near(lsn) => {
                last.high = at.index;
                last.bytes += bytes;
            }
            _ => self.spans.push(Span {
                segment,
                low: at.index,
                high: at.index,
                bytes,
                at: lsn,
            }),
        }
        if self.terms.last().is_none_or(|begin| begin.term != at.term) {
            self.terms.push(at);
        }
        // As far as it reached, or in a later term than all that was lost: whole again.
        if self
            .lost
            .is_some_and(|lost| at.index >= lost.index || at.term > lost.term)
        {
            self.lost = None;
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
    fn rewrite(&mut self, at: Version, bytes: u64, place: Place) {
        let (Place { segment, lsn }, index) = (place, at.index);
        if index <= self.start.index {
            return;
        }
        let place = self
            .spans
            .iter()
            .position(|span| (span.low..=span.high).contains(&index));
        let Some(place) = place else {
            self.fill(at, bytes, Place { segment, lsn });
            return;
        };
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
            at: lsn,
        });
        if index < old.high {
            parts.push(old.shrunk(index.next(), old.high));
        }
        self.spans.splice(place..place, parts);
        self.join_around(place);
    }

    /// A damaged entry is there again.
    fn fill(&mut self, at: Version, bytes: u64, place: Place) {
        let after = self.spans.partition_point(|span| span.high < at.index);
        let span = Span {
            segment: place.segment,
            low: at.index,
            high: at.index,
            bytes,
            at: place.lsn,
        };
        self.spans.insert(after, span);
        self.join_around(after);
        let after = self.terms.partition_point(|begin| begin.index <= at.index);
        let below = after.checked_sub(1).and_then(|below| self.terms.get(below));
        if below.is_none_or(|begin| begin.term != at.term) {
            match self.terms.get_mut(after) {
                Some(above) if above.term == at.term => above.index = at.index,
                _ => self.terms.insert(after, at),
            }
        }
    }

    /// Joins neighbours in one segment around `place`, so that rewriting a run makes one span.
    fn join_around(&mut self, place: usize) {
        let mut at = place.saturating_sub(1);
        while at + 1 < self.spans.len() && at <= place + 1 {
            let (left, right) = (self.spans[at], self.spans[at + 1]);
            let touch = left.segment == right.segment && left.high.next() == right.low;
            if touch && left.is_near(right.at) {
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

    pub(super) fn term_of(&self, index: LogIndex) -> Option<Term> {
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
    /// Whether what stands at `lsn` is found soon after its first entry.
    fn is_near(&self, lsn: Lsn) -> bool {
        self.at <= lsn && lsn.0 - self.at.0 < SPAN_BYTES
    }

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
