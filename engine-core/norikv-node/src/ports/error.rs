//! What a port can fail with, in the few kinds that a node tells apart.

use alloc::string::String;
use core::fmt;

use norikv_types::ErrorKind;
use serde::{Deserialize, Serialize};

/// A failure of the storage or the log under a node.
///
/// Adapters fold their crate's own error into it: the kind decides what the node does, the detail
/// is that error's text for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortError {
    /// Decides what the node does.
    pub kind: PortErrorKind,
    /// What the adapter had to say: object, offset, numbers.
    pub detail: String,
}

/// The kinds of failure that a node tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PortErrorKind {
    /// Stored bytes fail their checks.
    Corrupt,
    /// The device is full.
    NoSpace,
    /// Another process holds the store.
    Fenced,
    /// A sync failed: what was written since the last good one may be lost.
    SyncFailed,
    /// Bytes of a peer's snapshot are not what they should be.
    BadSnapshot,
    /// Anything else.
    Other,
}

impl PortError {
    /// A failure of `kind`.
    #[must_use]
    pub fn new(kind: PortErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// The kind that a client sees.
    #[must_use]
    pub const fn error_kind(&self) -> ErrorKind {
        match self.kind {
            PortErrorKind::Corrupt => ErrorKind::Corrupt,
            PortErrorKind::NoSpace => ErrorKind::NoSpace,
            PortErrorKind::Fenced
            | PortErrorKind::SyncFailed
            | PortErrorKind::BadSnapshot
            | PortErrorKind::Other => ErrorKind::Internal,
        }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PortErrorKind::Corrupt => "stored bytes fail their checks",
            PortErrorKind::NoSpace => "no space left",
            PortErrorKind::Fenced => "another process holds the store",
            PortErrorKind::SyncFailed => "a sync failed",
            PortErrorKind::BadSnapshot => "malformed snapshot",
            PortErrorKind::Other => "storage failed",
        };
        write!(f, "{kind}: {}", self.detail)
    }
}

impl core::error::Error for PortError {}
