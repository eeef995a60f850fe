//! What a node finds after a crash is what was called durable, and then some prefix of what was
//! still being written, in order: a write of many entries may have reached the disk in part. What
//! damage took is named, to the replica too: nothing is cut silently.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nori_raft::{Configuration, Entry, HardState, Persist, Restored, WriteId};
use norikv_node::GroupLog;
use norikv_types::{LogIndex, NodeId, Term, Version};

use super::configuration::Configurations;
use super::term_log::TermLog;
use crate::cluster::Violation;
use crate::cluster::host::Found;

/// Whether there is a replica.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none: it never was, or what it held is erased.
    #[default]
    None,
    /// It promises what is durable here.
    Present,
    /// It is removed, and what it holds is being erased.
    Erasing,
    /// Its disks are lost. What it had acknowledged before, it had acknowledged rightly.
    Lost,
}

/// One replica's log as it was given out and as it is known to be durable.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(super) standing: Standing,
    /// The newest configuration that was committed when it began; 0: it is of the first ones.
    pub(super) begun_behind: LogIndex,
    pub(super) issued: TermLog,
    issued_hard_state: HardState,
    pub(super) durable: TermLog,
    durable_hard_state: HardState,
    /// The last snapshot that is durable in the storage; the log may hear of it later.
    installed: LogIndex,
    writing: VecDeque<Write>,
    /// The log reached that far when its end was lost, and no later term was known then.
    lost_to: Option<Version>,
    /// It may have forgotten what it promised.
    doubtful: bool,
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
    rewrites: Vec<Version>,
    entries: Vec<Version>,
}

impl Replica {
    /// One without a past; `begun_behind` is the newest configuration that is committed.
    pub(super) fn empty(begun_behind: LogIndex) -> Self {
        Self {
            standing: Standing::Present,
            begun_behind,
            ..Self::default()
        }
    }

    /// Whether there is a replica that promises something.
    pub(super) const fn is_present(&self) -> bool {
        matches!(self.standing, Standing::Present)
    }

    /// Whether something that it said may still go out.
    pub(super) const fn may_speak(&self) -> bool {
        matches!(self.standing, Standing::Present | Standing::Erasing)
    }

    /// Whether nothing is left of what it held.
    pub(super) fn is_erased(&self) -> bool {
        self.durable.last() == Version::default()
            && self.durable_hard_state == HardState::default()
            && self.installed == LogIndex(0)
    }

