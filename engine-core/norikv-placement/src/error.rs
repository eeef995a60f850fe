//! Why a plan cannot be made.

use norikv_types::NodeId;

/// A refused plan. Nothing was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no node to place anything on.
    #[error("a plan needs at least one node")]
    NoNodes,
    /// A node is named twice.
    #[error("{0} is named twice")]
    DuplicateNode(NodeId),
    /// Groups are equal blocks of shards, so their number must divide 1,024.
    #[error("{0} groups do not divide the 1024 shards evenly")]
    GroupCount(u32),
    /// A group needs at least one replica.
    #[error("a replication factor of 0 keeps nothing")]
    NoReplication,
}
