//! Which operations are done, told in few words.
//!
//! **Invariant: `full` words of `required` have every bit set and the next does not; beyond `high`
//! no bit is set.** Operations that must take effect are done nearly in the order in which they were
//! invoked, so what lies between is short however long the history is.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

pub(super) struct Done {
    /// The bit of each operation, and whether it is one of `required`.
    bits: Vec<(u32, bool)>,
    required: Vec<u64>,
    optional: Vec<u64>,
    full: usize,
    high: usize,
}

/// A set of few bits. Equal sets are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Words {
    Few([u64; 2]),
    Many(Box<[u64]>),
}

impl Done {
    /// Nothing is done; `is_required` says of each operation whether it must be.
    pub(super) fn new(is_required: impl Iterator<Item = bool>) -> Self {
        let (mut required, mut optional) = (0, 0);
        let bits: Vec<_> = is_required
            .map(|is_required| {
                let count = if is_required {
                    &mut required
                } else {
                    &mut optional
                };
                *count += 1;
                (*count - 1, is_required)
            })
            .collect();
        let words = |count: u32| vec![0; count.div_ceil(64) as usize];
        Self {
            bits,
            required: words(required),
            optional: words(optional),
            full: 0,
            high: 0,
        }
    }

    pub(super) fn set(&mut self, nth: u32) {
        let (bit, is_required) = self.bits[nth as usize];
        let word = bit as usize / 64;
        if !is_required {
            self.optional[word] |= 1 << (bit % 64);
            return;
        }
        self.required[word] |= 1 << (bit % 64);
        self.high = self.high.max(word + 1);
        while self.required.get(self.full) == Some(&u64::MAX) {
            self.full += 1;
        }
    }

    pub(super) fn clear(&mut self, nth: u32) {
        let (bit, is_required) = self.bits[nth as usize];
        let word = bit as usize / 64;
        if !is_required {
            self.optional[word] &= !(1 << (bit % 64));
            return;
        }
        self.required[word] &= !(1 << (bit % 64));
        self.full = self.full.min(word);
        while self.high > 0 && self.required[self.high - 1] == 0 {
            self.high -= 1;
        }
    }

    /// Those that must be done: how many full words come first, and the words that differ.
    pub(super) fn required(&self) -> (usize, Words) {
        let differ = self.full.min(self.high)..self.high;
        (self.full, Words::new(&self.required[differ]))
    }

    /// Those that need not be done and are.
    pub(super) fn optional(&self) -> Words {
        Words::new(&self.optional)
    }
}

impl Words {
    fn new(words: &[u64]) -> Self {
        match *words {
            [] => Self::Few([0, 0]),
            [low] => Self::Few([low, 0]),
            [low, high] => Self::Few([low, high]),
            _ => Self::Many(words.into()),
        }
    }

    /// Whether `other` has every bit that this has. Both are of as many words.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        let subset = |(own, other): (&u64, &u64)| own & !other == 0;
        self.words().iter().zip(other.words()).all(subset)
    }

    fn words(&self) -> &[u64] {
        match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        }
    }
}

#[cfg(test)]
mod tests;
