//! What must hold after every step, checked from what nodes say and store.
//!
//! **Invariant: a check looks only at inputs and outputs of nodes and at what their disks give back
//! after a crash**, never inside a node, so that it would find the same in a real cluster's trace.
//! Each check has a file of its own that opens with the sentence it enforces.

mod acknowledged;
mod applied;
pub(crate) mod bounded;
mod configuration;
pub(crate) mod content;
mod convergence;
mod election;
pub(crate) mod fresh;
mod hard_state;
mod leader;
pub(crate) mod lease;
mod log_matching;
mod once;
mod recovered;
mod removed;
mod said;
mod scanned;
mod term_log;
mod voted;
mod watched;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use nori_raft as raft;
use norikv_node::{Decided, SessionId, WatchPage};
use norikv_types::{GroupId, LogIndex, NodeId, Term, Version};

use self::applied::AppliedHistory;
use self::content::Contents;
pub(crate) use self::convergence::Convergence;
use self::election::Leaders;
pub(crate) use self::lease::Lease;
use self::log_matching::Entries;
use self::once::Names;
use self::recovered::Replica;
use self::removed::Settled;
pub(crate) use self::scanned::Scanned;
use self::voted::Votes;
use self::watched::Changes;
use crate::cluster::Violation;
use crate::cluster::host::Found;

/// Everything that the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    groups: BTreeMap<GroupId, GroupMemory>,
    replicas: BTreeMap<(NodeId, GroupId), Replica>,
    /// Snapshots that are being installed.
    installing: BTreeMap<(NodeId, SessionId), (GroupId, Version)>,
    /// Leaders of groups that another node leads in a later term by now.
    outdated: BTreeSet<(NodeId, GroupId)>,
}

#[derive(Debug, Default)]
struct GroupMemory {
    leaders: Leaders,
    entries: Entries,
    applied: AppliedHistory,
    names: Names,
    votes: Votes,
    contents: Contents,
    changes: Changes,
    settled: Settled,
}

impl Invariants {
    /// A node asked for something to be made durable.
    pub(crate) fn persist(
        &mut self,
        node: NodeId,
        group: GroupId,
        persist: &raft::Persist,
    ) -> Result<(), Violation> {
        let memory = self.groups.entry(group).or_default();
        let replica = self.replicas.entry((node, group)).or_default();
        let erases = !replica.is_present() && removed::is_nothing(persist);
        if let Some(hard_state) = persist.hard_state.as_ref().filter(|_| !erases) {
            hard_state::check(node, group, replica.issued_hard_state(), hard_state)?;
        }
        leader::only_appends(node, group, replica, persist)?;
        leader::changes_one_thing(node, group, replica, persist)?;
        replica.issue(persist);
        let configurations = &mut replica.configurations;
        configurations.came_back(&persist.rewrites);
        configurations.append(node, group, &persist.entries)?;
        for entry in persist.rewrites.iter().chain(&persist.entries) {
            let before = replica.issued.term_at(entry.index.prev());
            memory.entries.check(node, group, entry, before)?;
        }
        Ok(())
    }

    /// A node heard that something is durable.
    pub(crate) fn durable(&mut self, node: NodeId, group: GroupId, write: raft::WriteId) {
        self.replicas
            .entry((node, group))
            .or_default()
            .durable(write);
    }

    /// A node sends a Raft message.
    pub(crate) fn said(
        &mut self,
        node: NodeId,
        to: NodeId,
        group: GroupId,
        message: &raft::Message,
    ) -> Result<(), Violation> {
        match self.replicas.get(&(node, group)) {
            Some(replica) => said::check(node, to, group, replica, message)?,
            None => return Err(said::without_a_replica(node, group)),
        }
        let memory = self.groups.entry(group).or_default();
        memory.votes.check(node, to, group, message)
    }

