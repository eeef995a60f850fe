//! From one configuration of a log to the next every majority of the one meets every majority of the
//! other (dissertation §4.1, §4.3); a leader changes it only when the change before, and an entry of
//! its own term, are committed; and what is decided, an election or a commitment, is decided by a
//! majority of the configuration that stands in the log of who decides, of both halves of a joint one.

use alloc::collections::BTreeMap;

use nori_raft::{Configuration, Entry, Payload};
use norikv_types::{GroupId, LogIndex, NodeId};

use crate::cluster::Violation;

/// The configurations of one log.
#[derive(Debug, Clone, Default)]
pub(super) struct Configurations {
    /// By index; at 0 the one that the group began with.
    known: BTreeMap<LogIndex, Configuration>,
}

impl Configurations {
    pub(super) fn new(base: LogIndex, configuration: Option<Configuration>) -> Self {
        Self {
            known: configuration.map(|own| (base, own)).into_iter().collect(),
        }
    }

    /// A snapshot up to `at` is in place, and brought this one, if the group ever had another than
    /// it began with.
    pub(super) fn install(&mut self, at: LogIndex, configuration: Option<Configuration>) {
        let mut behind = self.known.split_off(&at);
        behind.remove(&at);
        let base = configuration.or_else(|| self.current().cloned());
        self.known = base.map(|own| (at, own)).into_iter().collect();
        self.known.append(&mut behind);
    }

    /// The one in force: the last, committed or not.
    pub(super) fn current(&self) -> Option<&Configuration> {
        self.known.last_key_value().map(|(_, own)| own)
    }

    /// Where the one in force stands.
    pub(super) fn index(&self) -> LogIndex {
        let last = self.known.last_key_value();
        last.map_or(LogIndex(0), |(index, _)| *index)
    }

    /// Takes entries in; the first one cuts everything at and above it.
    pub(super) fn append(
        &mut self,
        node: NodeId,
        group: GroupId,
        entries: &[Entry],
    ) -> Result<(), Violation> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        self.known.split_off(&first.index);
        for entry in entries {
            let Payload::Configuration(next) = &entry.payload else {
                continue;
            };
            if self.current().is_some_and(|before| !follows(before, next)) {
                return Err(Violation::UnsafeChange {
                    node,
                    group,
                    index: entry.index,
                    why: "a majority before it misses one of after it",
                });
            }
            self.known.insert(entry.index, (**next).clone());
        }
        Ok(())
    }

    /// Takes in what stands between others, or behind what is lost.
    pub(super) fn came_back(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Payload::Configuration(own) = &entry.payload {
                self.known.insert(entry.index, (**own).clone());
            }
        }
    }

    /// Checks what a leader appends of its own, before it is taken in; `committed` is what it has
    /// committed, `commits` whether an entry of its term is among that.
    pub(super) fn check_leader(
        &self,
        node: NodeId,
        group: GroupId,
        entries: &[Entry],
        committed: LogIndex,
        commits: bool,
    ) -> Result<(), Violation> {
        let mut before = self.index();
        for entry in entries {
            let Payload::Configuration(next) = &entry.payload else {
                continue;
            };
            // To say again what is in force changes nothing.
            if Some(&**next) == self.current() {
                continue;
            }
            if before > committed || !commits {
                return Err(Violation::UnsafeChange {
                    node,
                    group,
                    index: entry.index,
                    why: "what came before it is not committed",
                });
            }
            before = entry.index;
        }
        Ok(())
    }
}

/// Whether those who agree decide: a majority, of both halves where the configuration is joint.
/// Counted here for itself, apart from how nodes count.
pub(super) fn decides(configuration: &Configuration, agrees: impl Fn(NodeId) -> bool) -> bool {
    let majority = |voters: &[NodeId]| {
        let agreed = voters.iter().filter(|voter| agrees(**voter)).count();
        voters.is_empty() || agreed * 2 > voters.len()
    };
    majority(configuration.voters()) && majority(configuration.outgoing())
}

fn follows(before: &Configuration, after: &Configuration) -> bool {
    match (before.is_joint(), after.is_joint()) {
        (false, false) => {
            let gone = |from: &[NodeId], to: &[NodeId]| {
                let missing = from.iter().filter(|voter| !to.contains(voter));
                missing.count()
            };
            let (old, new) = (before.voters(), after.voters());
            gone(old, new) + gone(new, old) <= 1
        }
        (false, true) => before.voters() == after.outgoing(),
        (true, false) => before.voters() == after.voters(),
        (true, true) => before.voters() == after.voters() && before.outgoing() == after.outgoing(),
    }
}
