//! A cell that is read, written, and swapped if it holds what was expected.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A register with compare-and-swap over values `V`; empty at first.
#[derive(Debug, Clone, Copy)]
pub struct CasRegister<V>(PhantomData<V>);

/// What a register is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterInput<V> {
    /// What do you hold?
    Read,
    /// Hold this.
    Write(V),
    /// Hold `to` if you hold `from`.
    Swap {
        /// Expected; `None` is the empty register.
        from: Option<V>,
        /// The new value.
        to: V,
    },
}

/// What a register answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterOutput<V> {
    /// To a read.
    Holds(Option<V>),
    /// To a write, and to a swap that took place.
    Done,
    /// To a swap that met another value.
    Differs,
}

impl<V> CasRegister<V> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V> Default for CasRegister<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone + Eq + Hash + Debug> Model for CasRegister<V> {
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
        let (after, answer) = match input {
            RegisterInput::Read => (state.clone(), RegisterOutput::Holds(state.clone())),
            RegisterInput::Write(value) => (Some(value.clone()), RegisterOutput::Done),
            RegisterInput::Swap { from, to } if from == state => {
                (Some(to.clone()), RegisterOutput::Done)
            }
            RegisterInput::Swap { .. } => (state.clone(), RegisterOutput::Differs),
        };
        output.is_none_or(|seen| *seen == answer).then_some(after)
    }

    fn is_read(&self, input: &RegisterInput<V>, output: &RegisterOutput<V>) -> bool {
        matches!(input, RegisterInput::Read) || matches!(output, RegisterOutput::Differs)
    }
}

#[cfg(test)]
mod tests;
