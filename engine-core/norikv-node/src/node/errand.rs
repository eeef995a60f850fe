//! What is under way: one errand for each piece of work that someone waits for.
//!
//! **Invariant: an errand ends exactly once, with an answer or a failure, at its deadline at the
//! latest.** Its id is never used again, so a late answer finds nobody.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use norikv_types::{GroupId, Mono, NodeId, Version};

use super::metrics::CallKind;
use super::watches::WatchId;
use crate::RequestId;
use crate::wire::Work;

/// The node's name for an errand; also its name for Raft and for the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ErrandId(pub(crate) u64);

/// A scan over all groups that a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FanId(pub(crate) u64);

/// One piece of work for one group.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) group: GroupId,
    pub(crate) work: Work,
    pub(crate) client: Client,
    pub(crate) started: Mono,
    pub(crate) deadline: Mono,
    /// How often it may still be passed on to another node.
    pub(crate) hops: u8,
    /// How often it had to be sent off anew.
    pub(crate) attempts: u32,
    /// It is a write, and an earlier attempt may yet be applied.
    pub(crate) uncertain: bool,
    /// It is a read, and has had the replicated time go on.
    pub(crate) ticked: bool,
    pub(crate) stage: Stage,
}

/// Who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// The host's caller.
    Host(RequestId, CallKind),
    /// Another node that forwarded it.
    Peer { node: NodeId, boot: u64, token: u64 },
    /// A scan over all groups.
    Fan(FanId),
    /// Reads of the group that wait for its replicated time to go on.
    Tick,
    /// A watch of a group that has no replica here.
    Watch(WatchId),
    /// The node itself wants it done.
    Nobody,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nowhere yet.
    New,
    /// Until the group has a leader that can be reached.
    Parked,
    /// Until a moment has passed since the last attempt failed.
    Backoff,
    /// Handed to the local Raft.
    Proposed,
    /// In the local log at this (term, index).
    Appended(Version),
    /// Asked the local Raft from which index on it may be read.
    Asked,
    /// Until this much is applied.
    AwaitsApply(norikv_types::LogIndex),
    /// With the storage.
    Reading,
    /// Until the replicated time has gone on.
    AwaitsTick,
    /// A change of replicas or leaders, until its next step can be taken.
    Changing,
    /// With another node, under this token.
    Forwarded { to: NodeId, token: u64 },
}

/// All errands, by id, deadline, and token.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    next: u64,
    by_id: BTreeMap<ErrandId, Errand>,
    deadlines: BTreeSet<(Mono, ErrandId)>,
    /// When to look at it again.
    alarms: BTreeSet<(Mono, ErrandId)>,
    tokens: BTreeMap<u64, ErrandId>,
    next_token: u64,
    parked: BTreeSet<(GroupId, ErrandId)>,
    forwarded: BTreeSet<(GroupId, ErrandId)>,
    changing: BTreeSet<(GroupId, ErrandId)>,
    /// How far changes are, in words.
    progress: BTreeMap<ErrandId, String>,
}

impl Errands {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn insert(&mut self, errand: Errand) -> ErrandId {
        self.next += 1;
        let id = ErrandId(self.next);
        self.deadlines.insert((errand.deadline, id));
        self.by_id.insert(id, errand);
        id
    }

