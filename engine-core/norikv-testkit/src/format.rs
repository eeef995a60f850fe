//! Reads histories that others have recorded.
//!
//! **Invariant: no line is passed over that could be an operation, and no bytes panic.** A line that
//! is not understood is an error that names it; only blank lines, lines of other loggers and what
//! the nemesis did are left out.
//!
//! | where | a line | read by |
//! |---|---|---|
//! | jepsen's log | `INFO  jepsen.util - 2 :invoke :cas [3 0]` | [`read_jepsen_log`] |
//! | jepsen's history | `{:process 2, :type :invoke, :f :cas, :value [3 0]}` | [`read_edn_register`] |
//! | key-value history | `{:process 2, :type :ok, :f :append, :key "a", :value "x"}` | [`read_edn_text`] |
//!
//! `:ok` returned; `:fail` surely took no effect, and a `:fail` of a compare-and-set with its pair of
//! values met another value; `:info` is unknown, and so is what nothing ends.

mod edn;
mod event;
mod replay;

use alloc::borrow::ToOwned;
use alloc::string::String;

use self::edn::Edn;
use self::event::{Event, Kind, edn_events, log_events};
use self::replay::{Ending, replay};
use crate::history::History;
use crate::model::{CasInput, CasOutput, TextInput, TextOutput};

/// Why a recorded history was not read. Lines count from 1. Nothing of the history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The line is not of this format, from this byte on.
    #[error("line {line}: not understood from byte {byte}")]
    Syntax {
        /// Which line.
        line: u64,
        /// Counts from 0.
        byte: u64,
    },
    /// The line nests lists or maps deeper than 16.
    #[error("line {line}: nested too deeply")]
    TooDeep {
        /// Which line.
        line: u64,
    },
    /// The operation lacks a field, or a field has a value of the wrong kind.
    #[error("line {line}: a field is missing or of the wrong kind")]
    Field {
        /// Which line.
        line: u64,
    },
    /// The object has no such operation.
    #[error("line {line}: no such operation")]
    Operation {
        /// Which line.
        line: u64,
    },
    /// A process asks while its last operation is open.
    #[error("line {line}: process {process} already waits for an answer")]
    Busy {
        /// Which line.
        line: u64,
        /// Which process.
        process: u64,
    },
    /// A process is answered that did not ask, or asked something else.
    #[error("line {line}: process {process} did not ask this")]
    NotAsked {
        /// Which line.
        line: u64,
        /// Which process.
        process: u64,
    },
}

/// The history of one compare-and-set register, whose values are integers.
pub type RegisterHistory = History<(), CasInput<i64>, CasOutput<i64>>;

/// The history of keys that hold text.
pub type TextHistory = History<String, TextInput, TextOutput>;

/// Reads the operations of a register out of a log of jepsen: `read`, `write`, `cas`.
///
/// ```
/// use norikv_testkit::{CasRegister, Verdict, linearizable, read_jepsen_log};
///
/// let history = read_jepsen_log("\
/// INFO  jepsen.util - 0 :invoke :write 3
/// INFO  jepsen.util - 1 :invoke :read nil
/// INFO  jepsen.util - 1 :ok :read 3
/// INFO  jepsen.util - 0 :info :write :timed-out
/// ")?;
/// assert_eq!(linearizable(&history, &CasRegister::new()), Verdict::Yes);
/// # Ok::<(), norikv_testkit::FormatError>(())
/// ```
///
/// # Errors
/// See [`FormatError`].
pub fn read_jepsen_log(text: &str) -> Result<RegisterHistory, FormatError> {
    replay(log_events(text), register_input, register_output)
}

/// Reads the operations of a register, one EDN map a line: `read`, `write`, `cas`.
///
/// # Errors
/// See [`FormatError`].
pub fn read_edn_register(text: &str) -> Result<RegisterHistory, FormatError> {
    replay(edn_events(text), register_input, register_output)
}

/// Reads operations on keys that hold text, one EDN map a line: `get`, `put`, `append`.
///
/// # Errors
/// See [`FormatError`].
pub fn read_edn_text(text: &str) -> Result<TextHistory, FormatError> {
    replay(edn_events(text), text_input, text_output)
}

fn register_input(event: &Event) -> Result<((), CasInput<i64>), FormatError> {
    let field = FormatError::Field { line: event.line };
    let input = match event.operation.as_str() {
        "read" => CasInput::Read,
        "write" => CasInput::Write(event.value.integer().ok_or(field)?),
        "cas" => {
            let (from, to) = event.value.pair().ok_or(field)?;
            CasInput::Swap {
                from: Some(from),
                to,
            }
        }
        _ => return Err(FormatError::Operation { line: event.line }),
    };
    Ok(((), input))
}

fn register_output(
    event: &Event,
    input: &CasInput<i64>,
) -> Result<Ending<CasOutput<i64>>, FormatError> {
    let field = FormatError::Field { line: event.line };
    let ending = match (event.kind, input) {
        (Kind::Fail, CasInput::Swap { .. }) if event.value.pair().is_some() => {
            Ending::Returned(CasOutput::Differs)
        }
        (Kind::Fail, _) => Ending::Refused,
        (Kind::Info, _) => Ending::Unknown,
        (Kind::Invoke | Kind::Ok, CasInput::Read) => {
            let held = match event.value {
                Edn::Nil => None,
                ref value => Some(value.integer().ok_or(field)?),
            };
            Ending::Returned(CasOutput::Holds(held))
        }
        (Kind::Invoke | Kind::Ok, CasInput::Write(_) | CasInput::Swap { .. }) => {
            Ending::Returned(CasOutput::Done)
        }
    };
    Ok(ending)
}

fn text_input(event: &Event) -> Result<(String, TextInput), FormatError> {
    let field = FormatError::Field { line: event.line };
    let text = || event.value.text().map(ToOwned::to_owned).ok_or(field);
    let input = match event.operation.as_str() {
        "get" => TextInput::Get,
        "put" => TextInput::Put(text()?),
        "append" => TextInput::Append(text()?),
        _ => return Err(FormatError::Operation { line: event.line }),
    };
    let key = event.key.as_ref().and_then(Edn::text).ok_or(field)?;
    Ok((key.to_owned(), input))
}

fn text_output(event: &Event, input: &TextInput) -> Result<Ending<TextOutput>, FormatError> {
    let ending = match (event.kind, input) {
        (Kind::Fail, _) => Ending::Refused,
        (Kind::Info, _) => Ending::Unknown,
        (Kind::Invoke | Kind::Ok, TextInput::Get) => {
            let held = match &event.value {
                Edn::Nil => Some(""),
                value => value.text(),
            };
            let held = held.ok_or(FormatError::Field { line: event.line })?;
            Ending::Returned(TextOutput::Holds(held.to_owned()))
        }
        (Kind::Invoke | Kind::Ok, TextInput::Put(_) | TextInput::Append(_)) => {
            Ending::Returned(TextOutput::Done)
        }
    };
    Ok(ending)
}

#[cfg(test)]
mod tests;
