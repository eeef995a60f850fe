//! The terms of a log: all that the checks need to know of it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Term, Version};

/// Entries after `base`, each by its term.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TermLog {
    base: Version,
    terms: VecDeque<Term>,
}

impl TermLog {
    pub(crate) fn new(base: Version, terms: impl IntoIterator<Item = Term>) -> Self {
        Self {
            base,
            terms: terms.into_iter().collect(),
        }
    }

    pub(crate) fn base(&self) -> Version {
        self.base
    }

    pub(crate) fn last(&self) -> Version {
        self.terms.back().map_or(self.base, |term| Version {
            term: *term,
            index: LogIndex(self.base.index.0 + self.terms.len() as u64),
        })
    }

    /// The term at `index`; `None` before the base and behind the end.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        let nth = index.0.checked_sub(self.base.index.0 + 1)?;
        self.terms.get(usize::try_from(nth).ok()?).copied()
    }

    /// Cuts everything at and above the first of `entries` and appends them.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = Version>) {
        for (nth, entry) in entries.into_iter().enumerate() {
            if nth == 0 {
                let keep = entry.index.0.saturating_sub(self.base.index.0 + 1);
                self.terms.truncate(usize::try_from(keep).unwrap_or(0));
            }
            self.terms.push_back(entry.term);
        }
    }

    /// Begins anew behind `base`.
    pub(crate) fn reset(&mut self, base: Version) {
        self.base = base;
        self.terms.clear();
    }

    /// Forgets entries at or below `up_to`.
    pub(crate) fn release(&mut self, up_to: LogIndex) {
        while self.base.index < up_to {
            let Some(term) = self.terms.pop_front() else {
                return;
            };
            self.base = Version {
                term,
                index: self.base.index.next(),
            };
        }
    }

    /// Whether both hold the same where both reach.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let from = self.base.index.max(other.base.index);
        let to = self.last().index.min(other.last().index);
        (from.0..=to.0).all(|index| self.term_at(LogIndex(index)) == other.term_at(LogIndex(index)))
    }

    pub(crate) fn tail(&self, count: usize) -> Vec<(LogIndex, Term)> {
        let skip = self.terms.len().saturating_sub(count);
        let first = self.base.index.0 + 1;
        (first..)
            .map(LogIndex)
            .zip(self.terms.iter().copied())
            .skip(skip)
            .collect()
    }
}