    pub(crate) fn get(&self, id: ErrandId) -> Option<&Errand> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ErrandId) -> Option<&mut Errand> {
        self.by_id.get_mut(&id)
    }

    /// Moves an errand on. What its stage before was registered under is forgotten.
    pub(crate) fn set_stage(&mut self, id: ErrandId, stage: Stage) {
        let Some(errand) = self.by_id.get_mut(&id) else {
            return;
        };
        let group = errand.group;
        let before = core::mem::replace(&mut errand.stage, stage);
        match before {
            Stage::Parked => {
                self.parked.remove(&(group, id));
            }
            Stage::Forwarded { token, .. } => {
                self.tokens.remove(&token);
                self.forwarded.remove(&(group, id));
            }
            Stage::New
            | Stage::Backoff
            | Stage::Proposed
            | Stage::Appended(_)
            | Stage::Asked
            | Stage::AwaitsApply(_)
            | Stage::Reading
            | Stage::AwaitsTick => {}
            Stage::Changing => {
                self.changing.remove(&(group, id));
            }
        }
        match stage {
            Stage::Parked => {
                self.parked.insert((group, id));
            }
            Stage::Forwarded { .. } => {
                self.forwarded.insert((group, id));
            }
            Stage::Changing => {
                self.changing.insert((group, id));
            }
            _ => {}
        }
    }

    /// Marks it as on its way to `to`; returns the new token.
    pub(crate) fn forward(&mut self, id: ErrandId, to: NodeId) -> u64 {
        self.next_token += 1;
        let token = self.next_token;
        self.set_stage(id, Stage::Forwarded { to, token });
        self.tokens.insert(token, id);
        token
    }

    pub(crate) fn by_token(&self, token: u64) -> Option<ErrandId> {
        self.tokens.get(&token).copied()
    }

    pub(crate) fn remove(&mut self, id: ErrandId) -> Option<Errand> {
        self.set_stage(id, Stage::New);
        self.progress.remove(&id);
        let errand = self.by_id.remove(&id)?;
        self.deadlines.remove(&(errand.deadline, id));
        Some(errand)
    }

    /// Looks at it again at `at`.
    pub(crate) fn alarm(&mut self, at: Mono, id: ErrandId) {
        self.alarms.insert((at, id));
    }

    /// An errand whose deadline has come.
    pub(crate) fn expired(&self, now: Mono) -> Option<ErrandId> {
        self.deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)
            .map(|(_, id)| *id)
    }

    /// An errand that is to be looked at again.
    pub(crate) fn rings(&mut self, now: Mono) -> Option<ErrandId> {
        let (at, id) = *self.alarms.first()?;
        (at <= now).then(|| {
            self.alarms.remove(&(at, id));
            id
        })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let alarm = self.alarms.first().map(|(at, _)| *at);
        [deadline, alarm].into_iter().flatten().min()
    }

    pub(crate) fn parked(&self, group: GroupId) -> alloc::vec::Vec<ErrandId> {
        self.parked
            .range((group, ErrandId(0))..=(group, ErrandId(u64::MAX)))
            .map(|(_, id)| *id)
            .collect()
    }

    /// Changes of a group under way here.
    pub(crate) fn changing(&self, group: GroupId) -> alloc::vec::Vec<ErrandId> {
        self.changing
            .range((group, ErrandId(0))..=(group, ErrandId(u64::MAX)))
            .map(|(_, id)| *id)
            .collect()
    }

    /// Says how far a change is.
    pub(crate) fn set_progress(&mut self, id: ErrandId, how_far: String) {
        self.progress.insert(id, how_far);
    }

    /// How far a change is.
    pub(crate) fn progress(&self, id: ErrandId) -> Option<&String> {
        self.progress.get(&id)
    }

    /// Whether the node itself has the same under way.
    pub(crate) fn same_for_nobody(&self, group: GroupId, work: &Work) -> bool {
        self.by_id.values().any(|errand| {
            errand.client == Client::Nobody && errand.group == group && errand.work == *work
        })
    }

    /// Errands of a group that wait for its replica here, other than for a lookup under way.
    pub(crate) fn of_group_here(&self, group: GroupId) -> alloc::vec::Vec<ErrandId> {
        let here = |errand: &Errand| {
            errand.group == group
                && !matches!(errand.stage, Stage::Forwarded { .. } | Stage::Reading)
        };
        self.by_id
            .iter()
            .filter(|(_, errand)| here(errand))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Lookups under way in a group.
    pub(crate) fn reading(&self, group: GroupId) -> impl Iterator<Item = ErrandId> {
        let reads = move |errand: &Errand| {
            let watches = matches!(errand.work, Work::Watch { .. });
            errand.group == group && errand.stage == Stage::Reading && !watches
        };
        self.by_id
            .iter()
            .filter(move |(_, errand)| reads(errand))
            .map(|(id, _)| *id)
    }

    /// Errands of a group that are with another node than `leader`.
    pub(crate) fn forwarded_elsewhere(
        &self,
        group: GroupId,
        leader: NodeId,
    ) -> alloc::vec::Vec<ErrandId> {
        let elsewhere = |id: &ErrandId| {
            self.by_id.get(id).is_some_and(
                |errand| matches!(errand.stage, Stage::Forwarded { to, .. } if to != leader),
            )
        };
        self.forwarded
            .range((group, ErrandId(0))..=(group, ErrandId(u64::MAX)))
            .map(|(_, id)| *id)
            .filter(elsewhere)
            .collect()
    }

    /// Errands that are with `node`.
    pub(crate) fn forwarded_to(&self, node: NodeId) -> alloc::vec::Vec<ErrandId> {
        self.tokens
            .values()
            .copied()
            .filter(|id| {
                self.by_id.get(id).is_some_and(
                    |errand| matches!(errand.stage, Stage::Forwarded { to, .. } if to == node),
                )
            })
            .collect()
    }

    pub(crate) fn ids(&self) -> alloc::vec::Vec<ErrandId> {
        self.by_id.keys().copied().collect()
    }
}
