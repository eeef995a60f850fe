//! The terms of a log: all that the checks need to know of it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use norikv_types::{LogIndex, Term, Version};

/// Entries after `base`, each by its term.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TermLog {
    base: Version,
    terms: VecDeque<Term>,
    /// Entries that were here and cannot be read, by index with the term that they had.
    lost: BTreeMap<LogIndex, Term>,
}

impl TermLog {
    /// A log after `base`. Where `entries` skip an index, the entry was lost; `had` is what is
    /// known of it.
    pub(crate) fn new(
        base: Version,
        entries: impl IntoIterator<Item = Version>,
        had: &Self,
    ) -> Self {
        let mut log = Self {
            base,
            ..Self::default()
        };
        for entry in entries {
            for index in log.last().index.0 + 1..entry.index.0 {
                let index = LogIndex(index);
                let term = had.lost.get(&index).copied().or_else(|| had.term_at(index));
                log.lost.insert(index, term.unwrap_or_default());
                log.terms.push_back(term.unwrap_or_default());
            }
            log.terms.push_back(entry.term);
        }
        log
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

    /// The term at `index`; `None` before the base, behind the end, and where the entry is lost.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        let nth = index.0.checked_sub(self.base.index.0 + 1)?;
        let term = self.terms.get(usize::try_from(nth).ok()?).copied();
        term.filter(|_| !self.lost.contains_key(&index))
    }

    /// The first entry behind `applied` that is lost.
    pub(crate) fn first_lost_behind(&self, applied: LogIndex) -> Option<LogIndex> {
        let mut lost = self.lost.range(applied.next()..);
        lost.next().map(|(index, _)| *index)
    }

    /// The term that the entry at `index` had before it was lost.
    pub(crate) fn lost_term(&self, index: LogIndex) -> Option<Term> {
        self.lost.get(&index).copied()
    }

    /// Cuts everything at and above the first of `entries` and appends them.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = Version>) {
        for (nth, entry) in entries.into_iter().enumerate() {
            if nth == 0 {
                let keep = entry.index.0.saturating_sub(self.base.index.0 + 1);
                self.terms.truncate(usize::try_from(keep).unwrap_or(0));
                self.lost.split_off(&entry.index);
            }
            self.terms.push_back(entry.term);
        }
    }

    /// Says an entry again in its place.
    pub(crate) fn rewrite(&mut self, entry: Version) {
        let nth = entry.index.0.checked_sub(self.base.index.0 + 1);
        let nth = nth.and_then(|nth| usize::try_from(nth).ok());
        if let Some(term) = nth.and_then(|nth| self.terms.get_mut(nth)) {
            *term = entry.term;
            self.lost.remove(&entry.index);
        }
    }

    /// Begins anew behind `base`.
    pub(crate) fn reset(&mut self, base: Version) {
        self.base = base;
        self.terms.clear();
        self.lost.clear();
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
            self.lost.remove(&self.base.index);
        }
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
