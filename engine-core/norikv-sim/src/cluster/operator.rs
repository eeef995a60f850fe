//! The operator: moves leaders and replicas by hand, and looks after nodes whose disks were lost,
//! while everything else goes on.
//!
//! **Invariant: no change is asked for that would leave a group with fewer voters than it began
//! with**, so that what else may go wrong finds it as safe as before. Of each group one change is
//! under way at a time; where nobody knows what became of one, no other is asked for until it is
//! over for sure. A node with new disks counts as lost until every group is whole again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use norikv_node::{Admin, Answer, Call};
use norikv_types::{GroupId, Mono, NodeId, Prng};

use crate::cluster::client::{Caller, Heard};
use crate::cluster::nemesis::NemesisHappening;
use crate::cluster::plan::{Action, FaultKind};
use crate::cluster::{SimConfig, Simulation};

/// What the operator knows.
#[derive(Debug)]
pub(crate) struct Operator {
    /// Whether there is one: a plan without anything to do for it has none.
    pub(crate) works: bool,
    prng: Prng,
    /// Groups in which a change may be under way, and until when.
    busy: BTreeMap<GroupId, Mono>,
    /// Nodes whose disks were replaced and that have not all back that they are to hold.
    pub(crate) incomplete: BTreeSet<NodeId>,
    pub(crate) counters: OperatorCounters,
}

/// What the operator of a run got done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct OperatorCounters {
    /// Groups whose leader was moved.
    pub transferred: u64,
    /// Groups whose replicas were changed.
    pub changed: u64,
    /// Replicas that were removed.
    pub removed: u64,
    /// Replicas that began empty.
    pub begun: u64,
    /// Nodes that lost their disks and have all their votes back.
    pub rejoined: u64,
}

impl OperatorCounters {
    /// Adds what another run counted.
    pub(crate) const fn add(&mut self, other: &Self) {
        self.transferred += other.transferred;
        self.changed += other.changed;
        self.removed += other.removed;
        self.begun += other.begun;
        self.rejoined += other.rejoined;
    }
}

impl Operator {
    pub(crate) fn new(config: &SimConfig) -> Self {
        let mut faults = config.plan.iter().filter_map(|entry| entry.action.fault());
        Self {
            works: faults.any(FaultKind::is_operators),
            prng: Prng::new(config.seed ^ OPERATOR),
            busy: BTreeMap::new(),
            incomplete: BTreeSet::new(),
            counters: OperatorCounters::default(),
        }
    }
}

impl Simulation {
    /// The operator does what a plan says; `false` when it is let be.
    pub(super) fn operate(&mut self, action: &Action) -> bool {
        let ids = |nodes: &[u32]| -> Vec<NodeId> {
            let ids = nodes.iter().map(|node| NodeId(u64::from(*node)));
            ids.collect()
        };
        let group_of = |group: u32| GroupId(group % self.config.groups);
        match action {
            Action::Transfer { group, to } => {
                let group = group_of(*group);
                let to = NodeId(u64::from(*to));
                let host = self.pick_host();
                let call = Call::Admin(Admin::Transfer { group, to });
                self.ask(Caller::Operator(group, false), host, call, None);
                true
            }
            Action::ChangeReplicas { group, add, remove } => {
                let (add, remove) = (ids(add), ids(remove));
                self.change(group_of(*group), add, remove)
            }
            _ => false,
        }
    }

    /// Asks for a change; `false` when it is let be.
    fn change(&mut self, group: GroupId, add: Vec<NodeId>, remove: Vec<NodeId>) -> bool {
        if self.operator.busy.contains_key(&group) || !self.stays_whole(group, &add, &remove) {
            return false;
        }
        let over = Duration::from_millis(PATIENCE_MS + OVER_MS);
        self.operator.busy.insert(group, self.now + over);
        let host = self.pick_host();
        let call = Call::Admin(Admin::ChangeReplicas { group, add, remove });
        self.ask(Caller::Operator(group, true), host, call, None);
        true
    }

    /// The operator hears of a change.
    pub(crate) fn operator_hears(&mut self, group: GroupId, moves: bool, heard: &Heard) {
        if let Heard::Answered(Ok(Answer::Replicas(_))) = heard {
            if moves {
                self.operator.busy.remove(&group);
                self.operator.counters.changed += 1;
            } else {
                self.operator.counters.transferred += 1;
            }
        }
    }

    /// The disks of a node are replaced by empty ones.
    pub(super) fn replace(&mut self, host: usize, for_ms: u64) {
        self.stop(host, true);
        let machine = &mut self.hosts[host];
        machine.log_disk.wipe();
        machine.data_disk.wipe();
        machine.founder = false;
        machine.retired = false;
        machine.halted = false;
        let id = machine.id;
        self.nemesis.harmed.remove(&id);
        self.nemesis.rotten.remove(&id);
        self.nemesis.in_repair.retain(|(node, _)| *node != id);
        self.operator.incomplete.insert(id);
        self.invariants.lost(id);
        self.restart_after(host, for_ms);
    }

