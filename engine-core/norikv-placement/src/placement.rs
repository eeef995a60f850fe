//! The whole path from a shard to its replicas.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Range;

use norikv_types::{GroupId, NodeId, ShardId};

use crate::{Error, SHARD_COUNT, plan::plan};

/// Which group serves a shard and which nodes replicate a group.
///
/// Group g serves the contiguous shards `g·(1024 / groups) .. (g + 1)·(1024 / groups)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// One entry a group: its replicas, the preferred leader first.
    replicas: Vec<Vec<NodeId>>,
    shards_per_group: u16,
    groups: u32,
}

impl Placement {
    /// Groups of a cluster that says nothing else.
    pub const GROUPS_DEFAULT: u32 = 8;
    /// Replicas of a group in a cluster that says nothing else.
    pub const REPLICATION_DEFAULT: u32 = 3;

    /// The plan for `nodes` (in any order), `groups` and `replication`; with fewer nodes than
    /// `replication` each of them holds every group.
    ///
    /// # Errors
    /// [`Error::NoNodes`], [`Error::DuplicateNode`], [`Error::GroupCount`] unless `groups` divides
    /// 1,024, [`Error::NoReplication`]. Nothing was made.
    pub fn new(nodes: &[NodeId], groups: u32, replication: u32) -> Result<Self, Error> {
        let mut distinct = BTreeSet::new();
        for node in nodes {
            if !distinct.insert(*node) {
                return Err(Error::DuplicateNode(*node));
            }
        }
        if distinct.is_empty() {
            return Err(Error::NoNodes);
        }
        if groups == 0 || u32::from(SHARD_COUNT) % groups != 0 {
            return Err(Error::GroupCount(groups));
        }
        if replication == 0 {
            return Err(Error::NoReplication);
        }
        let Ok(shards_per_group) = u16::try_from(u32::from(SHARD_COUNT) / groups) else {
            return Err(Error::GroupCount(groups));
        };
        Ok(Self {
            replicas: plan(&distinct, groups, replication),
            shards_per_group,
            groups,
        })
    }

    /// All groups, ascending.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        (0..self.groups).map(GroupId)
    }

    /// The group that serves `shard`.
    ///
    /// # Panics
    /// When `shard` is not below [`SHARD_COUNT`].
    #[must_use]
    pub fn group_of(&self, shard: ShardId) -> GroupId {
        assert!(shard.0 < SHARD_COUNT, "{shard} is not one of {SHARD_COUNT}");
        GroupId(u32::from(shard.0 / self.shards_per_group))
    }

    /// The shards that `group` serves; the end is exclusive and may be 1,024.
    ///
    /// # Panics
    /// When `group` is not of this plan.
    #[must_use]
    pub fn shards(&self, group: GroupId) -> Range<ShardId> {
        assert!(group.0 < self.groups, "{group} is not of this plan");
        let first =
            u16::try_from(group.0).map_or(SHARD_COUNT, |index| index * self.shards_per_group);
        ShardId(first)..ShardId(first + self.shards_per_group)
    }

    /// The nodes that replicate `group`, the preferred leader first, the others ascending.
    ///
    /// # Panics
    /// When `group` is not of this plan.
    #[must_use]
    pub fn replicas(&self, group: GroupId) -> &[NodeId] {
        let index = usize::try_from(group.0).unwrap_or(usize::MAX);
        let Some(replicas) = self.replicas.get(index) else {
            panic!("{group} is not of this plan");
        };
        replicas
    }

    /// The replica that should lead `group` when all are well: no node is it for more than
    /// ⌈groups / nodes⌉ groups.
    ///
    /// # Panics
    /// When `group` is not of this plan.
    #[must_use]
    pub fn preferred_leader(&self, group: GroupId) -> NodeId {
        let Some(leader) = self.replicas(group).first() else {
            unreachable!("every group has a replica");
        };
        *leader
    }

    /// The groups that `node` replicates, ascending.
    pub fn groups_of(&self, node: NodeId) -> impl Iterator<Item = GroupId> + '_ {
        self.groups()
            .filter(move |group| self.replicas(*group).contains(&node))
    }
}
