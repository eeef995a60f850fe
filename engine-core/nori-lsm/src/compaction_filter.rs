//! Values that compactions drop or change.

use alloc::vec::Vec;
use core::fmt;

/// Asked by compactions about each value that they would keep. Nobody knows when a value
/// meets its first compaction: reads give it unchanged until then.
pub trait CompactionFilter: Send + Sync + fmt::Debug {
    /// What becomes of `value`. It has to say the same in every run of the program.
    fn filter(&self, key: &[u8], value: &[u8]) -> FilterDecision;
}

/// What becomes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterDecision {
    /// It stays.
    Keep,
    /// The key is deleted; no older value comes back.
    Remove,
    /// The key has this value from now on.
    Change(Vec<u8>),
}
