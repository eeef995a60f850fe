//! Whose fault it is: the configuration's, the disk's, a peer's or the host's.
//!
//! **Invariant: after any error the machine is as it was before the call.**

use norikv_types::{LogIndex, NodeId, Term};

use crate::durability::WriteId;

/// Why a call was refused. The state is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings contradict each other; no machine was built.
    #[error("settings of the raft group are wrong: {fault:?}")]
    Config {
        /// What is wrong.
        fault: ConfigFault,
    },
    /// What storage handed back cannot have been written by this machine; no machine was built.
    #[error("restored raft state is corrupt at index {index}: {fault:?}")]
    Restored {
        /// Index at which it was seen.
        index: LogIndex,
        /// What is wrong.
        fault: RestoredFault,
    },
    /// A peer sent what no correct peer sends. The message was not acted on, its term included.
    #[error("{from} misused the protocol in term {term}: {misuse:?}")]
    PeerMisuse {
        /// The peer.
        from: NodeId,
        /// The term in its message.
        term: Term,
        /// What it did.
        misuse: Misuse,
    },
    /// The host reported a write that this machine never asked for. Ignored.
    #[error("write {number} of term {term} was never issued", number = write.number, term = write.term)]
    UnknownWrite {
        /// The id as reported.
        write: WriteId,
    },
}

/// What is wrong with a [`Config`](crate::Config).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigFault {
    /// Node 0 never exists.
    NodeZero,
    /// Zero, or not below the minimum election timeout.
    HeartbeatInterval,
    /// The minimum is above the maximum.
    ElectionTimeout,
    /// Above [`PRIORITY_MAX`](crate::PRIORITY_MAX).
    Priority,
    /// A million parts or more.
    ClockDrift,
    /// A limit of zero lets nothing through.
    ZeroLimit,
}

/// What is wrong with a [`Restored`](crate::Restored).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoredFault {
    /// Entries do not follow the snapshot and each other without a gap.
    Gap,
    /// An entry's term is below its predecessor's.
    TermOrder,
    /// An entry's term is above the hard state's.
    TermBeyondHardState,
    /// The commit index is above the last entry: committed entries are missing.
    CommitBeyondLog,
    /// The applied index is above the last entry: applied entries are missing.
    AppliedBeyondLog,
    /// The applied index is below the snapshot, which storage holds in full.
    AppliedBelowSnapshot,
    /// A vote for node 0, which never exists.
    VotedForNobody,
    /// A replica cannot be fresh and have a history.
    FreshWithHistory,
}

/// What a peer did that no correct peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// It is this replica itself, or node 0, which never exists.
    Impostor,
    /// A term or an index beyond half of the 64-bit range.
    OutOfRange,
    /// Entries that do not follow each other in index, or fall in term.
    EntryOrder,
    /// An entry of a term above the message's.
    EntryTerm,
    /// It claims to lead a term that another node leads.
    SecondLeader,
    /// It would overwrite committed entries.
    RewritesCommitted,
    /// It would overwrite entries that it sent itself in the same term.
    RewritesOwn,
    /// A command for a witness, or an entry without its command for another member.
    WrongKind,
    /// It acknowledges entries that were never sent.
    AcknowledgesUnsent,
    /// It answers a round of heartbeats that was never started.
    AnswersUnasked,
    /// It grants a vote in a campaign that asks for another term, or at a term above it.
    GrantsOtherTerm,
    /// A snapshot at index 0, or of a term above the message's.
    EmptySnapshot,
}
