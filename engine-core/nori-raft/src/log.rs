//! The log by reference: where terms begin, and the newest entries.
//!
//! **Invariant: terms never fall along the log, and each index after `start` up to `last` lies in
//! exactly one run of a term** (log matching, Raft §5.3). The entries in memory are the newest ones
//! without a gap; what is older lies in the host's log and is asked for where it is needed. What is
//! not durable, or was appended since the start and is not committed, is always in memory; what is at
//! or below the commit index is never cut.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Term, Version};

use crate::entries::Entries;
use crate::entry::{Entry, SnapshotMeta};
use crate::recent::Recent;

/// The log as far as the machine must know it.
#[derive(Debug)]
pub(crate) struct Log {
    /// The position before the first entry.
    start: Version,
    /// The last entry, or the start.
    last: Version,
    /// The first entry of each term, ascending.
    terms: VecDeque<Version>,
    /// The entries up to `last` that are in memory.
    recent: Recent,
}

impl Log {
    /// A log that goes on after `snapshot`. The caller has checked the invariant; where entries are
    /// missing they are damaged.
    pub(crate) fn new(snapshot: SnapshotMeta, mut entries: Vec<Entry>) -> Self {
        let start = snapshot.version();
        let mut terms: VecDeque<Version> = VecDeque::new();
        let (mut last, mut whole_from) = (start, 0);
        for (at, entry) in entries.iter().enumerate() {
            let next = last.index.next();
            if entry.index != next {
                // What is damaged counts as of the term before it until it comes back.
                whole_from = at;
                if terms.is_empty() {
                    terms.push_back(Version {
                        index: next,
                        ..start
                    });
                }
            }
            if terms.back().is_none_or(|run| run.term != entry.term) {
                terms.push_back(entry.version());
            }
            last = entry.version();
        }
        Self {
            start,
            last,
            terms,
            recent: Recent::new(entries.split_off(whole_from)),
        }
    }

    /// A log of which nothing is in memory. Without `terms` it has the last entry's term from its
    /// beginning.
    pub(crate) fn resumed(start: Version, terms: Option<&[Version]>, last: Version) -> Self {
        let first = Version {
            term: last.term,
            index: start.index.next(),
        };
        Self {
            start,
            last,
            terms: match terms {
                Some(terms) => terms.iter().copied().collect(),
                None if last.index > start.index => VecDeque::from([first]),
                None => VecDeque::new(),
            },
            recent: Recent::default(),
        }
    }

    /// Where terms begin, for [`resumed`](Self::resumed).
    pub(crate) fn terms(&self) -> Option<Vec<Version>> {
        let plain = match (self.terms.len(), self.terms.front()) {
            (0, _) => self.last == self.start,
            (1, Some(first)) => {
                first.index == self.start.index.next() && first.term == self.last.term
            }
            _ => false,
        };
        (!plain).then(|| self.terms.iter().copied().collect())
    }

