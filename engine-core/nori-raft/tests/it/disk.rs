//! What one node has stored: its log and its state machine's durable position.
//!
//! Also used as a mirror of what a replica *means* to store, written at once.

use nori_raft::{Configuration, Entry, HardState, Payload, Persist, Restored, SnapshotMeta};
use norikv_types::{LogIndex, Term};

#[derive(Debug, Default, Clone)]
pub(crate) struct Disk {
    pub(crate) hard_state: HardState,
    /// The log starts after it.
    pub(crate) base: SnapshotMeta,
    pub(crate) entries: Vec<Entry>,
    /// What the state machine holds durably.
    pub(crate) flushed: SnapshotMeta,
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
        }
        if let Some(first) = persist.entries.first() {
            let keep = first.index.0 - self.base.index.0 - 1;
            assert!(keep <= self.entries.len() as u64, "a write left a gap");
            self.entries.truncate(usize::try_from(keep).unwrap());
            self.entries.extend(persist.entries.iter().cloned());
        }
    }

    pub(crate) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let at = index.0.checked_sub(self.base.index.0 + 1)?;
        self.entries.get(usize::try_from(at).unwrap())
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
        }
    }

    /// The newest configuration in the log.
    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.entries
            .iter()
            .rev()
            .find_map(|entry| match &entry.payload {
                Payload::Configuration(configuration) => Some(configuration),
                _ => None,
            })
    }

    /// What a restart finds; `configuration` is what the state machine has stored. A log that does
    /// not contain the applied position is void.
    pub(crate) fn restore(&mut self, configuration: Option<Configuration>) -> Restored {
        if self.flushed.index > self.base.index
            && self.term(self.flushed.index) != Some(self.flushed.term)
        {
            self.base = self.flushed;
            self.entries.clear();
        }
        Restored {
            hard_state: self.hard_state,
            snapshot: self.base,
            applied: self.flushed.index.max(self.base.index),
            configuration,
            entries: self.entries.clone(),
            fresh: self.hard_state == HardState::default()
                && self.entries.is_empty()
                && self.base == SnapshotMeta::default(),
        }
    }
}
