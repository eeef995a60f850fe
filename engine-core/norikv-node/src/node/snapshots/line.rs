//! Who may stream now, and who waits for it.
//!
//! **Invariant: nobody is in line twice, and whoever waits goes on in the order of arrival.**

use alloc::collections::{BTreeSet, VecDeque};

/// Transfers in one direction.
#[derive(Debug)]
pub(super) struct Line<K> {
    streaming: BTreeSet<K>,
    waiting: VecDeque<K>,
}

impl<K: Copy + Ord> Line<K> {
    /// Puts a transfer behind those that wait, unless it is in line already.
    pub(super) fn enter(&mut self, key: K) {
        if !self.streaming.contains(&key) && !self.waiting.contains(&key) {
            self.waiting.push_back(key);
        }
    }

    /// Takes a transfer out.
    pub(super) fn leave(&mut self, key: K) {
        if !self.streaming.remove(&key) {
            self.waiting.retain(|waiting| *waiting != key);
        }
    }

    /// Lets the next one begin, if there is a place among `max`.
    pub(super) fn admit(&mut self, max: u32) -> Option<K> {
        if self.streaming.len() >= usize::try_from(max.max(1)).unwrap_or(usize::MAX) {
            return None;
        }
        let key = self.waiting.pop_front()?;
        self.streaming.insert(key);
        Some(key)
    }

    pub(super) fn is_streaming(&self, key: K) -> bool {
        self.streaming.contains(&key)
    }

    /// Whether somebody waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl<K> Default for Line<K> {
    fn default() -> Self {
        Self {
            streaming: BTreeSet::new(),
            waiting: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests;
