//! The stored values of a group's records.
//!
//! **Invariant: equal content has equal bytes**, so that replicas can be compared byte by byte.
//!
//! Each begins with one byte, its format version (1). Behind it:
//!
//! | record | layout |
//! |---|---|
//! | a client's key | term varint ‖ index varint ‖ the value's bytes |
//! | applied | term varint ‖ index varint |
//! | named count | varint |
//! | slot | the name's bytes |
//! | configuration | voters, outgoing voters, learners, learners to come, witnesses: each count varint ‖ as many node varints; leaves by itself: `00` or `01` |
//! | session | fingerprint varint ‖ `00` term varint ‖ index varint (written), `01 00` (refused: absent) or `01 01` ‖ term varint ‖ index varint (refused: met this version) |
//!
//! Varints are postcard's: seven bits a byte, lowest first. A value `hello` written at term 3,
//! index 300 is `01 03 ac 02 68 65 6c 6c 6f`.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft::Configuration;
use norikv_types::Version;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Outcome, PortError, PortErrorKind};

/// What became of a named write when its name was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Of the request that bore the name.
    pub(crate) fingerprint: u64,
    /// What it came to.
    pub(crate) kept: Kept,
}

/// The outcomes that a name is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kept {
    /// It was written with this version.
    Written(Version),
    /// It was not written: this was there.
    PreconditionFailed(Option<Version>),
}

impl From<Kept> for Outcome {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Written(version) => Self::Written { version },
            Kept::PreconditionFailed(actual) => Self::PreconditionFailed { actual },
        }
    }
}

/// A client's value with the version of the write that stored it.
pub(crate) fn encode_value(version: Version, value: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + 2 * VARINT_BYTES_MAX + value.len());
    bytes.push(FORMAT);
    let mut bytes = extend(bytes, &version);
    bytes.extend_from_slice(value);
    bytes.into()
}

/// The version and the client's value in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_value(key: &[u8], stored: &Bytes) -> Result<(Version, Bytes), PortError> {
    let (version, rest) = split(key, stored)?;
    Ok((version, stored.slice(stored.len() - rest..)))
}

/// The record of the applied (term, index).
pub(crate) fn encode_applied(applied: Version) -> Bytes {
    encode(&applied)
}

/// The applied (term, index) in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_applied(key: &[u8], stored: &Bytes) -> Result<Version, PortError> {
    whole(key, stored)
}

/// The record of who belongs to the group.
pub(crate) fn encode_configuration(configuration: &Configuration) -> Bytes {
    encode(configuration)
}

/// Who belongs to the group, in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_configuration(key: &[u8], stored: &Bytes) -> Result<Configuration, PortError> {
    whole(key, stored)
}

/// The record of how many named writes there were.
pub(crate) fn encode_count(count: u64) -> Bytes {
    encode(&count)
}

/// The number of named writes in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_count(key: &[u8], stored: &Bytes) -> Result<u64, PortError> {
    whole(key, stored)
}

/// The record of a slot that holds `name`.
pub(crate) fn encode_slot(name: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + name.len());
    bytes.push(FORMAT);
    bytes.extend_from_slice(name);
    bytes.into()
}

/// The name in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_slot(key: &[u8], stored: &Bytes) -> Result<Bytes, PortError> {
    match stored.first() {
        Some(&FORMAT) => Ok(stored.slice(1..)),
        _ => Err(corrupt(key, stored)),
    }
}

/// The record of a session.
pub(crate) fn encode_session(session: &Session) -> Bytes {
    encode(session)
}

/// The session in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_session(key: &[u8], stored: &Bytes) -> Result<Session, PortError> {
    whole(key, stored)
}

fn encode<T: Serialize>(content: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + 4 * VARINT_BYTES_MAX);
    bytes.push(FORMAT);
    extend(bytes, content).into()
}

fn extend<T: Serialize>(bytes: Vec<u8>, content: &T) -> Vec<u8> {
    match postcard::to_extend(content, bytes) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a growing buffer takes every record: {error}"),
    }
}

/// The record at the front of `stored`, and how many bytes follow it.
fn split<T: DeserializeOwned>(key: &[u8], stored: &Bytes) -> Result<(T, usize), PortError> {
    let Some((&FORMAT, body)) = stored.split_first() else {
        return Err(corrupt(key, stored));
    };
    match postcard::take_from_bytes(body) {
        Ok((content, rest)) => Ok((content, rest.len())),
        Err(_) => Err(corrupt(key, stored)),
    }
}

fn whole<T: DeserializeOwned>(key: &[u8], stored: &Bytes) -> Result<T, PortError> {
    match split(key, stored)? {
        (content, 0) => Ok(content),
        _ => Err(corrupt(key, stored)),
    }
}

fn corrupt(key: &[u8], stored: &[u8]) -> PortError {
    PortError::new(
        PortErrorKind::Corrupt,
        format!(
            "the {} bytes stored under key {} are no record of format {FORMAT}",
            stored.len(),
            Hex(key)
        ),
    )
}

struct Hex<'a>(&'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Version of every layout here.
const FORMAT: u8 = 1;
/// Longest varint of 64 bits.
const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests;
