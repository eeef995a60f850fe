//! What happens next.
//!
//! **Invariant: items come out ordered by (time, sequence): two items of one time in the order in
//! which they were put in.** The order is the same on every target.

use alloc::collections::BTreeMap;

use norikv_types::Mono;

/// A queue of things that happen at a time.
#[derive(Debug, Clone)]
pub struct Schedule<T> {
    items: BTreeMap<Slot, T>,
    next_sequence: u64,
}

/// The place of an item in a [`Schedule`]: unique, and ordered as the items come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// When it is due.
    pub at: Mono,
    /// Counts the items ever put in.
    pub sequence: u64,
}

impl<T> Schedule<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            items: BTreeMap::new(),
            next_sequence: 0,
        }
    }

    /// Puts `item` in, due at `at`.
    pub fn push(&mut self, at: Mono, item: T) -> Slot {
        let slot = Slot {
            at,
            sequence: self.next_sequence,
        };
        self.next_sequence += 1;
        self.items.insert(slot, item);
        slot
    }

    /// Takes the first item out, whenever it is due.
    pub fn pop(&mut self) -> Option<(Slot, T)> {
        self.items.pop_first()
    }

    /// Takes a particular item out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        self.items.remove(&slot)
    }

    /// Drops the items that `keep` refuses.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.items.retain(|_, item| keep(item));
    }

    /// The first item, left in.
    #[must_use]
    pub fn peek(&self) -> Option<(Slot, &T)> {
        self.items
            .first_key_value()
            .map(|(slot, item)| (*slot, item))
    }

    /// When the first item is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Mono> {
        self.items.first_key_value().map(|(slot, _)| slot.at)
    }

    /// Every item in order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.items.iter().map(|(slot, item)| (*slot, item))
    }

    /// Items in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is left to happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self::new()
    }
}
