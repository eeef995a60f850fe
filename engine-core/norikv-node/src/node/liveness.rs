//! Who watches the leaders of groups that sleep, and when Raft's clocks ring.
//!
//! **Invariant: a replica that sleeps under another node's lead is woken when that node is not
//! heard of for the shortest election timeout, when it is heard of as another start, and when the
//! connection to it is lost.** So each node says every heartbeat interval that it is alive, and as
//! which start, in the frame that carries the heartbeats of all groups that it leads; asleep, they
//! cost that one frame and nothing of their own.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use nori_raft as raft;
use norikv_types::{GroupId, Mono, Mutant, NodeId, breaks};

use super::Node;
use super::group::Group;
use crate::wire::Item;
use crate::{Lane, RaftOptions};

/// What a node hears of the others, and when it speaks next.
#[derive(Debug)]
pub(crate) struct Liveness {
    heard: BTreeMap<NodeId, Heard>,
    /// When to say next that this node is alive; `None` where no group ever sleeps.
    beat_at: Option<Mono>,
    /// It is to be said with the frames that leave next.
    beat_due: bool,
    /// When a Raft wants to hear of the time.
    deadlines: BTreeSet<(Mono, GroupId)>,
}

/// Another node.
#[derive(Debug)]
struct Heard {
    /// Its start, as it last said.
    boot: Option<u64>,
    at: Mono,
    /// When its silence was noticed. What it said meanwhile may lie unread before this node, which
    /// may have stood still itself; it gets a moment to read that.
    doubted: Option<Mono>,
    /// Groups that sleep here under its lead.
    sleeping: u32,
}

impl Heard {
    const fn new(now: Mono) -> Self {
        Self {
            boot: None,
            at: now,
            doubted: None,
            sleeping: 0,
        }
    }

    /// When to look at it next.
    fn deadline(&self, options: &RaftOptions) -> Mono {
        match self.doubted {
            Some(at) => at + options.heartbeat_interval / 8,
            None => self.at + patience(options),
        }
    }

    /// It said something.
    fn spoke(&mut self, now: Mono) {
        self.at = self.at.max(now);
        self.doubted = None;
    }
}

impl Liveness {
    pub(crate) fn new(options: &RaftOptions, now: Mono) -> Self {
        Self {
            heard: BTreeMap::new(),
            beat_at: (options.quiesce_after)
                .map(|_| raft::next_beat(options.heartbeat_interval, now)),
            beat_due: false,
            deadlines: BTreeSet::new(),
        }
    }

    pub(crate) fn poll_timeout(&self, options: &RaftOptions) -> Option<Mono> {
        let watched = self.heard.values().filter(|heard| heard.sleeping > 0);
        let silences = watched.map(|heard| heard.deadline(options));
        let rafts = self.deadlines.first().map(|(at, _)| *at);
        silences.chain(self.beat_at).chain(rafts).min()
    }

    /// Moves a group's deadline.
    pub(crate) fn reschedule(&mut self, group: GroupId, before: Mono, at: Mono) {
        if before == at {
            return;
        }
        if before != Mono::MAX {
            self.deadlines.remove(&(before, group));
        }
        if at != Mono::MAX {
            self.deadlines.insert((at, group));
        }
    }

    /// The next group whose deadline has come.
    fn due(&mut self, now: Mono) -> Option<GroupId> {
        self.deadlines.first().filter(|(at, _)| *at <= now)?;
        self.deadlines.pop_first().map(|(_, group)| group)
    }

    /// Nodes under whose lead groups sleep here and that are silent for too long, and when they were
    /// heard of.
    fn silent(&mut self, options: &RaftOptions, now: Mono) -> Vec<(NodeId, Mono)> {
        let mut silent = Vec::new();
        for (node, heard) in &mut self.heard {
            if heard.sleeping == 0 || heard.deadline(options) > now {
                continue;
            }
            match heard.doubted {
                Some(_) => silent.push((*node, heard.at)),
                None => heard.doubted = Some(now),
            }
        }
        silent
    }

    fn sleeps_under(&mut self, leader: NodeId, now: Mono) {
        let heard = self.heard.entry(leader).or_insert_with(|| Heard::new(now));
        heard.sleeping += 1;
        // It spoke of this group just now.
        heard.spoke(now);
    }

    fn woke_under(&mut self, leader: NodeId) {
        if let Some(heard) = self.heard.get_mut(&leader) {
            heard.sleeping -= 1;
        }
    }
}

