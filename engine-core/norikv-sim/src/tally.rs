//! How often things happened, by kind.
//!
//! **Invariant: what never happened is not in it**, so two tallies are equal when the same happened.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally<K: Ord>(BTreeMap<K, u64>);

impl<K: Ord + Copy> Tally<K> {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn count(&mut self, kind: K) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in other.iter() {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// How often `kind` was counted.
    #[must_use]
    pub fn of(&self, kind: K) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// All counts together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each kind that was counted, in order, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }
}

impl<K: Ord> Default for Tally<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
