//! Values that are changed without being read.
//!
//! **Invariant: merging is associative, so when and how often the store merges changes nothing.**
//! An operand is written like a value; reads, flushes and compactions put operands and values
//! together, in the order in which they were written.

use alloc::vec::Vec;
use core::fmt;

/// Puts an operand onto an older value or operand: one function for both, since operands and
/// values have one form (numbers that are added, sets that are united, texts that are appended).
///
/// It has to be associative: merging `c` onto (`b` merged onto `a`) gives the same as merging
/// (`c` merged onto `b`) onto `a`. It has to give the same in every run of the program.
pub trait MergeOperator: Send + Sync + fmt::Debug {
    /// `newer` merged onto `older`; there is no `older` when the key had no value.
    ///
    /// # Errors
    /// `MergeRefused` when one of them is nothing that it can merge. Reads of the key fail then,
    /// until it is put or deleted; compactions keep everything as it is.
    fn merge(
        &self,
        key: &[u8],
        older: Option<&[u8]>,
        newer: &[u8],
    ) -> Result<Vec<u8>, MergeRefused>;
}

/// The operator cannot merge what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the merge operator refused with code {0}")]
pub struct MergeRefused(
    /// The operator's own number for the reason.
    pub u32,
);