    /// A node took another role.
    pub(crate) fn role_changed(
        &mut self,
        node: NodeId,
        group: GroupId,
        role: raft::Role,
        term: Term,
    ) -> Result<(), Violation> {
        let replica = self.replicas.entry((node, group)).or_default();
        replica.leads = (role == raft::Role::Leader).then_some(term);
        replica.commits = false;
        self.outdated.remove(&(node, group));
        if role != raft::Role::Leader {
            return Ok(());
        }
        let memory = self.groups.entry(group).or_default();
        memory.leaders.check(node, group, term)?;
        if let Some(configuration) = replica.configurations.current() {
            let votes = |voter| voter == node || memory.votes.of(voter, term) == Some(node);
            if !configuration::decides(configuration, votes) {
                return Err(Violation::ElectedByFew { node, group, term });
            }
        }
        memory
            .applied
            .check_leader(node, group, term, &replica.issued)?;
        let older = self.replicas.iter().filter(|((_, own), replica)| {
            *own == group && replica.leads.is_some_and(|leads| leads < term)
        });
        self.outdated.extend(older.map(|(own, _)| *own));
        Ok(())
    }

    /// A node knows more of its log to be committed.
    pub(crate) fn commit_advanced(
        &mut self,
        node: NodeId,
        group: GroupId,
        commit_index: LogIndex,
    ) -> Result<(), Violation> {
        let Some(replica) = self.replicas.get_mut(&(node, group)) else {
            return Ok(());
        };
        leader::commits_own_term(node, group, replica, commit_index)?;
        replica.commits |= replica.leads.is_some();
        replica.committed = replica.committed.max(commit_index);
        let Some(committed) = leader::committed_by_counting(replica, commit_index) else {
            return Ok(());
        };
        let Some(configuration) = replica.configurations.current().cloned() else {
            return Ok(());
        };
        let holds = |voter| {
            let replica = self.replicas.get(&(voter, group));
            replica.is_some_and(|replica| replica.holds(committed))
        };
        // Who was removed meanwhile may have been the one that decided it; then others know of it.
        let memory = self.groups.get(&group);
        let known = memory.is_some_and(|memory| memory.applied.is_applied(committed));
        if known || configuration::decides(&configuration, holds) {
            return Ok(());
        }
        Err(Violation::CommittedByFew {
            node,
            group,
            committed,
        })
    }

    /// Whether one of the members that are `up` leads and commits, and none of them knows of a
    /// later term.
    pub(crate) fn is_led(&self, group: GroupId, up: impl Iterator<Item = NodeId>) -> bool {
        let newest = self.configuration(group);
        let members = up.filter(|node| newest.is_none_or(|newest| newest.contains(*node)));
        let replicas = members.filter_map(|node| self.replicas.get(&(node, group)));
        let replicas = replicas.filter(|replica| replica.is_present());
        let leads = |replica: &Replica| replica.leads.filter(|_| replica.commits);
        let (led, known) = replicas.fold((None, Term(0)), |(led, known), replica| {
            let term = replica.issued_hard_state().term;
            (led.max(leads(replica)), known.max(term))
        });
        led == Some(known)
    }

    /// Groups that the node still takes itself to lead while another leads them in a later term.
    pub(crate) fn lost_without_knowing(&self, node: NodeId) -> impl Iterator<Item = GroupId> {
        let from = (node, GroupId(0));
        let to = (node, GroupId(u32::MAX));
        self.outdated.range(from..=to).map(|(_, group)| *group)
    }

    /// What a watch of `prefix` was told, whose cursor was `cursor` before.
    pub(crate) fn watched(
        &self,
        prefix: &[u8],
        cursor: &[(GroupId, LogIndex)],
        page: &WatchPage,
    ) -> Result<(), Violation> {
        for (group, to) in &page.cursor {
            let before = cursor.iter().find(|(own, _)| own == group);
            if let (Some((_, from)), Some(memory)) = (before, self.groups.get(group)) {
                let told = watched::of_group(page, *group);
                memory.changes.check(*group, prefix, (*from, *to), told)?;
            }
        }
        Ok(())
    }

    /// What a scan showed; `group_of` says which group has a key.
    pub(crate) fn scanned(
        &self,
        scanned: Scanned<'_>,
        group_of: impl Fn(&[u8]) -> GroupId,
    ) -> Result<(), Violation> {
        for (group, at) in &scanned.page.cursor {
            let items = (scanned.page.items.iter()).filter(|item| group_of(&item.key) == *group);
            if let Some(memory) = self.groups.get(group) {
                scanned.check(*group, *at, &memory.changes, items)?;
            }
        }
        Ok(())
    }

