//! What every error of the system comes down to for the one who gets it.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Whether the write that failed took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// It did; asking again applies it twice unless it carries the same idempotency key.
    Yes,
    /// It did not and never will.
    No,
    /// It cannot be known here; read, or repeat with the same idempotency key.
    Unknown,
}

/// What the caller should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// The same call may succeed later.
    Retry,
    /// The same call belongs to another node.
    Redirect,
    /// The call itself is wrong; change it.
    Fix,
    /// No call helps; an operator has to look.
    Stop,
}

/// The small set of failures an API caller can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Malformed, or over a limit that the message names.
    Invalid,
    /// Over a limit that the message names.
    TooLarge,
    /// No such key.
    NotFound,
    /// A compare-and-set met another version.
    PreconditionFailed,
    /// An idempotency key came back with another request.
    IdempotencyMismatch,
    /// This replica does not lead the group.
    NotLeader,
    /// The group has no leader now.
    NoLeader,
    /// Too much in flight; slow down.
    Overloaded,
    /// The deadline passed first.
    TimedOut,
    /// Stored bytes fail their checks.
    Corrupt,
    /// The disk is full.
    NoSpace,
    /// Anything else that went wrong inside.
    Internal,
    /// An increment of a value that is no decimal number.
    NotANumber,
    /// An increment beyond the numbers of 64 bits.
    Overflow,
    /// The keys of one transaction are in several groups, which the message names.
    SeveralGroups,
    /// A watch from a position whose past is gone.
    Compacted,
}

impl ErrorKind {
    /// What the caller should do next.
    #[must_use]
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Invalid
            | Self::TooLarge
            | Self::NotFound
            | Self::PreconditionFailed
            | Self::IdempotencyMismatch
            | Self::NotANumber
            | Self::Overflow
            | Self::SeveralGroups
            | Self::Compacted => Remedy::Fix,
            Self::NotLeader => Remedy::Redirect,
            Self::NoLeader | Self::Overloaded | Self::TimedOut => Remedy::Retry,
            Self::Corrupt | Self::NoSpace | Self::Internal => Remedy::Stop,
        }
    }

    /// The stable code that stands in API answers and logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::NotFound => "not_found",
            Self::PreconditionFailed => "precondition_failed",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::NotLeader => "not_leader",
            Self::NoLeader => "no_leader",
            Self::Overloaded => "overloaded",
            Self::TimedOut => "timed_out",
            Self::Corrupt => "corrupt",
            Self::NoSpace => "no_space",
            Self::Internal => "internal",
            Self::NotANumber => "not_a_number",
            Self::Overflow => "overflow",
            Self::SeveralGroups => "several_groups",
            Self::Compacted => "compacted",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Applied {
    /// `yes`, `no` or `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
