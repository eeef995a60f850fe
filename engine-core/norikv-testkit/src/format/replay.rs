//! Pairs what was asked with how it ended.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::FormatError;
use super::event::{Event, Kind};
use crate::history::{History, OperationId};

/// How an operation ended.
pub(super) enum Ending<O> {
    Returned(O),
    Refused,
    Unknown,
}

struct Open<I> {
    id: OperationId,
    operation: String,
    input: I,
}

/// The history that the events tell.
pub(super) fn replay<K, I: Clone, O>(
    events: impl Iterator<Item = Result<Event, FormatError>>,
    input: impl Fn(&Event) -> Result<(K, I), FormatError>,
    output: impl Fn(&Event, &I) -> Result<Ending<O>, FormatError>,
) -> Result<History<K, I, O>, FormatError> {
    let mut history = History::new();
    let mut open = BTreeMap::<u64, Open<I>>::new();
    for event in events {
        let event = event?;
        let (line, process) = (event.line, event.process);
        if event.kind == Kind::Invoke {
            if open.contains_key(&process) {
                return Err(FormatError::Busy { line, process });
            }
            let (key, input) = input(&event)?;
            let id = history.invoke(process, key, input.clone(), event.at);
            let operation = event.operation;
            open.insert(
                process,
                Open {
                    id,
                    operation,
                    input,
                },
            );
            continue;
        }
        let asked = open
            .remove(&process)
            .filter(|asked| asked.operation == event.operation)
            .ok_or(FormatError::NotAsked { line, process })?;
        match output(&event, &asked.input)? {
            Ending::Returned(output) => history.returned(asked.id, output, event.at),
            Ending::Refused => history.refused(asked.id),
            Ending::Unknown => {}
        }
    }
    Ok(history)
}