    /// What a replica holds after it applied everything up to `at`.
    pub(crate) fn content(
        &mut self,
        node: NodeId,
        group: GroupId,
        at: Version,
        digest: u64,
    ) -> Result<(), Violation> {
        let memory = self.groups.entry(group).or_default();
        memory.contents.check(node, group, at, digest)
    }

    /// A node hands entries to its applier.
    pub(crate) fn apply(
        &mut self,
        node: NodeId,
        group: GroupId,
        entries: &[raft::Entry],
    ) -> Result<(), Violation> {
        let memory = self.groups.entry(group).or_default();
        memory.applied.check(node, group, entries)?;
        memory.settled.apply(entries);
        Ok(())
    }

    /// A node's applier decided entries.
    pub(crate) fn decided(
        &mut self,
        node: NodeId,
        group: GroupId,
        entries: &[raft::Entry],
        results: &[Decided],
    ) -> Result<(), Violation> {
        let memory = self.groups.entry(group).or_default();
        let fresh = memory.applied.check_outcomes(node, group, results)?;
        for (entry, decided) in entries.iter().zip(results) {
            if decided.version.index >= fresh {
                memory.names.check(group, entry, decided)?;
                memory.changes.add(entry, decided);
            }
        }
        Ok(())
    }

    /// A client was told that its write is done.
    pub(crate) fn acknowledged(&self, group: GroupId, version: Version) -> Result<(), Violation> {
        let (at, settled) = self.settled(group).unzip();
        let of_group = self.replicas.iter().filter(|((_, own), replica)| {
            *own == group && replica.is_present() && Some(replica.configurations.index()) > at
        });
        let later = of_group.filter_map(|(_, replica)| replica.configurations.current());
        let in_force = later.chain(settled);
        let holds = |node| {
            let replica = self.replicas.get(&(node, group));
            replica.is_some_and(|replica| replica.holds(version))
        };
        acknowledged::check(group, in_force, holds, version)
    }

    /// A node has a snapshot installed.
    pub(crate) fn install(
        &mut self,
        node: NodeId,
        session: SessionId,
        group: GroupId,
        at: Version,
    ) {
        self.installing.insert((node, session), (group, at));
    }

    /// A node heard that a snapshot is installed, durably.
    pub(crate) fn installed(
        &mut self,
        node: NodeId,
        session: SessionId,
        configuration: Option<raft::Configuration>,
    ) {
        if let Some((group, at)) = self.installing.remove(&(node, session)) {
            let replica = self.replicas.entry((node, group)).or_default();
            replica.installed(at);
            replica.configurations.install(at.index, configuration);
        }
    }

    /// A node gave up log.
    pub(crate) fn released(&mut self, node: NodeId, group: GroupId, up_to: LogIndex) {
        self.replicas
            .entry((node, group))
            .or_default()
            .release(up_to);
    }

    /// A node was started over what its disk gave back.
    pub(crate) fn restarted(&mut self, node: NodeId, found: &Found) -> Result<(), Violation> {
        let group = found.group;
        self.outdated.remove(&(node, group));
        let memory = self.groups.entry(group).or_default();
        memory.settled.founded(&found.founders);
        self.replicas
            .entry((node, group))
            .or_default()
            .restart(node, found)
    }

    /// Whether a replica lacks something of its log that it may have promised.
    pub(crate) fn is_lacking(&self, node: NodeId, group: GroupId) -> bool {
        let replica = self.replicas.get(&(node, group));
        replica.is_some_and(|own| own.is_present() && own.is_lacking())
    }

    /// Whether a replica may have forgotten its vote.
    pub(crate) fn is_doubtful(&self, node: NodeId, group: GroupId) -> bool {
        let replica = self.replicas.get(&(node, group));
        replica.is_some_and(|own| own.is_present() && own.is_doubtful())
    }

    /// The last entries of a node's log: index and term.
    pub(crate) fn log_tail(
        &self,
        node: NodeId,
        group: GroupId,
        count: usize,
    ) -> (Vec<(LogIndex, Term)>, LogIndex) {
        self.replicas
            .get(&(node, group))
            .map_or_else(Default::default, |replica| {
                (replica.issued.tail(count), replica.durable.last().index)
            })
    }
}

#[cfg(test)]
mod tests;
