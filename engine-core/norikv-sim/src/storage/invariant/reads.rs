//! **A read gives the value that the model has, at the moment or in the snapshot that it is of,
//! during flushes, compactions and after every crash; or a typed error that names object and range,
//! and only where there is damage.**

use alloc::format;
use alloc::string::{String, ToString};

use bytes::Bytes;
use nori_lsm::Error;

use crate::storage::StorageViolation;

/// One value against the model's.
pub(in crate::storage) fn check_value(
    what: &'static str,
    key: &[u8],
    got: Option<&Bytes>,
    expected: Option<&Bytes>,
) -> Result<(), StorageViolation> {
    if got == expected {
        return Ok(());
    }
    Err(StorageViolation::WrongValue {
        what,
        key: key.escape_ascii().to_string(),
        got: show(got),
        expected: show(expected),
    })
}

/// What an iterator gave against what the model has next.
pub(in crate::storage) fn check_pair(
    what: &'static str,
    got: Option<&(Bytes, Bytes)>,
    expected: Option<&(Bytes, Bytes)>,
) -> Result<(), StorageViolation> {
    if got == expected {
        return Ok(());
    }
    let show_pair = |pair: Option<&(Bytes, Bytes)>| match pair {
        None => String::from("the end"),
        Some((key, value)) => format!("{}: {}", key.escape_ascii(), show(Some(value))),
    };
    let key = expected.or(got).map(|(key, _)| key.escape_ascii());
    Err(StorageViolation::WrongValue {
        what,
        key: key.map(|key| key.to_string()).unwrap_or_default(),
        got: show_pair(got),
        expected: show_pair(expected),
    })
}

/// Whether `error` says which bytes of which object are damaged.
pub(in crate::storage) const fn names_damage(error: &Error) -> bool {
    match error {
        Error::Corrupt { .. } | Error::Unsupported { .. } => true,
        Error::Table(error) => match error {
            nori_sstable::Error::Corrupt { .. } | nori_sstable::Error::Unsupported { .. } => true,
            nori_sstable::Error::Io(error) => error.object.is_some(),
            _ => false,
        },
        Error::Log(error) => match error {
            nori_wal::Error::Corrupt(_) | nori_wal::Error::Version { .. } => true,
            nori_wal::Error::Io(error) => error.object.is_some(),
            _ => false,
        },
        Error::Io(error) => error.object.is_some(),
        _ => false,
    }
}

fn show(value: Option<&Bytes>) -> String {
    match value {
        None => String::from("absent"),
        Some(value) if value.len() <= 24 => value.escape_ascii().to_string(),
        Some(value) => format!("{}… ({} bytes)", value[..24].escape_ascii(), value.len()),
    }
}
