//! What a node finds after a crash is what was called durable, and then some prefix of what was
//! still being written, in order: a write of many entries may have reached the disk in part.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nori_raft::{Configuration, Entry, HardState, Persist, Restored, WriteId};
use norikv_node::GroupLog;
use norikv_types::{GroupId, LogIndex, NodeId, Term, Version};

use super::configuration::Configurations;
use super::term_log::TermLog;
use crate::cluster::Violation;

/// One replica's log as it was given out and as it is known to be durable.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(super) issued: TermLog,
    issued_hard_state: HardState,
    pub(super) durable: TermLog,
    durable_hard_state: HardState,
    /// The last snapshot that is durable in the storage; the log may hear of it later.
    installed: LogIndex,
    writing: VecDeque<Write>,
    /// The term in which it leads.
    pub(super) leads: Option<Term>,
    /// It has committed something since it leads.
    pub(super) commits: bool,
    /// What it knows to be committed.
    pub(super) committed: LogIndex,
    /// Who belongs to the group, as its log says.
    pub(super) configurations: Configurations,
}

#[derive(Debug)]
struct Write {
    write: WriteId,
    hard_state: Option<HardState>,
    reset: Option<Version>,
    entries: Vec<Version>,
}

impl Replica {
    pub(super) const fn issued_hard_state(&self) -> &HardState {
        &self.issued_hard_state
    }

    pub(super) const fn durable_hard_state(&self) -> &HardState {
        &self.durable_hard_state
    }

    pub(super) fn issue(&mut self, persist: &Persist) {
        let write = Write {
            write: persist.write,
            hard_state: persist.hard_state,
            reset: persist.reset.map(|snapshot| snapshot.version()),
            entries: persist
                .entries
                .iter()
                .map(|entry| entry.version())
                .collect(),
        };
        write.take_effect(&mut self.issued, &mut self.issued_hard_state);
        self.writing.push_back(write);
    }

    pub(super) fn durable(&mut self, write: WriteId) {
        while self.writing.front().is_some_and(|own| own.write <= write) {
            if let Some(own) = self.writing.pop_front() {
                own.take_effect(&mut self.durable, &mut self.durable_hard_state);
            }
        }
    }

    pub(super) fn installed(&mut self, at: Version) {
        self.installed = self.installed.max(at.index);
    }

    /// Whether the entry survives a crash here, in the log or in what was made of it.
    pub(super) fn holds(&self, version: Version) -> bool {
        version.index <= self.durable.base().index.max(self.installed)
            || self.durable.term_at(version.index) == Some(version.term)
    }

    /// Up to here everything survives a crash.
    pub(super) fn durable_index(&self) -> LogIndex {
        self.durable.last().index.max(self.installed)
    }

    /// Whether the log up to `index`, as it was given out, survives a crash. What is durable there
    /// may still be what a later write replaces.
    pub(super) fn is_durable_up_to(&self, index: LogIndex) -> bool {
        index <= self.durable.base().index.max(self.installed)
            || (index <= self.durable_index()
                && self.durable.term_at(index) == self.issued.term_at(index))
    }

    pub(super) fn release(&mut self, up_to: LogIndex) {
        self.issued.release(up_to);
        self.durable.release(up_to);
    }

    /// Compares with what the log gave back (`found`) and goes on from what the node starts with;
    /// `founders` are in force until the log has a configuration.
    pub(super) fn restart(
        &mut self,
        node: NodeId,
        group: GroupId,
        found: Option<&GroupLog>,
        restored: &Restored,
        founders: &[NodeId],
    ) -> Result<(), Violation> {
        let had = self.durable.last();
        let (log, hard_state) = found.map_or_else(Default::default, |found| {
            let terms = found.entries.iter().map(|entry| entry.term);
            (TermLog::new(found.start, terms), found.hard_state)
        });
        let mut possible = self.is(&log, &hard_state);
        while let Some(write) = self.writing.pop_front() {
            write.begin(&mut self.durable, &mut self.durable_hard_state);
            for entry in &write.entries {
                self.durable.append([*entry]);
                possible |= self.is(&log, &hard_state);
            }
            possible |= write.entries.is_empty() && self.is(&log, &hard_state);
        }
        if !possible {
            return Err(Violation::DurableLost {
                node,
                group,
                had,
                has: log.last(),
            });
        }
        let terms = restored.entries.iter().map(|entry| entry.term);
        // A snapshot that was reported installed is there again.
        if restored.applied < self.installed {
            return Err(Violation::DurableLost {
                node,
                group,
                had: Version {
                    index: self.installed,
                    ..had
                },
                has: log.last(),
            });
        }
        self.installed = restored.applied;
        self.leads = None;
        self.commits = false;
        self.durable = TermLog::new(restored.snapshot.version(), terms);
        self.durable_hard_state = restored.hard_state;
        self.issued = self.durable.clone();
        self.issued_hard_state = self.durable_hard_state;
        self.committed = LogIndex(0);
        let first = || Configuration::new(founders.iter().copied()).ok();
        let base = restored.configuration.clone().or_else(first);
        self.configurations = Configurations::new(restored.applied, base);
        let after = |entry: &&Entry| entry.index > restored.applied;
        let entries: Vec<Entry> = restored.entries.iter().filter(after).cloned().collect();
        self.configurations.append(node, group, &entries)
    }

    fn is(&self, log: &TermLog, hard_state: &HardState) -> bool {
        let own = &self.durable_hard_state;
        own.term == hard_state.term
            && own.voted_for == hard_state.voted_for
            && self.durable.last() == log.last()
            && self.durable.agrees(log)
    }
}

impl Write {
    fn take_effect(&self, log: &mut TermLog, hard_state: &mut HardState) {
        self.begin(log, hard_state);
        log.append(self.entries.iter().copied());
    }

    /// Everything but the entries: those never come without it.
    fn begin(&self, log: &mut TermLog, hard_state: &mut HardState) {
        if let Some(own) = self.hard_state {
            *hard_state = own;
        }
        if let Some(base) = self.reset {
            log.reset(base);
        }
    }
}
