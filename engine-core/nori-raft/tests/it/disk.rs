//! What one node has stored: its log and its state machine's durable position.
//!
//! Also used as a mirror of what a replica *means* to store, written at once.

use std::collections::BTreeSet;

use nori_raft::{
    Configuration, Entries, Entry, HardState, Payload, Persist, Restored, SnapshotMeta, Stretch,
};
use norikv_types::{LogIndex, Term};

#[derive(Debug, Default, Clone)]
pub(crate) struct Disk {
    pub(crate) hard_state: HardState,
    /// The log starts after it.
    pub(crate) base: SnapshotMeta,
    pub(crate) entries: Vec<Entry>,
    /// What the state machine holds durably.
    pub(crate) flushed: SnapshotMeta,
    /// Entries that cannot be read any more.
    pub(crate) damaged: BTreeSet<LogIndex>,
    /// How far the log reached where its end is lost, and the term then.
    pub(crate) lost: Option<(LogIndex, Term)>,
    /// How far the log reached when it was last damaged.
    pub(crate) lost_to: LogIndex,
}

impl Disk {
    /// Executes one write; its parts in the order of the fields.
    pub(crate) fn write(&mut self, persist: &Persist) {
        if let Some(hard_state) = persist.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(reset) = persist.reset {
            self.base = reset;
            self.entries.clear();
            self.damaged.clear();
        }
        let regains = |last: &Entry| {
            self.lost
                .is_some_and(|(reached, term)| last.index >= reached || last.term > term)
        };
        if persist.entries.last().is_some_and(regains) {
            self.lost = None;
        }
        for entry in &persist.rewrites {
            if entry.index <= self.base.index {
                continue;
            }
            self.damaged.remove(&entry.index);
            let at = usize::try_from(entry.index.0 - self.base.index.0 - 1).unwrap();
            self.entries[at] = entry.clone();
        }
        if let Some(first) = persist.entries.first() {
            let _cut = self.damaged.split_off(&first.index);
            let keep = first.index.0 - self.base.index.0 - 1;
            assert!(keep <= self.entries.len() as u64, "a write left a gap");
            self.entries.truncate(usize::try_from(keep).unwrap());
            self.entries.extend(persist.entries.iter().cloned());
        }
    }

    pub(crate) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        if self.damaged.contains(&index) {
            return None;
        }
        let at = index.0.checked_sub(self.base.index.0 + 1)?;
        self.entries.get(usize::try_from(at).unwrap())
    }

    /// Index of the last entry, readable or not.
    pub(crate) fn last(&self) -> LogIndex {
        LogIndex(self.base.index.0 + self.entries.len() as u64)
    }

    fn stretches(&self) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for &index in &self.damaged {
            match stretches.last_mut() {
                Some(last) if last.up_to.next() == index => last.up_to = index,
                _ => stretches.push(Stretch {
                    from: index,
                    up_to: index,
                }),
            }
        }
        stretches
    }

    /// Entries from `from` on; empty where that is released.
    pub(crate) fn read(&self, from: LogIndex, up_to: LogIndex, bytes_max: u64) -> Entries {
        let mut bytes = 0;
        let indexes = (from.0..=up_to.0).map(LogIndex);
        let entries = indexes.map_while(|index| self.entry(index));
        let fits = entries.take_while(|entry| {
            let first = bytes == 0;
            bytes += entry.size();
            first || bytes <= bytes_max
        });
        fits.cloned().collect()
    }

    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.entry(index).map(|entry| entry.term)
    }

    /// Forgets the log that the state machine no longer needs.
    pub(crate) fn release(&mut self) {
        if self.flushed.index > self.base.index
            && self.term(self.flushed.index) == Some(self.flushed.term)
        {
            let count = self.flushed.index.0 - self.base.index.0;
            self.entries.drain(..usize::try_from(count).unwrap());
            self.base = self.flushed;
            self.damaged = self.damaged.split_off(&self.base.index.next());
        }
    }

    /// The newest configuration in the log.
    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.entries
            .iter()
            .rev()
            .find_map(|entry| match &entry.payload {
                Payload::Configuration(configuration) => Some(&**configuration),
                _ => None,
            })
    }

    /// What a restart finds; `configuration` is what the state machine has stored. A log that does
    /// not contain the applied position is void.
    pub(crate) fn restore(&mut self, configuration: Option<Configuration>) -> Restored {
        let held = self.flushed.index > self.base.index && self.last() >= self.flushed.index;
        let lacks = self
            .damaged
            .first()
            .is_some_and(|index| *index <= self.flushed.index);
        // Where the log can be read at that position it must be the state machine's.
        let agrees = self
            .term(self.flushed.index)
            .is_none_or(|term| term == self.flushed.term);
        if held && lacks && agrees {
            // What is applied is not needed in the log.
            let count = usize::try_from(self.flushed.index.0 - self.base.index.0).unwrap();
            self.entries.drain(..count);
            self.base = self.flushed;
            self.damaged = self.damaged.split_off(&self.flushed.index.next());
        } else if self.flushed.index > self.base.index
            && self.term(self.flushed.index) != Some(self.flushed.term)
        {
            self.base = self.flushed;
            self.entries.clear();
            self.damaged.clear();
        }
        // The end is gone like the rest, and stays so until it is there again.
        let end = self.last();
        while self.damaged.contains(&self.last()) && self.last() > self.base.index {
            self.damaged.remove(&self.last());
            self.entries.pop();
        }
        let term = self.hard_state.term;
        if self.last() < end {
            let before = self.lost.map_or(end, |(reached, _)| reached.max(end));
            self.lost = Some((before, term));
        }
        let mut damaged: Vec<Stretch> = self.stretches();
        if let Some((up_to, _)) = self.lost.filter(|(reached, _)| *reached > self.last()) {
            let from = self.last().next();
            damaged.push(Stretch { from, up_to });
        }
        let entries = self.entries.iter();
        let entries = entries.filter(|entry| !self.damaged.contains(&entry.index));
        Restored {
            hard_state: self.hard_state,
            snapshot: self.base,
            applied: self.flushed.index.max(self.base.index),
            configuration,
            entries: entries.cloned().collect(),
            damaged,
            amnesia: false,
            fresh: self.hard_state == HardState::default()
                && self.entries.is_empty()
                && self.base == SnapshotMeta::default(),
        }
    }
}
