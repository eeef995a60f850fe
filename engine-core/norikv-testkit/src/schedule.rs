//! What happens next.
//!
//! **Invariant: items come out ordered by (time, sequence): two items of one time in the order in
//! which they were put in.** The order is the same on every target.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use norikv_types::Mono;

/// A queue of things that happen at a time.
#[derive(Debug, Clone)]
pub struct Schedule<T> {
    /// Where each item lies. Apart from the items, so that keeping order moves a few bytes only.
    order: BinaryHeap<Reverse<(Slot, usize)>>,
    items: Vec<Option<T>>,
    /// Places in `items` that are free.
    free: Vec<usize>,
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
            order: BinaryHeap::new(),
            items: Vec::new(),
            free: Vec::new(),
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
        let place = match self.free.pop() {
            Some(place) => {
                self.items[place] = Some(item);
                place
            }
            None => {
                self.items.push(Some(item));
                self.items.len() - 1
            }
        };
        self.order.push(Reverse((slot, place)));
        slot
    }

    /// Takes the first item out, whenever it is due.
    pub fn pop(&mut self) -> Option<(Slot, T)> {
        let Reverse((slot, place)) = self.order.pop()?;
        self.take(place).map(|item| (slot, item))
    }

    /// Takes a particular item out. Looks through all of them.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let found = self.order.iter().find(|Reverse((own, _))| *own == slot);
        let Reverse((_, place)) = *found?;
        self.order.retain(|Reverse((own, _))| *own != slot);
        self.take(place)
    }

    /// Takes out the items that `wanted` picks, in order.
    pub(crate) fn extract(&mut self, mut wanted: impl FnMut(Slot, &T) -> bool) -> Vec<(Slot, T)> {
        let mut places: Vec<(Slot, usize)> = Vec::new();
        self.order.retain(|Reverse((slot, place))| {
            let item = self.items[*place].as_ref();
            let wanted = item.is_some_and(|item| wanted(*slot, item));
            places.extend(wanted.then_some((*slot, *place)));
            !wanted
        });
        places.sort_unstable();
        let taken = places.into_iter();
        let taken = taken.map(|(slot, place)| (slot, self.take(place)));
        taken
            .filter_map(|(slot, item)| Some((slot, item?)))
            .collect()
    }

    /// Drops the items that `keep` refuses.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.extract(|_, item| !keep(item));
    }

    /// The first item, left in.
    #[must_use]
    pub fn peek(&self) -> Option<(Slot, &T)> {
        let Reverse((slot, place)) = self.order.peek()?;
        self.items[*place].as_ref().map(|item| (*slot, item))
    }

    /// When the first item is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Mono> {
        self.order.peek().map(|Reverse((slot, _))| slot.at)
    }

    /// Every item in order. Sorts them first.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let mut order: Vec<(Slot, usize)> = self.order.iter().map(|own| own.0).collect();
        order.sort_unstable();
        order
            .into_iter()
            .filter_map(|(slot, place)| self.items[place].as_ref().map(|item| (slot, item)))
    }

    /// Items in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing is left to happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn take(&mut self, place: usize) -> Option<T> {
        self.free.push(place);
        self.items[place].take()
    }
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