/// How long a node may be silent before the groups that it leads are woken. Their clocks then count
/// from when it was last heard of: sleep delays no election.
const fn patience(options: &RaftOptions) -> core::time::Duration {
    options.election_timeout_min
}

impl Node {
    /// A node said that it is alive.
    pub(super) fn alive(&mut self, from: NodeId, boot: u64) {
        let now = self.now;
        let heard = self
            .liveness
            .heard
            .entry(from)
            .or_insert_with(|| Heard::new(now));
        heard.spoke(now);
        if heard.boot.replace(boot) != Some(boot) && !breaks(Mutant::NewStartUnnoticed) {
            self.wake_groups_with(from);
        }
    }

    /// What a group's Raft said is carried out: notes when it is to be called again, and whom a
    /// sleeping one relies on.
    pub(super) fn note_clock(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let deadline = group.raft.poll_timeout().unwrap_or(Mono::MAX);
        let before = core::mem::replace(&mut group.deadline, deadline);
        self.liveness.reschedule(id, before, deadline);
        let asleep = group.raft.is_quiescent();
        if asleep != group.asleep {
            group.asleep = asleep;
            group.trim();
            self.metrics.groups_asleep.add(if asleep { 1 } else { -1 });
        }
        let own = self.config.id;
        let leader = group.raft.leader().filter(|leader| *leader != own);
        let watches = leader.filter(|_| asleep).unwrap_or(NodeId(0));
        let before = core::mem::replace(&mut group.watches, watches);
        if before != watches {
            if before != NodeId(0) {
                self.liveness.woke_under(before);
            }
            if watches != NodeId(0) {
                self.liveness.sleeps_under(watches, self.now);
            }
        }
    }

    /// The replica is removed: nothing of its clock remains.
    pub(super) fn forget_clock(&mut self, group: &Group) {
        self.liveness
            .reschedule(group.id, group.deadline, Mono::MAX);
        if group.asleep {
            self.metrics.groups_asleep.add(-1);
        }
        if group.watches != NodeId(0) {
            self.liveness.woke_under(group.watches);
        }
    }

    /// Lets every Raft hear of the time whose deadline has come, wakes those whose leader is silent.
    pub(super) fn tick_groups(&mut self) {
        while let Some(group) = self.liveness.due(self.now) {
            if let Some(group) = self.groups.get_mut(&group) {
                group.deadline = Mono::MAX;
            }
            self.raft_input(group, raft::Input::Timeout);
        }
        if self.liveness.beat_at.is_some_and(|at| at <= self.now) {
            let interval = self.config.raft.heartbeat_interval;
            self.liveness.beat_at = Some(raft::next_beat(interval, self.now));
            self.liveness.beat_due = true;
        }
        for (node, heard) in self.liveness.silent(&self.config.raft, self.now) {
            self.wake_groups_led_by(node, heard);
        }
    }

    /// Says to all that this node is alive, behind everything else that is said now.
    pub(super) fn beat(&mut self) {
        if !core::mem::take(&mut self.liveness.beat_due) {
            return;
        }
        let boot = self.config.boot;
        for node in &self.config.nodes {
            if *node != self.config.id && !self.down.contains(node) {
                self.frames
                    .push(*node, Lane::Control, &Item::Alive { boot });
            }
        }
    }

    /// The connection to a node is lost, or it is taken for dead.
    pub(super) fn leader_lost(&mut self, node: NodeId) {
        if let Some(heard) = self.liveness.heard.get(&node).map(|heard| heard.at) {
            self.wake_groups_led_by(node, heard);
        }
    }

    fn wake_groups_led_by(&mut self, node: NodeId, heard: Mono) {
        let watching = self.groups.values();
        let watching = watching.filter(|group| group.watches == node);
        let groups: Vec<GroupId> = watching.map(|group| group.id).collect();
        for group in groups {
            self.raft_input(group, raft::Input::Wake { heard });
        }
    }

    /// A node started anew: those it led need a leader, and those led here are to know that before
    /// it campaigns in them.
    fn wake_groups_with(&mut self, node: NodeId) {
        let concerned = self.groups.values().filter(|group| {
            let holds = || {
                let configuration = group.raft.configuration();
                configuration.is_some_and(|members| members.contains(node))
            };
            group.watches == node || (group.asleep && group.leads() && holds())
        });
        let groups: Vec<GroupId> = concerned.map(|group| group.id).collect();
        for group in groups {
            let heard = self.now;
            self.raft_input(group, raft::Input::Wake { heard });
        }
    }
}
