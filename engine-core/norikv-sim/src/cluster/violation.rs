//! What a run must never show.

mod name;

use alloc::string::String;

use norikv_types::{ErrorKind, GroupId, LogIndex, NodeId, Term, Version};

/// A promise that was broken. A run ends at the first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Election safety (Raft §5.2).
    #[error("{first} and {second} both lead {group} in term {term}")]
    TwoLeaders {
        /// The group.
        group: GroupId,
        /// The term.
        term: Term,
        /// Who became leader first.
        first: NodeId,
        /// Who did too.
        second: NodeId,
    },
    /// Terms only grow, and a node votes once in a term (Raft §5.2).
    #[error("{node} stored another vote or an older term for {group}: {before:?}, then {after:?}")]
    HardStateWentBack {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Term and vote before.
        before: (Term, Option<NodeId>),
        /// Term and vote after.
        after: (Term, Option<NodeId>),
    },
    /// Log matching (Raft §5.3).
    #[error("two entries {version} of {group} differ; {node} has the second")]
    LogMismatch {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// The (term, index) that two entries share.
        version: Version,
    },
    /// State-machine safety (Raft §5.4.3).
    #[error("{node} applied another entry at index {index} of {group} than the others")]
    AppliedAnother {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Where.
        index: LogIndex,
    },
    /// Replicas are deterministic: the same entry has the same outcome everywhere.
    #[error("{node} decided entry {index} of {group} otherwise than the others")]
    OutcomesDiffer {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Where.
        index: LogIndex,
    },
    /// Leader completeness (Raft §5.4).
    #[error("{node} leads {group} in term {term} without the committed entry {missing}")]
    LeaderIncomplete {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Its term.
        term: Term,
        /// A committed entry that it does not have.
        missing: Version,
    },
    /// What was called durable survives every crash.
    #[error("{node} came back without what was durable in {group}: had {had}, has {has}")]
    DurableLost {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// The end of its durable log before.
        had: Version,
        /// The end of its log now.
        has: Version,
    },
    /// Nothing is said before it is durable (Raft figure 2).
    #[error("{node} said {what} of {group} before it was durable")]
    SaidTooEarly {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// What it said.
        what: &'static str,
    },
    /// Who lacks something of its log does not say what only its log may say (Alagappan et al.,
    /// *Protocol-Aware Recovery*, FAST '18).
    #[error("{node} votes, campaigns or acknowledges in {group} though it lacks what it promised")]
    LacksWhatItPromised {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
    },
    /// A node or the host did what no correct one does, as the node sees it.
    #[error("{node} on {group}: misuse by {from}: {detail}")]
    Misuse {
        /// Who says so.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Who did it.
        from: NodeId,
        /// What.
        detail: String,
    },
    /// A write is acknowledged only when a majority holds it durably.
    #[error("{version} of {group} was acknowledged though no majority holds it durably")]
    AcknowledgedTooEarly {
        /// The group.
        group: GroupId,
        /// The write.
        version: Version,
    },
    /// A write with an idempotency key takes effect once.
    #[error("one request took effect as {first} and as {second} of {group}")]
    AppliedTwice {
        /// The group.
        group: GroupId,
        /// The first time.
        first: Version,
        /// The second time.
        second: Version,
    },
    /// A read covers every write that was acknowledged before it began (dissertation §6.4).
    #[error(
        "key {key}: a read returned {read}, though {acknowledged} was acknowledged before it began"
    )]
    StaleRead {
        /// The key's number.
        key: u32,
        /// What was read.
        read: Version,
        /// What had been acknowledged.
        acknowledged: Version,
    },
    /// A leader commits by counting only entries of its own term (Raft §5.4.2).
    #[error("{node} leads {group} in term {term} and committed {committed} by counting")]
    CommittedOldTerm {
        /// The leader.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Its term.
        term: Term,
        /// The entry that its commit index moved onto.
        committed: Version,
    },
    /// A leader only appends to its log (Raft §5.3, leader append-only).
    #[error("{node} leads {group} in term {term} and overwrote its log from {from} on")]
    LeaderOverwrote {
        /// The leader.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Its term.
        term: Term,
        /// The first index that it wrote again.
        from: LogIndex,
    },
    /// While a lease holds nobody else leads (dissertation §6.4.1).
    #[error("{holder} holds a lease on {group} of term {older} while another node leads it")]
    LeaseOverlaps {
        /// The group.
        group: GroupId,
        /// Who holds the lease.
        holder: NodeId,
        /// The term in which it was taken; somebody leads in a later one.
        older: Term,
    },
    /// A node votes once in a term, over all its lives (Raft §5.2).
    #[error("{node} said its vote for {group} in term {term} to {first} and to {second}")]
    VotedTwice {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// The term.
        term: Term,
        /// Whom it told first.
        first: NodeId,
        /// Whom it told too.
        second: NodeId,
    },
    /// From a configuration to the next majorities meet, one change at a time.
    #[error("{node} stored an unsafe change of {group} at {index}: {why}")]
    UnsafeChange {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// Where the configuration stands in the log.
        index: LogIndex,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A replica is destroyed only when a committed configuration is without it.
    #[error(
        "{node} gave up its replica of {group}, though no committed configuration is without it"
    )]
    RemovedMember {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
    },
    /// A replica begins empty only where none is, and what was there before is erased.
    #[error("{node} began a replica of {group} over what an earlier one left")]
    BegunOverPast {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
    },
    /// A leader has the votes of a majority of its configuration (Raft §5.2, §6).
    #[error("{node} leads {group} in term {term} without the votes of a majority")]
    ElectedByFew {
        /// The node.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// The term.
        term: Term,
    },
    /// A leader commits what a majority of its configuration holds durably (Raft §5.3, §6).
    #[error("{node} committed {committed} of {group}, which no majority holds durably")]
    CommittedByFew {
        /// The leader.
        node: NodeId,
        /// The group.
        group: GroupId,
        /// The entry that its commit index moved onto.
        committed: Version,
    },
    /// After everything needed was healed each group has a leader soon.
    #[error("{group} has no leader that commits {after_ms} ms after everything was healed")]
    NoLeader {
        /// The group.
        group: GroupId,
        /// How long it had.
        after_ms: u64,
    },
    /// What waits is bounded.
    #[error("{node} has {waiting} tasks waiting for a worker")]
    Unbounded {
        /// The node.
        node: NodeId,
        /// How many tasks.
        waiting: usize,
    },
    /// What is on its way is bounded.
    #[error("{node} sent a message while {in_flight} were on their way")]
    TooManyMessages {
        /// Who sent it.
        node: NodeId,
        /// How many.
        in_flight: usize,
    },
    /// A read returned bytes that nobody wrote under that key.
    #[error("key {key}: a read returned a value that nobody wrote there")]
    UnknownValue {
        /// The key's number.
        key: u32,
    },
    /// A node refused a good request for good.
    #[error("a good request failed with {kind}: {message}")]
    UnexpectedFailure {
        /// The kind.
        kind: ErrorKind,
        /// What the node said.
        message: String,
    },
    /// A node did not start over what its own disk holds.
    #[error("{node} does not open: {error}")]
    CannotOpen {
        /// The node.
        node: NodeId,
        /// What it said.
        error: String,
    },
    /// A node stopped though nothing was wrong with its disk.
    #[error("{node} halted: {error}")]
    Halted {
        /// The node.
        node: NodeId,
        /// What it said.
        error: String,
    },
    /// After everything was healed the cluster did not come to rest.
    #[error("not converged {after_ms} ms after everything was healed: {what}")]
    NotConverged {
        /// How long it had.
        after_ms: u64,
        /// What was still missing.
        what: String,
    },
    /// At rest every replica of a group holds the same bytes.
    #[error("{first} and {second} hold different bytes in {group}")]
    ReplicasDiffer {
        /// The group.
        group: GroupId,
        /// One replica.
        first: NodeId,
        /// Another.
        second: NodeId,
    },
    /// A watch tells all that happened, in order, each thing once.
    #[error(
        "a watch of {group} from {from} to {to} told something else than what happened at {index}"
    )]
    WatchedWrong {
        /// The group.
        group: GroupId,
        /// Where it is wrong.
        index: LogIndex,
        /// Where the cursor stood.
        from: LogIndex,
        /// Where it stands.
        to: LogIndex,
    },
    /// A scan shows of each group what stood there at the position that it says.
    #[error(
        "a scan that read {group} at {at} showed something else than what stood there: {index}"
    )]
    ScannedWrong {
        /// The group.
        group: GroupId,
        /// Where the scan says that it was read.
        at: LogIndex,
        /// Where what is wrong was written.
        index: LogIndex,
    },
    /// A value that ends is gone some time after its end.
    #[error("key {key} for values that end still had one long after its end")]
    Outlived {
        /// The key's number.
        key: u32,
    },
    /// Some order must explain every answer.
    #[error("not linearizable: {text}")]
    NotLinearizable {
        /// The key's number.
        key: u32,
        /// The operations that matter, one a line.
        text: String,
    },
}
