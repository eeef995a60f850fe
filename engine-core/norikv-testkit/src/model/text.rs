//! A key of a store of strings, which can be appended to.

use alloc::string::String;
use alloc::sync::Arc;

use super::Model;

/// A key that holds a string: get, put, append. Empty at first; a key that was never written and
/// one that holds the empty string are the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextKey;

/// What a key is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextInput {
    /// What do you hold?
    Get,
    /// Hold this.
    Put(String),
    /// Hold what you hold, followed by this.
    Append(String),
}

/// What a key answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOutput {
    /// To a get.
    Holds(String),
    /// To a put and to an append.
    Done,
}

impl TextKey {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Model for TextKey {
    type Input = TextInput;
    type Output = TextOutput;
    type State = Arc<str>;

    fn initial(&self) -> Arc<str> {
        Arc::from("")
    }

    fn step(
        &self,
        state: &Arc<str>,
        input: &TextInput,
        output: Option<&TextOutput>,
    ) -> Option<Arc<str>> {
        match (input, output) {
            (TextInput::Get, None) => Some(Arc::clone(state)),
            (TextInput::Get, Some(TextOutput::Holds(seen))) => {
                (**state == **seen).then(|| Arc::clone(state))
            }
            (TextInput::Put(text), None | Some(TextOutput::Done)) => Some(Arc::from(text.as_str())),
            (TextInput::Append(text), None | Some(TextOutput::Done)) => {
                let mut longer = String::with_capacity(state.len() + text.len());
                longer.push_str(state);
                longer.push_str(text);
                Some(Arc::from(longer))
            }
            (TextInput::Get, Some(TextOutput::Done))
            | (TextInput::Put(_) | TextInput::Append(_), Some(TextOutput::Holds(_))) => None,
        }
    }

    fn is_read(&self, input: &TextInput, _: &TextOutput) -> bool {
        matches!(input, TextInput::Get)
    }
}

#[cfg(test)]
mod tests;
