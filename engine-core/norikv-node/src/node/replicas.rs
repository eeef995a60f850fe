//! Replicas that come to this node and leave it.
//!
//! **Invariant: a replica has its whole past or none, and one without a past counts for nothing.**
//! It begins empty only when a leader invites this node *after* this node said that it has none, as
//! a learner by the configuration in force, and after a quorum confirmed that leader: no vote or
//! acknowledgement that an earlier replica here may have given, and forgotten, can then still
//! decide anything (`ARCHITECTURE.md`, "Replicas that move"). A removed one is erased before anything
//! else of the group can begin here: storage, then log, then the mark that the work is done, each
//! durable before the next.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use nori_raft::{self as raft, Change, MembershipChange};
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term};

use super::Node;
use super::errand::{Client, Errand, Stage};
use super::group::Group;
use crate::driver::nothing;
use crate::wire::{Item, Work};
use crate::{Event, Lane, Origin, Output, PortError, ReadToken};

/// What is under way between having a replica and having none.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    pending: BTreeMap<GroupId, Pending>,
    /// Leaderships being confirmed before somebody is invited, by their reads.
    invitations: BTreeMap<raft::ReadId, Invitation>,
    invitations_next: u64,
    /// When to ask again on behalf of replicas that may have been removed.
    ask_at: Option<Mono>,
}

#[derive(Debug)]
enum Pending {
    /// Removed: writes and applies given out before are under way.
    Draining(Draining),
    /// Removed: the storage is being cleared.
    Clearing,
    /// Removed: the log is being reset.
    Forgetting,
    /// Removed: the mark that all of it is done is being set.
    Finishing,
    /// Invited: the mark that this is no founder is being set.
    Joining { member_since: LogIndex },
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Draining {
    persisting: u32,
    applying: u32,
    installing: bool,
    /// Lookups: what they find must not be half erased.
    reading: BTreeSet<ReadToken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Invitation {
    group: GroupId,
    node: NodeId,
    boot: u64,
}

impl Replicas {
    /// When to ask on behalf of replicas that may have been removed.
    pub(super) const fn poll_timeout(&self) -> Option<Mono> {
        self.ask_at
    }

    /// Whether nothing may begin here now.
    fn is_pending(&self, group: GroupId) -> bool {
        self.pending.contains_key(&group)
    }
}

/// What is known of a replica's belonging to its group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Belonging {
    /// Writes to the log under way.
    pub(super) persisting: u32,
    /// Applies under way.
    pub(super) applying: u32,
    /// The newest configuration applied was in force at this index; 0: none is.
    pub(super) configuration_index: LogIndex,
    /// The configuration in force has stood in the log since this index.
    pub(super) in_force_index: LogIndex,
    /// Whether this replica is a member by the newest configuration applied.
    pub(super) member: bool,
    /// By the configuration at this index, this replica belongs to the group; what the log says of it
    /// before is of an earlier replica here. 0: it is none of those that came later.
    pub(super) member_since: LogIndex,
    /// Configurations handed out for application, and whether this replica is a member by them.
    pub(super) configurations: Vec<(LogIndex, bool)>,
}

impl Belonging {
    /// Whether the configuration in force is applied, and so committed.
    fn is_settled(&self) -> bool {
        self.configuration_index > LogIndex(0) && self.in_force_index <= self.configuration_index
    }

    /// Whether nothing is under way, so that all of it follows from what is applied.
    pub(super) fn is_usual(&self) -> bool {
        let idle = self.persisting == 0 && self.applying == 0 && self.configurations.is_empty();
        self.is_settled() && self.member && idle
    }
}

impl Group {
    /// Of one that slept: it is a member by what it has applied.
    pub(super) fn belonging(&self) -> Belonging {
        match &self.belonging {
            Some(belonging) => Belonging::clone(belonging),
            None => Belonging {
                configuration_index: self.applied.index,
                in_force_index: self.applied.index,
                member: true,
                member_since: self.applied.index,
                ..Belonging::default()
            },
        }
    }

    pub(super) fn belonging_mut(&mut self) -> &mut Belonging {
        if self.belonging.is_none() {
            self.belonging = Some(self.belonging().into());
        }
        self.belonging.get_or_insert_default()
    }

    /// Entries are handed out for application; one may say who belongs to the group.
    pub(super) fn note_configurations(&mut self, entries: &[raft::Entry], own: NodeId) {
        for entry in entries {
            if let raft::Payload::Configuration(configuration) = &entry.payload {
                let member = configuration.contains(own);
                let noted = &mut self.belonging_mut().configurations;
                noted.push((entry.index, member));
            }
        }
    }

