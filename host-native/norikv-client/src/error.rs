//! Why a call failed, and what became of its write.

use norikv_api::ErrorBody;
use norikv_types::Applied;

/// A call that did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster said no; the body says why, whether the write was applied and what to do.
    #[error("{0}")]
    Refused(Box<ErrorBody>),
    /// No node could be reached within the time; nothing was applied.
    #[error(
        "no node answered at {endpoints} within {seconds} s; last: {last}; is the cluster running? (`norikv dev` starts one)"
    )]
    Unreachable {
        /// The endpoints tried.
        endpoints: String,
        /// The time that was given.
        seconds: u64,
        /// What the last attempt met.
        last: String,
    },
    /// A node took the request, and no answer came in time. A write may have been applied.
    #[error(
        "no answer within {seconds} s: {last}; read the key to see whether the write was applied"
    )]
    Unanswered {
        /// The time that was given.
        seconds: u64,
        /// What the last attempt met.
        last: String,
    },
    /// Whoever answered does not speak this protocol.
    #[error("{endpoint} answered what a norikv node would not: {what}")]
    Foreign {
        /// Who answered.
        endpoint: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// Whether the write took effect, as far as can be known.
    #[must_use]
    pub fn applied(&self) -> Applied {
        match self {
            Self::Refused(body) => body.applied,
            Self::Unreachable { .. } => Applied::No,
            Self::Unanswered { .. } | Self::Foreign { .. } => Applied::Unknown,
        }
    }
}
