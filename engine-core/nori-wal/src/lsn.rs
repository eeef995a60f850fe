//! Positions in the log.
//!
//! **Invariant: positions grow for ever and a record's position never changes**, not even when
//! recovery rewrites it into another segment.

use core::fmt;

/// A byte position in the endless log: the base of a segment plus the distance from its first
/// frame. Segment headers take no room in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// The positions from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LsnRange {
    /// First position.
    pub start: Lsn,
    /// First position behind it.
    pub end: Lsn,
}

impl LsnRange {
    pub(crate) const fn new(start: u64, end: u64) -> Self {
        Self {
            start: Lsn(start),
            end: Lsn(end),
        }
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LsnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}
