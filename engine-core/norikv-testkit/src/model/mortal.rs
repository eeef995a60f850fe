//! A versioned key whose values may end by themselves.

use core::fmt::Debug;
use core::hash::Hash;

use super::{Expect, Model, VersionedInput, VersionedKey, VersionedOutput, VersionedState};

/// A [`VersionedKey`] with values that end some time after they were written, nobody here knows
/// when. Whoever meets nothing where such a value was has seen its end: it never comes back.
#[derive(Debug, Clone, Copy)]
pub struct MortalKey<V, W>(VersionedKey<V, W>);

/// What such a key is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MortalInput<V, W> {
    /// What.
    pub asked: VersionedInput<V, W>,
    /// Whether the value of a put ends by itself.
    pub ends: bool,
}

/// What is known of such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MortalState<V, W> {
    /// As long as its value has not ended.
    pub key: VersionedState<V, W>,
    /// Whether its value may end.
    pub ends: bool,
}

impl<V, W> MortalKey<V, W> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(VersionedKey::new())
    }
}

impl<V, W> Default for MortalKey<V, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V, W> Model for MortalKey<V, W>
where
    V: Copy + Eq + Hash + Debug,
    W: Copy + Ord + Hash + Debug,
{
    type Input = MortalInput<V, W>;
    type Output = VersionedOutput<V, W>;
    type State = MortalState<V, W>;

    fn initial(&self) -> Self::State {
        MortalState {
            key: self.0.initial(),
            ends: false,
        }
    }

    fn step(
        &self,
        state: &Self::State,
        MortalInput { asked, ends }: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State> {
        let mut before = *state;
        if before.ends && met_nothing(asked, output) {
            before.key.value = None;
            before.ends = false;
        }
        let key = self.0.step(&before.key, asked, output)?;
        let written = matches!(output, None | Some(VersionedOutput::Written(_)));
        let ends = match asked {
            VersionedInput::Put { .. } if written => *ends,
            VersionedInput::Delete { .. } if written => false,
            _ => before.ends,
        };
        Some(MortalState { key, ends })
    }

    fn is_read(&self, MortalInput { asked, .. }: &Self::Input, output: &Self::Output) -> bool {
        // That there is nothing any more is news.
        !met_nothing(asked, Some(output)) && self.0.is_read(asked, output)
    }
}

/// Whether the answer says that the key held nothing.
fn met_nothing<V, W>(asked: &VersionedInput<V, W>, output: Option<&VersionedOutput<V, W>>) -> bool {
    let creates = matches!(
        asked,
        VersionedInput::Put {
            expect: Expect::Absent,
            ..
        } | VersionedInput::Delete {
            expect: Expect::Absent,
        }
    );
    match output {
        Some(VersionedOutput::Absent | VersionedOutput::Conflict(None)) => true,
        None | Some(VersionedOutput::Written(_)) => creates,
        Some(VersionedOutput::Value(..) | VersionedOutput::Conflict(Some(_))) => false,
    }
}

#[cfg(test)]
mod tests;
