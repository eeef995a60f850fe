//! What befalls a group: clients, crashes, partitions, delays.

use std::time::Duration;

use bytes::Bytes;
use nori_raft::{Change, Input, MembershipChange, ProposalId, Raft, ReadId, ReadMode, Role};
use norikv_types::{LogIndex, NodeId, Prng};

use super::{Cluster, Faults, Happening};
use crate::checker::Violation;

impl Cluster {
    /// No more faults; every node runs.
    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        self.cut.clear();
        self.faults = Faults::none();
        let down: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.raft.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in down {
            self.start(id)?;
        }
        Ok(())
    }

    /// What `id` says reaches nobody.
    pub(crate) fn mute(&mut self, id: NodeId) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.cut.extend(ids.iter().map(|to| (id, *to)));
    }

    /// Nothing reaches `id`.
    pub(crate) fn deafen(&mut self, id: NodeId) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.cut.extend(ids.iter().map(|from| (*from, id)));
    }

    pub(super) fn client(&mut self) -> Result<(), Violation> {
        let wait = self
            .prng
            .duration(Duration::from_micros(200), Duration::from_millis(8));
        let pauses = self.faults.quiesce_after.is_some() && self.prng.below(50) == 0;
        let wait = match pauses {
            true => self
                .prng
                .duration(Duration::from_millis(200), Duration::from_millis(1_500)),
            false => wait,
        };
        self.plan(wait, Happening::Client);
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        let leaders: Vec<NodeId> = ids
            .iter()
            .copied()
            .filter(|id| {
                self.nodes[id]
                    .raft
                    .as_ref()
                    .is_some_and(|raft| raft.role() == Role::Leader)
            })
            .collect();
        let pool = if leaders.is_empty() || self.prng.chance_ppm(50_000) {
            &ids
        } else {
            &leaders
        };
        let pick = self.prng.below(pool.len() as u64);
        let mut id = pool[usize::try_from(pick).unwrap()];
        self.next_id += 1;
        let number = self.next_id;
        let changes = self.faults.changes_ppm;
        let input = match self.prng.below(5) {
            _ if changes > 0 && self.prng.chance_ppm(changes) => self.change(number, &ids),
            0 | 1 if changes > 0 && self.prng.chance_ppm(400_000) => {
                let pick = self.prng.below(ids.len() as u64);
                id = ids[usize::try_from(pick).unwrap()];
                Input::Read {
                    read: ReadId(number),
                    mode: ReadMode::Follower {
                        lease: number.is_multiple_of(2),
                    },
                }
            }
            0 => Input::Read {
                read: ReadId(number),
                mode: ReadMode::Linearizable,
            },
            1 | 2 => Input::Read {
                read: ReadId(number),
                mode: ReadMode::Lease,
            },
            _ => {
                let mut command = number.to_le_bytes().to_vec();
                command.resize(8 + usize::try_from(self.prng.below(200)).unwrap(), 7);
                Input::Propose {
                    proposal: ProposalId(number),
                    command: Bytes::from(command),
                }
            }
        };
        if let Input::Read { read, mode } = &input {
            self.reads.insert(*read, (self.checker.commit_index, *mode));
        }
        self.input(id, input)?;
        if self.prng.chance_ppm(5_000) {
            let peer = ids[usize::try_from(self.prng.below(ids.len() as u64)).unwrap()];
            self.input(id, Input::Unreachable(peer))?;
        }
        Ok(())
    }

    /// A change of the members, or of the leader.
    fn change(&mut self, number: u64, ids: &[NodeId]) -> Input {
        let proposal = ProposalId(number);
        let some = |prng: &mut Prng| ids[usize::try_from(prng.below(ids.len() as u64)).unwrap()];
        let prng = &mut self.prng;
        if prng.below(3) == 0 {
            let to = some(prng);
            return Input::Transfer { proposal, to };
        }
        // Nobody is a witness at one time and something else at another.
        let witness = self.faults.witness.then(|| ids[ids.len() - 1]);
        let changes = (0..=prng.below(3)).map(|_| {
            let (kind, id) = (prng.below(5), some(prng));
            match kind {
                1 | 2 => Change::Remove(id),
                _ if Some(id) == witness => Change::AddWitness(id),
                0 => Change::AddLearner(id),
                _ => Change::AddVoter(id),
            }
        });
        let changes = changes.collect();
        let change = match prng.below(8) {
            0 => MembershipChange::Leave,
            1 => MembershipChange::Simple(changes),
            2 => MembershipChange::Joint {
                changes,
                auto_leave: prng.below(2) == 0,
            },
            _ => MembershipChange::Auto(changes),
        };
        Input::ChangeMembership { proposal, change }
    }

    pub(super) fn crash(&mut self) {
        let pick = self.prng.below(self.nodes.len() as u64);
        let id = *self
            .nodes
            .keys()
            .nth(usize::try_from(pick).unwrap())
            .unwrap();
        if self.node(id).raft.is_none() {
            return;
        }
        self.counts.crashes += 1;
        // Writes under way may survive without having been reported, from the front.
        let survive = match self.prng.below(3) {
            0 => self.prng.below(self.nodes[&id].writes.len() as u64 + 1),
            _ => 0,
        };
        let installed = self.prng.chance_ppm(500_000);
        let node = self.node(id);
        node.raft = None;
        node.boot += 1;
        node.unreported.clear();
        let writes = std::mem::take(&mut node.writes);
        for persist in writes.iter().take(usize::try_from(survive).unwrap()) {
            node.disk.write(persist);
        }
        if let Some(snapshot) = node.installing.take().filter(|_| installed) {
            node.disk.flushed = snapshot;
        }
        self.rot(id);
        let wait = self
            .prng
            .duration(Duration::ZERO, Duration::from_millis(700));
        self.plan(wait, Happening::Restart { node: id });
    }

    /// Entries of one log at a time cannot be read any more.
    fn rot(&mut self, id: NodeId) {
        let others = self.nodes.iter().filter(|(other, _)| **other != id);
        let one_is_damaged = others.into_iter().any(|(_, node)| {
            let lacks = node.raft.as_ref().is_some_and(Raft::is_damaged);
            lacks || !node.disk.damaged.is_empty() || node.disk.lost.is_some()
        });
        // Where members come and go two may be left, of which none can do without the other.
        if one_is_damaged
            || self.nodes.len() < 3
            || self.faults.changes_ppm > 0
            || !self.prng.chance_ppm(500_000)
        {
            return;
        }
        let disk = &self.nodes[&id].disk;
        let (first, last) = (disk.base.index.0 + 1, disk.last().0);
        if first > last {
            return;
        }
        let mut damaged = std::collections::BTreeSet::new();
        for _ in 0..1 + self.prng.below(3) {
            let from = first + self.prng.below(last + 1 - first);
            let up_to = (from + self.prng.below(8)).min(last);
            damaged.extend((from..=up_to).map(LogIndex));
        }
        self.counts.damages += 1;
        self.node(id).disk.lost_to = LogIndex(last);
        self.node(id).disk.damaged = damaged;
    }

    pub(super) fn start(&mut self, id: NodeId) -> Result<(), Violation> {
        let now = self.local(id);
        let disk = &self.nodes[&id].disk;
        let applied = disk.flushed.index.max(disk.base.index);
        let configuration = self.checker.configuration_at(applied);
        let node = self.node(id);
        let restored = node.disk.restore(configuration);
        let flushed = node.disk.flushed;
        node.mirror = node.disk.clone();
        node.handed_out = restored.applied;
        node.applied = if flushed.index >= node.disk.base.index {
            flushed
        } else {
            node.disk.base
        };
        let commit_index = restored.hard_state.commit_index.max(restored.applied);
        node.commit_index = commit_index.min(restored.last_index());
        node.term = restored.hard_state.term;
        node.role = Role::Follower;
        let raft = Raft::new(node.config.clone(), restored, now);
        node.raft = Some(raft.map_err(|error| format!("restart of {id}: {error}"))?);
        node.wake_at = None;
        node.watches = None;
        self.drain(id)
    }

    pub(super) fn partition(&mut self) {
        self.cut.clear();
        if self.prng.chance_ppm(400_000) {
            return;
        }
        let mut ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.prng.shuffle(&mut ids);
        let split = usize::try_from(self.prng.below(ids.len() as u64)).unwrap();
        let one_way = self.prng.chance_ppm(300_000);
        let (left, right) = ids.split_at(split);
        for a in left {
            for b in right {
                self.cut.insert((*a, *b));
                if !one_way {
                    self.cut.insert((*b, *a));
                }
            }
        }
    }

    pub(super) fn delay(&mut self) -> Duration {
        if self.prng.chance_ppm(self.faults.straggle_ppm) {
            return self.prng.duration(Duration::ZERO, Duration::from_secs(1));
        }
        self.prng
            .duration(Duration::from_micros(50), self.faults.delay_max)
    }
}
