//! A lock that knows who holds it.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A lock with owners `P`; free at first. It is not reentrant: whoever holds it is told
/// [`Busy`](LockOutput::Busy) when it asks again.
#[derive(Debug, Clone, Copy)]
pub struct Lock<P>(PhantomData<P>);

/// What a lock is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockInput<P> {
    /// Be held by this owner.
    Acquire(P),
    /// Be free, if this owner holds you.
    Release(P),
    /// Who holds you?
    Holder,
}

/// What a lock answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockOutput<P> {
    /// To an acquire of a free lock, and to a release by its owner.
    Done,
    /// To an acquire of a lock that is held.
    Busy,
    /// To a release by somebody who does not hold it.
    NotHeld,
    /// To the question who holds it.
    HeldBy(Option<P>),
}

impl<P> Lock<P> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> Default for Lock<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Clone + Eq + Hash + Debug> Model for Lock<P> {
    type Input = LockInput<P>;
    type Output = LockOutput<P>;
    /// The owner.
    type State = Option<P>;

    fn initial(&self) -> Option<P> {
        None
    }

    fn step(
        &self,
        state: &Option<P>,
        input: &LockInput<P>,
        output: Option<&LockOutput<P>>,
    ) -> Option<Option<P>> {
        let (after, answer) = match input {
            LockInput::Acquire(owner) if state.is_none() => (Some(owner.clone()), LockOutput::Done),
            LockInput::Acquire(_) => (state.clone(), LockOutput::Busy),
            LockInput::Release(owner) if state.as_ref() == Some(owner) => (None, LockOutput::Done),
            LockInput::Release(_) => (state.clone(), LockOutput::NotHeld),
            LockInput::Holder => (state.clone(), LockOutput::HeldBy(state.clone())),
        };
        output.is_none_or(|seen| *seen == answer).then_some(after)
    }

    fn is_read(&self, _: &LockInput<P>, output: &LockOutput<P>) -> bool {
        !matches!(output, LockOutput::Done)
    }
}

#[cfg(test)]
mod tests;
