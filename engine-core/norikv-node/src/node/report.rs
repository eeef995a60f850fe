//! What the node says about itself.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{GroupId, NodeId};

use super::Node;
use super::group::Group;
use crate::{GroupStatus, Member, MemberState, NodeConfig, NodeStatus, ReplicaStatus};

impl Node {
    /// Whether this node can serve: it runs, and every group it holds has a leader whose term has
    /// a committed entry that is applied here. In a minority no group keeps a leader.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.halted.is_none() && self.groups.values().all(|group| group.ready())
    }

    /// The node's view of itself and its cluster.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let groups = (0..self.router.groups())
            .map(GroupId)
            .map(|group| GroupStatus {
                group,
                replicas: self.members_of(group),
                leader: self.leader_of(group),
                replica: self.groups.get(&group).map(|group| replica_status(group)),
            })
            .collect();
        NodeStatus {
            node: self.config.id,
            cluster: self.config.cluster,
            boot: self.config.boot,
            ready: self.ready(),
            halted: self.halted.is_some(),
            calls: u32::try_from(self.errands.len()).unwrap_or(u32::MAX),
            groups,
            members: self.members(),
        }
    }

    /// The nodes that hold a group: by the replica here where it knows, else by the plan.
    fn members_of(&self, group: GroupId) -> Vec<NodeId> {
        let replica = self.groups.get(&group);
        match replica.and_then(|replica| replica.raft.configuration()) {
            Some(configuration) => configuration.members(),
            None => self.router.replicas(group).to_vec(),
        }
    }

    /// What it was configured with.
    #[must_use]
    pub const fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Every configured node and every other one that SWIM knows, in order of ids.
    pub(super) fn members(&self) -> Vec<Member> {
        let mut members = self.membership.members();
        for node in &self.config.nodes {
            if !members.iter().any(|member| member.node == *node) {
                members.push(Member {
                    node: *node,
                    state: MemberState::Unknown,
                    incarnation: 0,
                    metadata: Bytes::new(),
                });
            }
        }
        members.sort_by_key(|member| member.node);
        members
    }
}

fn replica_status(group: &Group) -> ReplicaStatus {
    let status = group.raft.status();
    ReplicaStatus {
        role: status.role,
        term: status.term,
        last_index: status.last.index,
        commit_index: status.commit_index,
        applied_index: group.applied.index,
        flushed_index: group.retention.flushed(),
        released_index: group.retention.released(),
        ready: group.ready(),
        asleep: group.asleep,
        configuration: status.configuration,
        lease_until: status.lease_until,
        peers: status.peers,
    }
}
