//! Several keys of one model, judged as one object.

use alloc::collections::BTreeMap;
use core::fmt::Debug;
use core::hash::Hash;

use super::Model;

/// Keys `K`, each of model `M`, as one object.
///
/// Judging the keys apart gives the same verdict, faster. This is for histories in which something
/// else spans the keys, and for measuring.
#[derive(Debug, Clone, Copy, Default)]
pub struct Together<K, M> {
    each: M,
    keys: core::marker::PhantomData<K>,
}

impl<K, M> Together<K, M> {
    /// Keys that each behave like `each`.
    #[must_use]
    pub const fn new(each: M) -> Self {
        Self {
            each,
            keys: core::marker::PhantomData,
        }
    }
}

impl<K: Clone + Ord + Hash + Debug, M: Model> Model for Together<K, M> {
    type Input = (K, M::Input);
    type Output = M::Output;
    /// The keys that are not as they were at first.
    type State = BTreeMap<K, M::State>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &Self::State,
        (key, input): &Self::Input,
        output: Option<&M::Output>,
    ) -> Option<Self::State> {
        let initial = self.each.initial();
        let own = state.get(key).unwrap_or(&initial);
        let next = self.each.step(own, input, output)?;
        let mut after = state.clone();
        if next == initial {
            after.remove(key);
        } else if next != *own {
            after.insert(key.clone(), next);
        }
        Some(after)
    }

    fn is_read(&self, (_, input): &Self::Input, output: &M::Output) -> bool {
        self.each.is_read(input, output)
    }
}

#[cfg(test)]
mod tests;
