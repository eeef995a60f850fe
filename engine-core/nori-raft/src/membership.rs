//! The configurations of the log: which one is in force.
//!
//! **Invariant: the newest configuration in the log is in force as soon as it stands there,
//! committed or not** (dissertation §4.1), and is rolled back when its entry is cut. What is
//! committed is never cut: of those only the newest is kept. Where the log has none, the state
//! machine's is in force, and before that the one that the group began with.

use alloc::vec::Vec;

use norikv_types::{LogIndex, Mutant, NodeId, breaks};

use crate::configuration::Configuration;
use crate::entry::{Entry, Payload};

/// The configurations that may be in force, oldest first.
#[derive(Debug)]
pub(crate) struct Membership {
    /// Cannot be rolled back: committed, or what was there before the log.
    base: Configuration,
    /// Where `base` stands at the latest; 0: it stands in no log and in no state.
    base_index: LogIndex,
    /// Above `base_index`, ascending.
    stack: Vec<(LogIndex, Configuration)>,
}

impl Membership {
    /// `stored` is the state machine's configuration, which has applied everything up to
    /// `applied`; `founding` is in force where there is none. Then comes the log.
    pub(crate) fn new(
        founding: Configuration,
        stored: Option<Configuration>,
        applied: LogIndex,
        entries: &[Entry],
    ) -> Self {
        let mut membership = Self {
            base_index: match &stored {
                Some(_) => applied,
                None => LogIndex(0),
            },
            base: stored.unwrap_or(founding),
            stack: Vec::new(),
        };
        for entry in entries {
            if let Payload::Configuration(configuration) = &entry.payload
                && entry.index > applied
            {
                membership.push(entry.index, (**configuration).clone());
            }
        }
        membership
    }

    /// The configuration in force.
    pub(crate) fn current(&self) -> &Configuration {
        if breaks(Mutant::ConfigurationAtCommit) {
            return &self.base;
        }
        self.stack
            .last()
            .map_or(&self.base, |(_, configuration)| configuration)
    }

    /// The index of its entry, or a later one up to which it is known to be in force; 0: it stands
    /// in no log.
    pub(crate) fn index(&self) -> LogIndex {
        self.stack
            .last()
            .map_or(self.base_index, |(index, _)| *index)
    }

    /// Whether it may be rolled back.
    pub(crate) fn is_uncommitted(&self) -> bool {
        !self.stack.is_empty()
    }

    /// Whether `id` is a voter that can lead, in the configuration in force or in one that this
    /// replica may have to go back to.
    pub(crate) fn may_lead(&self, id: NodeId) -> bool {
        let stack = self.stack.iter().map(|(_, configuration)| configuration);
        core::iter::once(&self.base)
            .filter(|_| self.is_uncommitted())
            .chain(stack)
            .chain(core::iter::once(self.current()))
            .any(|configuration| configuration.is_voter(id) && !configuration.is_witness(id))
    }

    /// An entry of the log carries `configuration`.
    pub(crate) fn push(&mut self, index: LogIndex, configuration: Configuration) {
        assert!(
            index > self.index(),
            "configurations stand in the log in order"
        );
        self.stack.push((index, configuration));
    }

    /// An entry that was lost and came back carries `configuration`: what follows it stays in force.
    pub(crate) fn insert(&mut self, index: LogIndex, configuration: Configuration) {
        if index > self.base_index {
            let place = self.stack.partition_point(|(at, _)| *at < index);
            self.stack.insert(place, (index, configuration));
        }
    }

    /// The log was cut at `from`. Whether another configuration is in force.
    pub(crate) fn truncate(&mut self, from: LogIndex) -> bool {
        assert!(
            from > self.base_index,
            "what is committed is never rolled back"
        );
        let before = self.stack.len();
        self.stack.retain(|(index, _)| *index < from);
        self.stack.len() < before
    }

    /// The log is committed up to `index`. Whether this covers a configuration.
    pub(crate) fn commit(&mut self, index: LogIndex) -> bool {
        if self.stack.is_empty() {
            return false;
        }
        let committed = self.stack.iter().take_while(|(at, _)| *at <= index).count();
        if let Some((at, configuration)) = self.stack.drain(..committed).next_back() {
            self.base_index = at;
            self.base = configuration;
        }
        committed > 0
    }

    /// A snapshot that ends at `index` took the place of the state, and of the log unless
    /// `log_kept`.
    pub(crate) fn install(
        &mut self,
        index: LogIndex,
        configuration: Option<Configuration>,
        log_kept: bool,
    ) {
        if log_kept {
            self.stack.retain(|(at, _)| *at > index);
        } else {
            self.stack.clear();
        }
        if let Some(configuration) = configuration
            && index >= self.base_index
            && !breaks(Mutant::SnapshotForgetsMembers)
        {
            self.base = configuration;
            self.base_index = index;
        }
    }
}

#[cfg(test)]
mod tests;