    /// Now and then the operator looks at all groups, and asks for what they lack.
    pub(super) fn operator_looks(&mut self) {
        let now = self.now;
        self.operator.busy.retain(|_, until| *until > now);
        for group in (0..self.config.groups).map(GroupId) {
            if let Some((add, remove)) = self.lacks(group) {
                self.change(group, add, remove);
            }
        }
        self.replace_retired();
        let whole = (0..self.config.groups).all(|group| self.unwhole(GroupId(group)).is_none());
        if whole {
            let back = core::mem::take(&mut self.operator.incomplete);
            self.operator.counters.rejoined += back.len() as u64;
        }
        self.nemesis_after(LOOK_MS, NemesisHappening::Operator);
    }

    /// Whether a node found harm on its disks that nothing mends, lost them, or may have forgotten
    /// a vote.
    pub(crate) fn needs_disks(&self, host: usize) -> bool {
        let machine = &self.hosts[host];
        let mut groups = (0..self.config.groups).map(GroupId);
        machine.retired || groups.any(|group| self.invariants.is_doubtful(machine.id, group))
    }

    /// Such a node gets others after a while. It counts as lost already.
    fn replace_retired(&mut self) {
        for host in 0..self.hosts.len() {
            let left = self.nemesis.left_broken.contains(&self.hosts[host].id);
            if !left && self.needs_disks(host) && self.operator.prng.below(8) == 0 {
                self.replace(host, LOOK_MS);
            }
        }
    }

    /// Why a group is not as it should be; `None` when it is.
    pub(crate) fn unwhole(&self, group: GroupId) -> Option<String> {
        let (at, own) = self.invariants.settled(group)?;
        let few = own.voters().len() < self.config.replication as usize;
        if own.is_joint() || !own.learners().is_empty() || few {
            return Some(format!("{group} is left with {own:?}"));
        }
        let lacks = |node: &&NodeId| {
            !self.is_retired(**node) && !self.invariants.holds_up_to(**node, group, at)
        };
        let lacking = own.voters().iter().find(lacks);
        lacking.map(|node| format!("{node} has no replica of {group}"))
    }

    /// Whether a node is to be without a replica of a group and has one.
    pub(crate) fn lingers(&self, group: GroupId) -> Option<String> {
        let own = self.invariants.configuration(group)?;
        let ids = self.hosts.iter().map(|host| host.id);
        let mut up = ids.filter(|id| !self.is_retired(*id));
        let lingers = |id: &NodeId| !own.contains(*id) && self.invariants.is_present(*id, group);
        let node = up.find(lingers)?;
        Some(format!("{node} still has a replica of {group}"))
    }

    /// What to ask for, so that a group has as many voters as it began with, on nodes that live.
    fn lacks(&mut self, group: GroupId) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
        let own = self.invariants.configuration(group)?.clone();
        if own.is_joint() {
            return None;
        }
        let (voters, learners) = (own.voters(), own.learners());
        let dead: Vec<NodeId> = voters
            .iter()
            .chain(learners)
            .copied()
            .filter(|node| self.is_retired(*node))
            .collect();
        let living = learners.iter().filter(|node| !dead.contains(node));
        let mut add: Vec<NodeId> = living.copied().collect();
        let votes = voters.iter().filter(|node| !dead.contains(node)).count() + add.len();
        if votes < self.config.replication as usize {
            let ids = self.hosts.iter().map(|host| host.id);
            let spare = ids.filter(|id| !own.contains(*id) && !self.is_retired(*id));
            let spare: Vec<NodeId> = spare.collect();
            let nth = self.operator.prng.below(spare.len().max(1) as u64);
            add.extend(usize::try_from(nth).ok().and_then(|nth| spare.get(nth)));
        }
        let dead = match add.is_empty() && voters.iter().any(|node| dead.contains(node)) {
            // There is nobody to take its place.
            true => Vec::new(),
            false => dead,
        };
        (!add.is_empty() || !dead.is_empty()).then_some((add, dead))
    }

    /// Whether the group has enough voters after the change.
    fn stays_whole(&self, group: GroupId, add: &[NodeId], remove: &[NodeId]) -> bool {
        let Some(configuration) = self.invariants.configuration(group) else {
            return false;
        };
        let mut voters: BTreeSet<NodeId> = configuration.voters().iter().copied().collect();
        let before = voters.len();
        voters.extend(add);
        voters.retain(|voter| !remove.contains(voter));
        let enough = self.config.replication as usize;
        let living = voters.iter().filter(|node| !self.is_retired(**node));
        !configuration.is_joint()
            && voters.len() >= enough.min(before + 1)
            && living.count() * 2 > voters.len()
    }

    fn is_retired(&self, node: NodeId) -> bool {
        let host = self.host_of(node);
        host.is_none_or(|host| self.hosts[host].retired)
    }
}

/// How long the operator waits for an answer.
pub(crate) const PATIENCE_MS: u64 = 4_000;
/// How much later than that a change may still go on.
const OVER_MS: u64 = 1_000;
/// How often it looks at its groups.
const LOOK_MS: u64 = 500;
const OPERATOR: u64 = 0x4f50_4552_4154_4f52;
