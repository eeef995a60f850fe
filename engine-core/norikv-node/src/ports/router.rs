//! Where a key lives.

use core::fmt;

use norikv_types::{GroupId, NodeId, ShardId};

/// Maps keys to shards, shards to groups, groups to the nodes that hold them. Fixed for the life of
/// a cluster in this version.
pub trait Router: Send + fmt::Debug {
    /// The shard of a key.
    fn shard_of(&self, key: &[u8]) -> ShardId;

    /// The group that serves a shard.
    fn group_of(&self, shard: ShardId) -> GroupId;

    /// The nodes that hold a group, in order of preference; empty for a group that is not there.
    fn replicas(&self, group: GroupId) -> &[NodeId];

    /// How many groups there are: their ids are `0..groups`.
    fn groups(&self) -> u32;
}
