//! [`Router`] by `norikv-placement`.

use alloc::vec::Vec;

use norikv_placement::{Error, Placement, shard_of};
use norikv_types::{GroupId, NodeId, ShardId};

use crate::Router;

/// Routes by the cluster's fixed plan: a pure function of its nodes, groups and replication.
#[derive(Debug, Clone)]
pub struct PlacementRouter {
    placement: Placement,
    groups: u32,
}

impl PlacementRouter {
    /// The plan of a cluster.
    ///
    /// # Errors
    /// Those of [`Placement::new`].
    pub fn new(nodes: &[NodeId], groups: u32, replication: u32) -> Result<Self, Error> {
        Ok(Self {
            placement: Placement::new(nodes, groups, replication)?,
            groups,
        })
    }

    /// The groups that `node` holds a replica of, ascending.
    #[must_use]
    pub fn groups_of(&self, node: NodeId) -> Vec<GroupId> {
        self.placement.groups_of(node).collect()
    }

    /// The plan.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.placement
    }
}

impl Router for PlacementRouter {
    fn shard_of(&self, key: &[u8]) -> ShardId {
        shard_of(key)
    }

    fn group_of(&self, shard: ShardId) -> GroupId {
        self.placement.group_of(shard)
    }

    fn replicas(&self, group: GroupId) -> &[NodeId] {
        if group.0 < self.groups {
            self.placement.replicas(group)
        } else {
            &[]
        }
    }

    fn groups(&self) -> u32 {
        self.groups
    }
}
