//! Several steps that happen at once, or not at all.
//!
//! **Invariant: all of a transaction's keys are in one group**, so that one log entry decides it;
//! keys that bear the same tag in braces are in one shard. Comparisons see the state before the
//! transaction, steps see what the steps before them did.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{Version, WallMs};
use serde::{Deserialize, Serialize};

/// Comparisons, and what to do when all of them hold or one does not. Without comparisons it is an
/// atomic batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// What decides between the branches.
    pub compares: Vec<Compare>,
    /// What happens when every comparison holds.
    pub then: Vec<Step>,
    /// What happens when one does not.
    pub otherwise: Vec<Step>,
}

/// A key and what must hold of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// What must hold.
    pub check: Check,
}

/// What a [`Compare`] asks of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Check {
    /// It exists.
    Exists,
    /// It does not.
    Absent,
    /// It has exactly this version.
    Version(Version),
    /// It has exactly this value.
    Value(Bytes),
}

/// One thing that a transaction does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Stores a value.
    Put {
        /// Where.
        key: Bytes,
        /// What.
        value: Bytes,
        /// How long after it is applied the value ends, in milliseconds.
        ttl_ms: Option<u64>,
    },
    /// Removes a key.
    Delete {
        /// Which.
        key: Bytes,
    },
    /// Reads a key.
    Get {
        /// Which.
        key: Bytes,
    },
}

/// What came of a [`Step`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepAnswer {
    /// It wrote or removed; the version is the transaction's.
    Done,
    /// It read this.
    Value {
        /// The value.
        value: Bytes,
        /// Of the write that stored it.
        version: Version,
        /// When it ends.
        expires_at: Option<WallMs>,
    },
    /// It read that there is no such key.
    Absent,
}

impl Transaction {
    /// Every key that it names.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.compares
            .iter()
            .map(|compare| &compare.key)
            .chain(self.steps().map(Step::key))
    }

    /// The steps of both branches.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.then.iter().chain(&self.otherwise)
    }

    /// Whether either branch changes anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.steps().any(|step| !matches!(step, Step::Get { .. }))
    }

    /// Comparisons and steps.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.compares.len() + self.then.len() + self.otherwise.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of its keys and values.
    pub(crate) fn bytes(&self) -> usize {
        let compared = self.compares.iter().map(|compare| {
            compare.key.len()
                + match &compare.check {
                    Check::Value(value) => value.len(),
                    Check::Exists | Check::Absent | Check::Version(_) => 0,
                }
        });
        let stepped = self
            .steps()
            .map(|step| step.key().len() + step.value().map_or(0, Bytes::len));
        compared.chain(stepped).sum()
    }
}

impl Step {
    /// Its key.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } | Self::Get { key } => key,
        }
    }

    /// What it stores.
    #[must_use]
    pub const fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Delete { .. } | Self::Get { .. } => None,
        }
    }
}
