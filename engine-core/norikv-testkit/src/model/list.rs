//! A list that only grows.

use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A list of `V`: append, read all of it. Empty at first.
///
/// Reads of a list say in which order all earlier appends took effect, so with values that differ
/// a history of it is judged more sharply, and faster, than one of a register.
#[derive(Debug, Clone, Copy)]
pub struct AppendList<V>(PhantomData<V>);

/// What a list is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListInput<V> {
    /// What do you hold, first to last?
    Read,
    /// Put this behind the last.
    Append(V),
}

/// What a list answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListOutput<V> {
    /// To a read.
    Holds(Vec<V>),
    /// To an append.
    Done,
}

impl<V> AppendList<V> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V> Default for AppendList<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone + Eq + Hash + Debug> Model for AppendList<V> {
    type Input = ListInput<V>;
    type Output = ListOutput<V>;
    type State = Vec<V>;

    fn initial(&self) -> Vec<V> {
        Vec::new()
    }

    fn step(
        &self,
        state: &Vec<V>,
        input: &ListInput<V>,
        output: Option<&ListOutput<V>>,
    ) -> Option<Vec<V>> {
        match (input, output) {
            (ListInput::Read, None) => Some(state.clone()),
            (ListInput::Read, Some(ListOutput::Holds(seen))) => {
                (seen == state).then(|| state.clone())
            }
            (ListInput::Append(value), None | Some(ListOutput::Done)) => {
                let mut longer = Vec::with_capacity(state.len() + 1);
                longer.extend_from_slice(state);
                longer.push(value.clone());
                Some(longer)
            }
            (ListInput::Read, Some(ListOutput::Done))
            | (ListInput::Append(_), Some(ListOutput::Holds(_))) => None,
        }
    }

    fn is_read(&self, input: &ListInput<V>, _: &ListOutput<V>) -> bool {
        matches!(input, ListInput::Read)
    }
}

#[cfg(test)]
mod tests;
