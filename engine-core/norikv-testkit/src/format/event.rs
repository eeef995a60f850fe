//! What one line of a recorded history says.

use alloc::borrow::ToOwned;
use alloc::string::String;

use norikv_types::Mono;

use super::FormatError;
use super::edn::{Edn, Reader};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) line: u64,
    pub(super) process: u64,
    pub(super) kind: Kind,
    pub(super) operation: String,
    pub(super) key: Option<Edn>,
    pub(super) value: Edn,
    pub(super) at: Mono,
}

/// The events of a log: `LEVEL logger - process :type :f value`.
pub(super) fn log_events(text: &str) -> impl Iterator<Item = Result<Event, FormatError>> {
    lines(text).filter_map(|(line, text)| log_event(line, text).transpose())
}

/// The events of a history with a map on each line.
pub(super) fn edn_events(text: &str) -> impl Iterator<Item = Result<Event, FormatError>> {
    lines(text).filter_map(|(line, text)| edn_event(line, text).transpose())
}

/// The lines that are not blank, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
}

fn log_event(line: u64, text: &str) -> Result<Option<Event>, FormatError> {
    let syntax = FormatError::Syntax { line, byte: 0 };
    let (head, rest) = text.split_once(" - ").ok_or(syntax)?;
    let mut head = head.split_whitespace();
    let (_, logger) = head.next().zip(head.next()).ok_or(syntax)?;
    if logger != "jepsen.util" {
        return Ok(None);
    }
    let mut reader = Reader::new(text, text.len() - rest.len(), line);
    let process = reader.value()?;
    let kind = reader.value()?;
    let operation = reader.value()?;
    let value = reader.value()?;
    reader.end()?;
    event(line, &process, &kind, &operation, None, value, Mono::ZERO)
}

fn edn_event(line: u64, text: &str) -> Result<Option<Event>, FormatError> {
    let mut reader = Reader::new(text, 0, line);
    let map = reader.value()?;
    reader.end()?;
    let field = |name| map.get(name).ok_or(FormatError::Field { line });
    let time = map.get("time").and_then(Edn::integer).unwrap_or_default();
    event(
        line,
        field("process")?,
        field("type")?,
        field("f")?,
        map.get("key").cloned(),
        map.get("value").cloned().unwrap_or(Edn::Nil),
        Mono::from_nanos(time.max(0).cast_unsigned()),
    )
}

/// `None` for what the nemesis did.
fn event(
    line: u64,
    process: &Edn,
    kind: &Edn,
    operation: &Edn,
    key: Option<Edn>,
    value: Edn,
    at: Mono,
) -> Result<Option<Event>, FormatError> {
    let field = FormatError::Field { line };
    let kind = match kind.word() {
        Some("invoke") => Kind::Invoke,
        Some("ok") => Kind::Ok,
        Some("fail") => Kind::Fail,
        Some("info") => Kind::Info,
        _ => return Err(field),
    };
    if process.word() == Some("nemesis") {
        return Ok(None);
    }
    let process = process.integer().map(u64::try_from);
    Ok(Some(Event {
        line,
        process: process.and_then(Result::ok).ok_or(field)?,
        kind,
        operation: operation.word().ok_or(field)?.to_owned(),
        key,
        value,
        at,
    }))
}
