//! One key of a store whose writes carry versions that grow.

use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A key with values `V` and versions `W`: put, delete, get, each write conditional if it wants.
///
/// Each write that takes place gives the key a version above every earlier one, deletes included.
/// The version of a write whose outcome nobody saw is open until somebody reads it.
#[derive(Debug, Clone, Copy)]
pub struct VersionedKey<V, W>(PhantomData<(V, W)>);

/// What a key is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionedInput<V, W> {
    /// What do you hold?
    Get,
    /// Hold this.
    Put {
        /// The new value.
        value: V,
        /// Only if.
        expect: Expect<W>,
    },
    /// Hold nothing. Deleting what is not there is a write too.
    Delete {
        /// Only if.
        expect: Expect<W>,
    },
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect<W> {
    /// None.
    Any,
    /// The key holds nothing.
    Absent,
    /// The key holds a value of this version.
    Version(W),
}

/// What a key answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionedOutput<V, W> {
    /// To a write that took place.
    Written(W),
    /// To a get.
    Value(V, W),
    /// To a get of a key that holds nothing.
    Absent,
    /// To a write whose condition did not hold, with the version that it met, if it was told one.
    Conflict(Option<W>),
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionedState<V, W> {
    /// What it holds.
    pub value: Option<V>,
    /// The version of the last write, or where `exact` is false, a version below it. `None` before
    /// the first write.
    pub version: Option<W>,
    /// Whether `version` is that of the last write.
    pub exact: bool,
}

impl<V, W> VersionedKey<V, W> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V, W> Default for VersionedKey<V, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Copy + Eq, W: Copy + Ord> VersionedState<V, W> {
    /// The same, if the last write's version can be `version`.
    fn pinned(self, version: W) -> Option<Self> {
        let possible = if self.exact {
            self.version == Some(version)
        } else {
            self.version < Some(version)
        };
        possible.then_some(Self {
            version: Some(version),
            exact: true,
            ..self
        })
    }

    /// After a write of `value`, whose version was seen or not.
    fn written(self, value: Option<V>, version: Option<W>) -> Option<Self> {
        match version {
            Some(version) if self.version < Some(version) => Some(Self {
                value,
                version: Some(version),
                exact: true,
            }),
            Some(_) => None,
            None => Some(Self {
                value,
                version: self.version,
                exact: false,
            }),
        }
    }

    /// The state in which the condition holds, if it can.
    fn where_holds(self, expect: Expect<W>) -> Option<Self> {
        match expect {
            Expect::Any => Some(self),
            Expect::Absent => self.value.is_none().then_some(self),
            Expect::Version(version) => self.value.and_then(|_| self.pinned(version)),
        }
    }

    /// The state in which the condition fails and the key has version `met`, if it can.
    fn where_fails(self, expect: Expect<W>, met: Option<W>) -> Option<Self> {
        let state = match met {
            Some(version) => self.pinned(version)?,
            None => self,
        };
        let fails = match expect {
            Expect::Any => false,
            Expect::Absent => state.value.is_some(),
            Expect::Version(version) => {
                state.value.is_none() || !state.exact || state.version != Some(version)
            }
        };
        fails.then_some(state)
    }
}

impl<V, W> Model for VersionedKey<V, W>
where
    V: Copy + Eq + Hash + Debug,
    W: Copy + Ord + Hash + Debug,
{
    type Input = VersionedInput<V, W>;
    type Output = VersionedOutput<V, W>;
    type State = VersionedState<V, W>;

    fn initial(&self) -> Self::State {
        VersionedState {
            value: None,
            version: None,
            exact: true,
        }
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State> {
        let (value, expect) = match input {
            VersionedInput::Get => {
                return match output {
                    None => Some(*state),
                    Some(VersionedOutput::Absent) => state.value.is_none().then_some(*state),
                    Some(VersionedOutput::Value(value, version)) => (state.value == Some(*value))
                        .then(|| state.pinned(*version))
                        .flatten(),
                    Some(VersionedOutput::Written(_) | VersionedOutput::Conflict(_)) => None,
                };
            }
            VersionedInput::Put { value, expect } => (Some(*value), *expect),
            VersionedInput::Delete { expect } => (None, *expect),
        };
        match output {
            Some(VersionedOutput::Written(version)) => {
                state.where_holds(expect)?.written(value, Some(*version))
            }
            Some(VersionedOutput::Conflict(met)) => state.where_fails(expect, *met),
            Some(VersionedOutput::Value(..) | VersionedOutput::Absent) => None,
            // That it failed changes nothing, so only that it took place is worth a step.
            None => state.where_holds(expect)?.written(value, None),
        }
    }

    fn is_read(&self, input: &Self::Input, output: &Self::Output) -> bool {
        matches!(input, VersionedInput::Get) || matches!(output, VersionedOutput::Conflict(_))
    }
}

#[cfg(test)]
mod tests;
