//! The configurations that were searched.
//!
//! **Invariant: for each set of required operations done and state reached, no set of optional
//! operations kept is part of another.** What an optional operation can do is allowed but never
//! asked for, so whatever is reached with more of them used up is reached with fewer: where the
//! fewer were searched in vain (or are being searched), the more are not searched.

use alloc::vec::Vec;
use core::hash::{BuildHasher, BuildHasherDefault, Hash};

use hashbrown::HashTable;

use super::done::{Done, Words};
use super::hasher::{Fold, Map};

#[derive(Default)]
pub(super) struct Seen(Map<(usize, Words, u32), Least>);

/// Sets none of which is part of another; nearly always just one.
struct Least {
    first: Words,
    more: Vec<Words>,
}

/// Every state that was reached, each under a number.
pub(super) struct States<S> {
    all: Vec<S>,
    numbers: HashTable<u32>,
}

impl Seen {
    /// Remembers a configuration; false if it need not be searched.
    pub(super) fn insert(&mut self, done: &Done, state: u32) -> bool {
        let (full, words) = done.required();
        let optional = done.optional();
        match self.0.entry((full, words, state)) {
            hashbrown::hash_map::Entry::Vacant(entry) => {
                entry.insert(Least {
                    first: optional,
                    more: Vec::new(),
                });
                true
            }
            hashbrown::hash_map::Entry::Occupied(mut entry) => entry.get_mut().insert(optional),
        }
    }
}

impl Least {
    fn insert(&mut self, set: Words) -> bool {
        if self.first.is_subset(&set) || self.more.iter().any(|own| own.is_subset(&set)) {
            return false;
        }
        self.more.retain(|own| !set.is_subset(own));
        if set.is_subset(&self.first) {
            self.first = set;
        } else {
            self.more.push(set);
        }
        true
    }
}

impl<S: Eq + Hash> States<S> {
    pub(super) const fn new() -> Self {
        Self {
            all: Vec::new(),
            numbers: HashTable::new(),
        }
    }

    pub(super) fn get(&self, number: u32) -> &S {
        &self.all[number as usize]
    }

    /// The number of a state.
    pub(super) fn intern(&mut self, state: S) -> u32 {
        let hash = |state: &S| BuildHasherDefault::<Fold>::default().hash_one(state);
        let all = &mut self.all;
        let entry = self.numbers.entry(
            hash(&state),
            |&number| all[number as usize] == state,
            |&number| hash(&all[number as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = u32::try_from(all.len()).expect("fewer than 2^32 states");
                entry.insert(number);
                all.push(state);
                number
            }
        }
    }
}
