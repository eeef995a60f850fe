//! Failures as clients see them: a code, what happened, whether the write was applied, what to do.

use norikv_node::Failure;
use norikv_types::{Applied, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::VersionBody;

/// The JSON body of every failed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The stable code of the kind of failure.
    pub code: ErrorKind,
    /// What happened, in numbers.
    pub message: String,
    /// Whether the write took effect: `yes`, `no` or `unknown`.
    pub applied: Applied,
    /// What to do next.
    pub next: String,
    /// Who leads the group, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
    /// The version that a failed compare-and-set met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<VersionBody>,
    /// The oldest position from which the group of a refused watch can be watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<PositionBody>,
}

/// A position of a group: `{"group":3,"index":41}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionBody {
    /// The group.
    pub group: u32,
    /// The index in its log.
    pub index: u64,
}

impl ErrorBody {
    /// A failure that changed nothing.
    #[must_use]
    pub fn refused(code: ErrorKind, message: impl Into<String>) -> Self {
        Self::from(&Failure::refused(code, message))
    }
}

impl From<&Failure> for ErrorBody {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.kind,
            message: failure.message.clone(),
            applied: failure.applied,
            next: next_step(failure.kind, failure.applied).to_owned(),
            leader: failure.leader.map(|node| node.0),
            actual: failure.actual.map(VersionBody::from),
            oldest: failure.oldest.map(|(group, index)| PositionBody {
                group: group.0,
                index: index.0,
            }),
        }
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {} (applied: {}); {}",
            self.code, self.message, self.applied, self.next
        )
    }
}

impl std::error::Error for ErrorBody {}

/// The HTTP status of a kind of failure.
#[must_use]
pub const fn http_status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid | ErrorKind::SeveralGroups => 400,
        ErrorKind::NotFound => 404,
        ErrorKind::NotANumber | ErrorKind::Overflow => 409,
        ErrorKind::Compacted => 410,
        ErrorKind::PreconditionFailed => 412,
        ErrorKind::TooLarge => 413,
        ErrorKind::IdempotencyMismatch => 422,
        ErrorKind::Overloaded => 429,
        ErrorKind::NotLeader | ErrorKind::NoLeader => 503,
        ErrorKind::TimedOut => 504,
        ErrorKind::NoSpace => 507,
        _ => 500,
    }
}

/// What the caller should do next, in a sentence.
#[must_use]
pub const fn next_step(kind: ErrorKind, applied: Applied) -> &'static str {
    match (kind, applied) {
        (ErrorKind::TimedOut, Applied::Unknown) => {
            "read the key to see, or repeat the write with the same Idempotency-Key"
        }
        (ErrorKind::TimedOut, _) => "ask again",
        (ErrorKind::NotLeader | ErrorKind::NoLeader, _) => {
            "wait for an election (about a second) and ask again; `norikv cluster status` shows who is alive"
        }
        (ErrorKind::Overloaded, _) => "ask again more slowly",
        (ErrorKind::PreconditionFailed, _) => "read the key's version and decide anew",
        (ErrorKind::IdempotencyMismatch, _) => "use a new Idempotency-Key for another request",
        (ErrorKind::NotFound, _) => "nothing to do: there is no such key",
        (ErrorKind::NotANumber, _) => "read the value; `put` a decimal number, or use another key",
        (ErrorKind::Overflow, _) => "read the number; it does not fit into 64 bits with the sum",
        (ErrorKind::SeveralGroups, _) => {
            "give the keys a common tag in braces, like {user7}.name, or make several transactions"
        }
        (ErrorKind::Compacted, _) => {
            "watch anew from now, and scan for what was missed; the answer names the oldest position"
        }
        (ErrorKind::TooLarge, _) => "make it smaller, or split it",
        (ErrorKind::Invalid, _) => "correct the request",
        (ErrorKind::NoSpace, _) => "free space on the node's disk and restart it",
        (ErrorKind::Corrupt, _) => {
            "keep the data directory, read the node's log, and restore the node from its peers"
        }
        _ => "read the node's log",
    }
}
