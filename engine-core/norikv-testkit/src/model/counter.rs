//! A number that is added to.

use super::Model;

/// A counter; 0 at first. Adding twice what was asked for once shows in every later answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counter;

/// What a counter is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterInput {
    /// What do you hold?
    Read,
    /// Hold so much more.
    Add(i64),
}

/// What a counter holds after it did what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterOutput(pub i64);

impl Model for Counter {
    type Input = CounterInput;
    type Output = CounterOutput;
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(
        &self,
        state: &i64,
        input: &CounterInput,
        output: Option<&CounterOutput>,
    ) -> Option<i64> {
        let after = match input {
            CounterInput::Read => *state,
            CounterInput::Add(by) => state.checked_add(*by)?,
        };
        output.is_none_or(|seen| seen.0 == after).then_some(after)
    }

    fn is_read(&self, input: &CounterInput, _: &CounterOutput) -> bool {
        matches!(input, CounterInput::Read)
    }
}

#[cfg(test)]
mod tests;
