//! A cell that is read and written.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A register over values `V`; empty at first.
#[derive(Debug, Clone, Copy)]
pub struct Register<V>(PhantomData<V>);

/// What a register is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterInput<V> {
    /// What do you hold?
    Read,
    /// Hold this.
    Write(V),
}

/// What a register answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterOutput<V> {
    /// To a read.
    Holds(Option<V>),
    /// To a write.
    Done,
}

impl<V> Register<V> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V> Default for Register<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone + Eq + Hash + Debug> Model for Register<V> {
    type Input = RegisterInput<V>;
    type Output = RegisterOutput<V>;
    type State = Option<V>;

    fn initial(&self) -> Option<V> {
        None
    }

    fn step(
        &self,
        state: &Option<V>,
        input: &RegisterInput<V>,
        output: Option<&RegisterOutput<V>>,
    ) -> Option<Option<V>> {
        let (after, explained) = match (input, output) {
            (RegisterInput::Read, Some(RegisterOutput::Holds(seen))) => (state, seen == state),
            (RegisterInput::Read, seen) => (state, seen.is_none()),
            (RegisterInput::Write(value), None | Some(RegisterOutput::Done)) => {
                return Some(Some(value.clone()));
            }
            (RegisterInput::Write(_), Some(RegisterOutput::Holds(_))) => (state, false),
        };
        explained.then(|| after.clone())
    }

    fn is_read(&self, input: &RegisterInput<V>, _: &RegisterOutput<V>) -> bool {
        matches!(input, RegisterInput::Read)
    }
}

#[cfg(test)]
mod tests;
