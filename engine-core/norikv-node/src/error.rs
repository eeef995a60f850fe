//! Why a node cannot be built. Once built, failures are inputs and answers.

use norikv_types::GroupId;

/// Why a node cannot be built. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A group's settings contradict each other, or what was read back cannot have been written.
    #[error("{group} cannot start: {error}")]
    Raft {
        /// The group.
        group: GroupId,
        /// What its Raft says.
        error: nori_raft::Error,
    },
    /// Nodes, groups and replication do not go together.
    #[error("the cluster's plan is impossible: {0}")]
    Placement(norikv_placement::Error),
    /// A setting of failure detection is out of range.
    #[error("failure detection cannot start: {0}")]
    Swim(#[from] nori_swim::Error),
    /// What was restored is not what is placed on this node.
    #[error("the restored groups are not those placed on this node")]
    Groups,
    /// The meter refuses the node's metrics.
    #[error("the node's metrics cannot be registered: {0}")]
    Observe(#[from] nori_observe::Error),
}