    /// More is applied. Whether another configuration is; whether it removes this replica.
    pub(super) fn configured(&mut self) -> (bool, bool) {
        let applied = self.applied.index;
        let Some(own) = &mut self.belonging else {
            return (false, false);
        };
        let noted = own.configurations.iter();
        let another = noted.take_while(|(index, _)| *index <= applied).count();
        let mut removed = false;
        for (index, member) in own.configurations.drain(..another) {
            let was_member = own.member || own.member_since > LogIndex(0);
            // What the log tells from before this replica began is of no concern to it.
            removed = index > own.member_since && was_member && !member;
            own.member = member;
            own.configuration_index = index;
        }
        (another > 0, removed)
    }

    /// A snapshot took the place of the state; by the configuration in it, this is a member or not.
    pub(super) fn installed(&mut self, index: LogIndex, member: Option<bool>) {
        let own = self.belonging_mut();
        own.configurations.retain(|(at, _)| *at > index);
        if let Some(member) = member {
            own.member = member;
            own.configuration_index = index;
        }
    }

    /// Whether nobody leads this replica and it does not campaign: it has no vote, or lacks
    /// something of what it promised.
    pub(super) fn is_stray(&self, own: NodeId) -> bool {
        let votes = |members: &raft::Configuration| members.is_voter(own);
        let campaigns = self.raft.configuration().is_some_and(votes) && !self.raft.is_damaged();
        self.leader.is_none() && !campaigns
    }

    /// Whether the configuration in force is applied, and so committed.
    pub(super) fn is_settled(&self) -> bool {
        self.belonging().is_settled()
    }
}

impl Node {
    /// A message for a group of which no replica is here. A leader hears of it; nobody else needs to.
    pub(super) fn lacks(&mut self, from: NodeId, group: GroupId, message: &raft::Message) {
        let leads = matches!(message.body, raft::Body::Append(_) | raft::Body::Quiesce(_));
        if leads && group.0 < self.router.groups() && !self.replicas.is_pending(group) {
            let boot = self.config.boot;
            let item = Item::NoReplica { group, boot };
            self.frames.push(from, Lane::Control, &item);
        }
    }

    /// A node without a replica was sent to. If it is a learner by a committed configuration, it
    /// may begin once this leader is confirmed: before that somebody may be elected by one in which
    /// it votes, with its vote, which is worth nothing without a log. If it votes, it has lost what
    /// it promised: it is made a learner first.
    pub(super) fn no_replica(&mut self, from: NodeId, group: GroupId, boot: u64) {
        let Some(replica) = self.groups.get(&group).filter(|replica| replica.leads()) else {
            return;
        };
        let Some(configuration) = replica.raft.configuration().cloned() else {
            return;
        };
        let is_settled = replica.is_settled();
        self.raft_input(group, raft::Input::PeerForgot(from));
        if configuration.is_learner(from) && is_settled {
            let invitation = Invitation {
                group,
                node: from,
                boot,
            };
            let mut under_way = self.replicas.invitations.values();
            if under_way.any(|other| *other == invitation) {
                return;
            }
            let read = raft::ReadId(OWN | self.replicas.invitations_next);
            self.replicas.invitations_next += 1;
            self.replicas.invitations.insert(read, invitation);
            let mode = raft::ReadMode::Linearizable;
            self.raft_input(group, raft::Input::Read { read, mode });
        } else if configuration.is_voter(from) && is_settled && !configuration.is_joint() {
            self.event(Event::ReplicaLost { group, node: from });
            let change = MembershipChange::Auto(vec![Change::AddLearner(from)]);
            let proposal = raft::ProposalId(OWN);
            self.raft_input(group, raft::Input::ChangeMembership { proposal, change });
            self.restore_voter(group, from);
        }
    }

    /// Sees to it that a node that lost its replica votes again once it has one.
    fn restore_voter(&mut self, group: GroupId, node: NodeId) {
        let work = Work::Change {
            add: vec![node],
            remove: vec![],
        };
        if self.errands.same_for_nobody(group, &work) {
            return;
        }
        let id = self.errands.insert(Errand {
            group,
            work,
            client: Client::Nobody,
            started: self.now,
            deadline: self.now + RESTORE_FOR,
            hops: 1,
            attempts: 0,
            uncertain: false,
            ticked: false,
            stage: Stage::New,
        });
        self.dispatch(id);
    }

