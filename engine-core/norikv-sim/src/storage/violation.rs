//! What a run of the storage world must never show.

use alloc::string::String;

/// A promise that was broken. A run ends at the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageViolation {
    /// A read gave another value than the model, or a key too many or too few.
    #[error("{what}: {key} is {got}, expected {expected}")]
    WrongValue {
        /// Which read.
        what: &'static str,
        /// The key, escaped.
        key: String,
        /// What the store says.
        got: String,
        /// What the model says.
        expected: String,
    },
    /// What was recovered lacks something acknowledged.
    #[error("recovered up to batch {recovered}, batch {acknowledged} was acknowledged")]
    AcknowledgedLost {
        /// The last batch that is there.
        recovered: u64,
        /// The last batch that was acknowledged.
        acknowledged: u64,
    },
    /// More is lost than the damage explains.
    #[error("{lost} acknowledged batches are lost, {explained} can be explained")]
    MoreLostThanDamaged {
        /// Batches that are gone.
        lost: u32,
        /// How many the damage can have taken unnoticed.
        explained: u32,
    },
    /// The sequence number is not that of the batches that are visible.
    #[error("the last visible seqno is {got}, expected {expected}")]
    WrongSeqno {
        /// What the store says.
        got: u64,
        /// What the model says.
        expected: u64,
    },
    /// A batch that was acknowledged cannot be seen.
    #[error("batch {attempt} was acknowledged and is not visible")]
    NotVisible {
        /// Its number.
        attempt: u64,
    },
    /// The store does not open, although nothing that was durable is damaged.
    #[error("the store does not open: {error}")]
    Refused {
        /// What it says.
        error: String,
    },
    /// An operation failed, although nothing is wrong with the disk.
    #[error("{what} failed for nothing: {error}")]
    FailedForNothing {
        /// Which operation.
        what: &'static str,
        /// What it says.
        error: String,
    },
    /// Damage is reported without saying where.
    #[error("{what} failed and does not say what is damaged: {error}")]
    Untyped {
        /// Which operation.
        what: &'static str,
        /// What it says.
        error: String,
    },
    /// After the work is done there are objects that nobody needs, or too few.
    #[error("{what}: {got} objects, expected {expected}")]
    Objects {
        /// Which objects.
        what: &'static str,
        /// How many there are.
        got: u64,
        /// How many there should be, at most.
        expected: u64,
    },
    /// Memory is not bounded.
    #[error("{what}: {got}, at most {max}")]
    Memory {
        /// Which bound.
        what: &'static str,
        /// The figure.
        got: u64,
        /// The bound.
        max: u64,
    },
    /// Something that was read has changed, and nobody said so.
    #[error("{what} did not notice that what it read has changed")]
    NoConflict {
        /// What read it.
        what: &'static str,
    },
    /// Nobody wrote what was read, and yet there is a conflict.
    #[error("{what} has a conflict with nobody")]
    ConflictForNothing {
        /// What read it.
        what: &'static str,
    },
    /// Background work never ends.
    #[error("background work does not end")]
    NeverSettles,
}
