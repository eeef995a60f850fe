//! A cell that is read, written, and swapped if it holds what was expected.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A register with compare-and-swap over values `V`; empty at first.
#[derive(Debug, Clone, Copy)]
pub struct CasRegister<V>(PhantomData<V>);

/// What it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CasInput<V> {
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

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CasOutput<V> {
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
    type Input = CasInput<V>;
    type Output = CasOutput<V>;
    type State = Option<V>;

    fn initial(&self) -> Option<V> {
        None
    }

    fn step(
        &self,
        state: &Option<V>,
        input: &CasInput<V>,
        output: Option<&CasOutput<V>>,
    ) -> Option<Option<V>> {
        let (after, answer) = match input {
            CasInput::Read => (state.clone(), CasOutput::Holds(state.clone())),
            CasInput::Write(value) => (Some(value.clone()), CasOutput::Done),
            CasInput::Swap { from, to } if from == state => (Some(to.clone()), CasOutput::Done),
            CasInput::Swap { .. } => (state.clone(), CasOutput::Differs),
        };
        output.is_none_or(|seen| *seen == answer).then_some(after)
    }

    fn is_read(&self, input: &CasInput<V>, output: &CasOutput<V>) -> bool {
        matches!(input, CasInput::Read) || matches!(output, CasOutput::Differs)
    }
}

#[cfg(test)]
mod tests;