    /// A quorum follows this leader. Whether that was asked for an invitation.
    pub(super) fn leadership_confirmed(&mut self, read: raft::ReadId) -> bool {
        let Some(Invitation { group, node, boot }) = self.replicas.invitations.remove(&read) else {
            return read.0 & OWN != 0;
        };
        let Some(replica) = self.groups.get(&group).filter(|replica| replica.leads()) else {
            return true;
        };
        let configuration = replica.raft.configuration();
        let learns = configuration.is_some_and(|members| members.is_learner(node));
        if learns && replica.is_settled() {
            let index = replica.raft.status().last.index;
            let item = Item::Join { group, index, boot };
            self.frames.push(node, Lane::Control, &item);
        }
        true
    }

    /// The same, refused.
    pub(super) fn leadership_unconfirmed(&mut self, read: raft::ReadId) -> bool {
        self.replicas.invitations.remove(&read);
        read.0 & OWN != 0
    }

    /// A confirmed leader invites this node to hold a replica.
    pub(super) fn join(&mut self, group: GroupId, index: LogIndex, boot: u64) {
        let here = self.groups.contains_key(&group) || self.replicas.is_pending(group);
        if here || boot != self.config.boot || group.0 >= self.router.groups() {
            return;
        }
        let member_since = index;
        self.replicas
            .pending
            .insert(group, Pending::Joining { member_since });
        let origin = Origin::Invited;
        self.outbox.push_back(Output::Clear { group, origin });
    }

    /// Whoever is no member any more, and speaks as if it were, is told.
    pub(super) fn tell_stranger(&mut self, from: NodeId, id: GroupId, message: &raft::Message) {
        let campaigns = matches!(
            message.body,
            raft::Body::PreVote { .. } | raft::Body::Vote { .. }
        );
        if campaigns {
            self.tell_whether_member(from, id);
        }
    }

    /// A replica here may be one that was removed.
    pub(super) fn ask_later(&mut self) {
        let at = self.now + ASK_AGAIN;
        self.replicas.ask_at.get_or_insert(at);
    }

    /// A replica that does not campaign and that nobody leads may have been removed while it was
    /// away: it does not campaign, so that nobody would tell it. It asks.
    pub(super) fn ask_whether_member(&mut self) {
        if self.replicas.ask_at.is_none_or(|at| self.now < at) {
            return;
        }
        self.replicas.ask_at = None;
        let own = self.config.id;
        let strays = self.groups.values().filter(|group| group.is_stray(own));
        let strays: Vec<GroupId> = strays.map(|group| group.id).collect();
        if !strays.is_empty() {
            self.ask_later();
        }
        for group in strays {
            for node in self.config.nodes.iter().filter(|node| **node != own) {
                let item = Item::Belongs { group };
                self.frames.push(*node, Lane::Control, &item);
            }
        }
    }

    /// Tells a node that is no member of a group that it is none.
    pub(super) fn tell_whether_member(&mut self, from: NodeId, id: GroupId) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let in_force = group.raft.configuration();
        let known = in_force.is_none_or(|configuration| configuration.contains(from));
        if !known && group.is_settled() {
            let index = group.belonging().configuration_index;
            let item = Item::Gone { group: id, index };
            self.frames.push(from, Lane::Control, &item);
        }
    }

    /// A member says that, by a configuration committed at `index`, this node is none.
    pub(super) fn gone(&mut self, id: GroupId, index: LogIndex) {
        let own = self.config.id;
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let belonging = group.belonging();
        let known_until = match belonging.member {
            true => group.applied.index.max(belonging.member_since),
            false => belonging.member_since,
        };
        // By the log, it may have been added again since.
        let in_force = group.raft.configuration();
        let newer = in_force.is_some_and(|configuration| configuration.contains(own))
            && belonging.in_force_index > index;
        if index > known_until && !newer {
            self.leave(id);
        }
    }

