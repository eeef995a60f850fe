//! The range tombstones of one source, under a cursor that moves.
//!
//! **Invariant: between two calls with keys of one span nothing is searched.** A span is the range
//! of a fragment, or what lies between two.

use bytes::Bytes;
use nori_sstable::{RangeTombstones, SeqNo};

/// A set of range tombstones as of one moment, with the place where it was asked last.
#[derive(Debug)]
pub(crate) struct Cover {
    set: RangeTombstones,
    at: SeqNo,
    span: Option<Span>,
}

/// Keys that the same tombstone covers, or none.
#[derive(Debug, Clone)]
struct Span {
    /// The first of them; `None`: from the very first.
    start: Option<Bytes>,
    /// The first behind them; `None`: to the very last.
    end: Option<Bytes>,
    newest: Option<SeqNo>,
}

impl Cover {
    /// `None` when there is nothing in `set`.
    pub(crate) fn new(set: RangeTombstones, at: SeqNo) -> Option<Self> {
        (!set.is_empty()).then_some(Self {
            set,
            at,
            span: None,
        })
    }

    /// The newest tombstone over `key`.
    pub(crate) fn newest(&mut self, key: &[u8]) -> Option<SeqNo> {
        let span = match self.span.take().filter(|span| span.holds(key)) {
            Some(span) => span,
            None => self.find(key),
        };
        self.span.insert(span).newest
    }

    /// Where the tombstone that was found last begins, and the first key behind it.
    pub(crate) fn bounds(&self) -> Option<(Bytes, Bytes)> {
        let span = self.span.as_ref()?;
        Some((span.start.clone()?, span.end.clone()?))
    }

    fn find(&self, key: &[u8]) -> Span {
        let fragments = self.set.fragments();
        let index = fragments.partition_point(|fragment| **fragment.end() <= *key);
        match fragments.get(index) {
            Some(over) if **over.start() <= *key => Span {
                start: Some(over.start().clone()),
                end: Some(over.end().clone()),
                newest: over.newest(self.at),
            },
            next => Span {
                start: index
                    .checked_sub(1)
                    .map(|before| fragments[before].end().clone()),
                end: next.map(|next| next.start().clone()),
                newest: None,
            },
        }
    }
}

impl Span {
    fn holds(&self, key: &[u8]) -> bool {
        self.start.as_ref().is_none_or(|start| **start <= *key)
            && self.end.as_ref().is_none_or(|end| *key < **end)
    }
}