    /// Appends one entry.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.reach(entry.version());
        self.recent.push(entry);
    }

    /// Appends entries as they arrived, without a copy.
    pub(crate) fn extend(&mut self, entries: Entries) {
        for entry in &entries {
            self.reach(entry.version());
        }
        self.recent.extend(entries);
    }

    /// The log ends one entry later.
    fn reach(&mut self, at: Version) {
        assert!(at.index == self.last.index.next(), "the log has no gaps");
        assert!(at.term >= self.last.term, "terms never fall along the log");
        if self.terms.back().is_none_or(|run| run.term != at.term) {
            self.terms.push_back(at);
        }
        self.last = at;
    }

    /// A damaged entry came back, the lowest of its stretch that did not yet.
    pub(crate) fn fill(&mut self, at: Version) {
        let above = self.terms.partition_point(|run| run.index <= at.index);
        let merges = (self.terms.get(above)).is_some_and(|run| run.term == at.term);
        let Some(run) = above
            .checked_sub(1)
            .and_then(|below| self.terms.get_mut(below))
        else {
            unreachable!("every entry is of a term");
        };
        if run.term == at.term {
            return;
        }
        let begins = run.index == at.index;
        if begins {
            run.term = at.term;
        }
        match (begins, merges) {
            (true, true) => drop(self.terms.remove(above)),
            (false, true) => {
                if let Some(run) = self.terms.get_mut(above) {
                    run.index = at.index;
                }
            }
            (false, false) => self.terms.insert(above, at),
            (true, false) => {}
        }
    }

    /// Drops the entries at and above `from`.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        if from > self.last.index {
            return;
        }
        let keep = from.prev().max(self.start.index);
        let term = self.term(keep).unwrap_or(self.start.term);
        self.recent.truncate(keep);
        while self.terms.back().is_some_and(|run| run.index > keep) {
            self.terms.pop_back();
        }
        self.last = Version { term, index: keep };
    }

    /// Drops the entries at or below `index`, which then is the start.
    pub(crate) fn compact(&mut self, index: LogIndex) {
        if index <= self.start.index {
            return;
        }
        let Some(term) = self.term(index) else {
            unreachable!("only what was applied is forgotten, and that is in the log");
        };
        self.start = Version { term, index };
        while self
            .terms
            .get(1)
            .is_some_and(|run| run.index <= index.next())
        {
            self.terms.pop_front();
        }
        if index == self.last.index {
            self.terms.clear();
        }
        self.recent.compact(index);
    }

    /// Drops everything; the log goes on after `snapshot`.
    pub(crate) fn reset(&mut self, snapshot: SnapshotMeta) {
        self.start = snapshot.version();
        self.last = self.start;
        self.terms.clear();
        self.recent.clear();
    }

    /// Lets the oldest batches of entries go from memory while they are more than `bytes_max` and
    /// at or below `settled`.
    pub(crate) fn evict(&mut self, settled: LogIndex, bytes_max: u64) {
        self.recent.evict(settled, bytes_max);
    }

    /// Keeps nothing in memory that can be read back, and no room for more.
    pub(crate) fn trim(&mut self, settled: LogIndex) {
        self.evict(settled, 0);
        self.recent.trim();
        self.terms.shrink_to_fit();
    }

    /// Gives back what nobody reads any more.
    pub(crate) fn sweep(&mut self) {
        self.recent.sweep();
    }

    /// The position before the first entry.
    pub(crate) const fn start(&self) -> Version {
        self.start
    }

    /// The last entry, or the start.
    pub(crate) const fn last(&self) -> Version {
        self.last
    }

    /// Index of the last entry, or of the start.
    pub(crate) const fn last_index(&self) -> LogIndex {
        self.last.index
    }

    /// Index of the first entry in memory; of the next one to come when there is none.
    pub(crate) fn recent_from(&self) -> LogIndex {
        let first = self
            .recent
            .first()
            .unwrap_or_else(|| self.last.index.next());
        first.max(self.start.index.next())
    }

    /// The term at `index`; `None` below the start and above the end.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index == self.start.index {
            return Some(self.start.term);
        }
        if index < self.start.index || index > self.last.index {
            return None;
        }
        match self.terms.back() {
            Some(run) if run.index <= index => Some(run.term),
            _ => {
                let after = self.terms.partition_point(|run| run.index <= index);
                Some(self.terms.get(after.checked_sub(1)?)?.term)
            }
        }
    }

    /// Whether (term, index) is in the log, as far as the log reaches back.
    pub(crate) fn contains(&self, at: Version) -> bool {
        self.term(at.index) == Some(at.term)
    }

    /// Entries `from..=to`, all in memory.
    pub(crate) fn recent(&self, from: LogIndex, to: LogIndex) -> impl Iterator<Item = &Entry> {
        self.assert_recent(from, to);
        self.recent.iter(from, to)
    }

    /// Command bytes of the entries in memory after `after` and up to `to`.
    pub(crate) fn recent_bytes_in(&self, after: LogIndex, to: LogIndex) -> u64 {
        let from = after.next().max(self.recent_from());
        if from > to {
            return 0;
        }
        self.recent.command_bytes(from, to)
    }

    /// The entries `from..=to`, all in memory, in shared memory. None when `to` is before `from`.
    pub(crate) fn share(&mut self, from: LogIndex, to: LogIndex) -> Entries {
        if to < from {
            return Entries::new();
        }
        self.assert_recent(from, to);
        self.recent.share(from, to)
    }

    /// The entries `from..=to`, all in memory, for the last one who needs them: they leave it, and
    /// all before them.
    pub(crate) fn release(&mut self, from: LogIndex, to: LogIndex) -> Entries {
        self.assert_recent(from, to);
        self.recent.release(from, to)
    }

    /// As many of the entries `from..=to`, all in memory, as `bytes_max` allows, one at least, and
    /// what they count against limits.
    pub(crate) fn share_some(
        &mut self,
        from: LogIndex,
        to: LogIndex,
        bytes_max: u64,
    ) -> (Entries, u64) {
        self.assert_recent(from, to);
        self.recent.share_some(from, to, bytes_max)
    }

    /// The largest entry at or below `at.index` whose term is not above `at.term`: everything after
    /// it conflicts with a log that has `at` (Raft §5.3, last paragraph). The start if none is.
    pub(crate) fn agreement_before(&self, at: Version) -> Version {
        let mut index = at.index.min(self.last.index);
        for run in self.terms.iter().rev() {
            if index <= self.start.index {
                break;
            }
            if run.index > index {
                continue;
            }
            if run.term <= at.term {
                return Version {
                    term: run.term,
                    index,
                };
            }
            index = run.index.prev();
        }
        self.start
    }

    fn assert_recent(&self, from: LogIndex, to: LogIndex) {
        assert!(
            from >= self.recent_from() && to <= self.last.index,
            "only entries in memory can be handed out"
        );
    }
}

#[cfg(test)]
mod tests;