    /// This node's replica is removed: from here on there is none, and what is left is erased.
    pub(super) fn leave(&mut self, id: GroupId) {
        let installing = self.abandon_inbound(id);
        self.abandon_offers(id);
        self.abandon_exports(id);
        let Some(group) = self.groups.remove(&id) else {
            return;
        };
        self.dirty.remove(&id);
        self.forget_clock(&group);
        self.unflushed_bytes -= group.unflushed_bytes;
        if group.leads() {
            self.metrics.groups_led.add(-1);
        }
        if let Some(leader) = group.leader.filter(|leader| *leader != self.config.id) {
            self.hints.insert(id, leader);
        }
        self.replicas.pending.insert(
            id,
            Pending::Draining(Draining {
                persisting: group.belonging().persisting,
                applying: group.belonging().applying,
                installing,
                reading: self.errands.reading(id).map(|id| ReadToken(id.0)).collect(),
            }),
        );
        self.wake_watches(id);
        for errand in self.errands.of_group_here(id) {
            self.lost(errand, "the replica that had it was removed");
        }
        self.event(Event::ReplicaRemoved { group: id });
        self.erase_if_drained(id);
    }

    /// A write, an apply or an install that was given out before the removal is done. Whether it was
    /// one.
    pub(super) fn drained(&mut self, id: GroupId, what: Given) -> bool {
        let Some(pending) = self.replicas.pending.get_mut(&id) else {
            return false;
        };
        match (pending, what) {
            (Pending::Draining(draining), Given::Persist) => draining.persisting -= 1,
            (Pending::Draining(draining), Given::Apply) => draining.applying -= 1,
            (Pending::Draining(draining), Given::Install) => draining.installing = false,
            (pending @ Pending::Forgetting, Given::Persist) => {
                *pending = Pending::Finishing;
                let origin = Origin::Invited;
                self.outbox.push_back(Output::Clear { group: id, origin });
            }
            _ => return false,
        }
        self.erase_if_drained(id);
        true
    }

    /// A lookup is done.
    pub(super) fn read_drained(&mut self, read: ReadToken) {
        let groups: Vec<GroupId> = self.replicas.pending.keys().copied().collect();
        for id in groups {
            if let Some(Pending::Draining(draining)) = self.replicas.pending.get_mut(&id)
                && draining.reading.remove(&read)
            {
                self.erase_if_drained(id);
            }
        }
    }

    fn erase_if_drained(&mut self, id: GroupId) {
        if let Some(pending) = self.replicas.pending.get_mut(&id)
            && matches!(pending, Pending::Draining(draining) if *draining == Draining::default())
        {
            *pending = Pending::Clearing;
            let origin = Origin::Cleared;
            self.outbox.push_back(Output::Clear { group: id, origin });
        }
    }

    pub(super) fn cleared(&mut self, id: GroupId, result: Result<(), PortError>) {
        if let Err(error) = result {
            return self.halt(error);
        }
        match self.replicas.pending.remove(&id) {
            Some(Pending::Clearing) => {
                self.replicas.pending.insert(id, Pending::Forgetting);
                let (hard_state, _) = nothing();
                let persist = raft::Persist {
                    write: raft::WriteId {
                        number: 0,
                        term: Term(0),
                    },
                    hard_state: Some(hard_state),
                    reset: Some(raft::SnapshotMeta::default()),
                    rewrites: vec![].into(),
                    entries: vec![].into(),
                };
                self.outbox
                    .push_back(Output::Persist { group: id, persist });
            }
            Some(Pending::Finishing) => {}
            Some(Pending::Joining { member_since }) => self.begin_empty(id, member_since),
            Some(other) => unreachable!("nothing is cleared while {other:?}"),
            None => unreachable!("{id} was not asked to be cleared"),
        }
    }

    /// A replica without a past.
    fn begin_empty(&mut self, id: GroupId, member_since: LogIndex) {
        // Not fresh: it must not vote at once.
        let restored = raft::Restored {
            fresh: false,
            ..raft::Restored::fresh()
        };
        match Group::new(&self.config, &self.common, id, &[], restored, self.now) {
            Ok(mut group) => {
                group.belonging_mut().member_since = member_since;
                self.groups.insert(id, group.into());
                self.dirty.insert(id);
                self.hints.remove(&id);
                self.metrics.starts_at(id, LogIndex(0));
                self.event(Event::ReplicaBegun { group: id });
                self.ask_later();
            }
            Err(error) => unreachable!("a replica begins like any other: {error}"),
        }
    }
}

/// What was given out to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Persist,
    Apply,
    Install,
}

/// Marks proposals and reads that no errand waits for.
const OWN: u64 = 1 << 63;
/// How often a replica that may have been removed asks whether it was.
const ASK_AGAIN: core::time::Duration = core::time::Duration::from_secs(1);
/// How long a leader sees to it that a node that lost its replica votes again.
const RESTORE_FOR: core::time::Duration = core::time::Duration::from_secs(600);