    /// The storage holds nothing of it any more.
    pub(super) const fn cleared(&mut self) {
        self.installed = LogIndex(0);
    }

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
            rewrites: (persist.rewrites.iter())
                .map(|entry| entry.version())
                .collect(),
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
        self.regain();
    }

    pub(super) fn installed(&mut self, at: Version) {
        self.installed = self.installed.max(at.index);
        self.regain();
    }

    /// A log that agrees with a leader's as far as it ever reached, or into a later term, lacks
    /// nothing of what it held (leader completeness, Raft §5.4.3).
    fn regain(&mut self) {
        let last = self.durable.last();
        let reached = last.index.max(self.installed);
        self.lost_to = (self.lost_to).filter(|lost| reached < lost.index && last.term <= lost.term);
    }

    /// Whether it lacks something of what it may have promised.
    pub(super) fn is_lacking(&self) -> bool {
        self.doubtful || self.lost_to.is_some() || self.first_lost().is_some()
    }

    /// Whether it may have forgotten its vote: only a new life helps.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    fn first_lost(&self) -> Option<LogIndex> {
        self.durable.first_lost_behind(self.installed)
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
                && self.durable.term_at(index) == self.issued.term_at(index)
                && self.first_lost().is_none_or(|lost| index < lost))
    }

    pub(super) fn release(&mut self, up_to: LogIndex) {
        self.issued.release(up_to);
        self.durable.release(up_to);
    }

    /// Compares with what was found and goes on from what the node starts with; the founders are in
    /// force until the log has a configuration.
    pub(super) fn restart(&mut self, node: NodeId, found: &Found) -> Result<(), Violation> {
        let Found {
            group, restored, ..
        } = found;
        let group = *group;
        if self.standing == Standing::Lost && !found.exists {
            return Ok(());
        }
        let had = self.durable.last();
        let nothing = GroupLog {
            hard_state: HardState::default(),
            start: Version::default(),
            entries: Vec::new(),
            damaged: Vec::new(),
            is_doubtful: false,
        };
        let log = found.log.as_ref().unwrap_or(&nothing);
        let mut possible = self.explains(log);
        while let Some(write) = self.writing.pop_front() {
            write.begin(&mut self.durable, &mut self.durable_hard_state);
            for entry in &write.entries {
                self.durable.append([*entry]);
                possible |= self.explains(log);
            }
            possible |= write.entries.is_empty() && self.explains(log);
        }
        let has = (log.entries.last()).map_or(log.start, |entry| entry.version());
        if !possible || !is_told(log, restored) {
            return Err(Violation::DurableLost {
                node,
                group,
                had,
                has,
            });
        }
        // A snapshot that was reported installed is there again.
        let erasing = self.standing == Standing::Erasing;
        if restored.applied < self.installed && !erasing {
            return Err(Violation::DurableLost {
                node,
                group,
                had: Version {
                    index: self.installed,
                    ..had
                },
                has,
            });
        }
        if !found.exists {
            *self = Self::default();
            return Ok(());
        }
        self.standing = Standing::Present;
        self.installed = restored.applied;
        self.leads = None;
        self.commits = false;
        let entries = restored.entries.iter().map(|entry| entry.version());
        self.durable = TermLog::new(restored.snapshot.version(), entries, &self.durable);
        let lost = (restored.damaged.last()).filter(|lost| lost.from > restored.last_index());
        self.lost_to = lost.map(|lost| Version {
            term: restored.hard_state.term,
            index: lost.up_to,
        });
        self.doubtful = restored.amnesia;
        self.durable_hard_state = restored.hard_state;
        self.issued = self.durable.clone();
        self.issued_hard_state = self.durable_hard_state;
        self.committed = LogIndex(0);
        let first = || Configuration::new(found.founders.iter().copied()).ok();
        let base = restored.configuration.clone().or_else(first);
        self.configurations = Configurations::new(restored.applied, base);
        let after = |entry: &&Entry| entry.index > restored.applied;
        let entries: Vec<Entry> = restored.entries.iter().filter(after).cloned().collect();
        if !restored.damaged.is_empty() {
            self.configurations.came_back(&entries);
            return Ok(());
        }
        self.configurations.append(node, group, &entries)
    }

    /// Whether `found` is what was durable, but for what it says is damaged.
    fn explains(&self, found: &GroupLog) -> bool {
        let own = &self.durable_hard_state;
        let kept = own.term == found.hard_state.term && own.voted_for == found.hard_state.voted_for;
        let older = found.is_doubtful && found.hard_state.term <= own.term;
        if !kept && !older {
            return false;
        }
        let (base, last) = (self.durable.base().index, self.durable.last().index);
        let mut next = found.start.index.next();
        let here = core::iter::once(found.start);
        for entry in here.chain(found.entries.iter().map(|entry| entry.version())) {
            let known = self.durable.term_at(entry.index);
            let lost = self.durable.lost_term(entry.index);
            let is_above = entry.index > base || entry.index == last;
            if is_above && known.or(lost) != Some(entry.term) {
                return false;
            }
            let named = (next.0..entry.index.0).all(|index| is_damaged(found, LogIndex(index)));
            if !named {
                return false;
            }
            next = entry.index.next();
        }
        found.is_doubtful || (next.0..=last.0).all(|index| is_damaged(found, LogIndex(index)))
    }
}

fn is_damaged(found: &GroupLog, index: LogIndex) -> bool {
    let mut damaged = found.damaged.iter();
    damaged.any(|stretch| (stretch.from..=stretch.up_to).contains(&index))
}

/// Whether the replica hears of everything that is damaged, and that it did not apply.
fn is_told(found: &GroupLog, restored: &Restored) -> bool {
    let above = |index: LogIndex| index > restored.applied && index > restored.snapshot.index;
    let is_reset = restored.entries.is_empty() && restored.damaged.is_empty();
    let told = |index: LogIndex| {
        let mut damaged = restored.damaged.iter();
        is_reset || damaged.any(|stretch| (stretch.from..=stretch.up_to).contains(&index))
    };
    let mut lost = found
        .damaged
        .iter()
        .flat_map(|stretch| stretch.from.0..=stretch.up_to.0);
    (restored.amnesia || !found.is_doubtful)
        && lost.all(|index| !above(LogIndex(index)) || told(LogIndex(index)))
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
        for entry in &self.rewrites {
            log.rewrite(*entry);
        }
    }
}
