//! The stored values of a group's records.
//!
//! **Invariant: equal content has equal bytes**, so that replicas can be compared byte by byte.
//!
//! Each begins with one byte, its kind and format version. Behind it:
//!
//! | record | kind | layout |
//! |---|---|---|
//! | a client's key | 01 | term varint ‖ index varint ‖ the value's bytes |
//! | a client's key that ends | 02 | term varint ‖ index varint ‖ when varint ‖ the value's bytes |
//! | the group | 03 | term varint ‖ index varint ‖ replicated time varint |
//! | the configuration | 05 | voters, outgoing voters, learners, learners to come, witnesses: each count varint ‖ as many node varints; leaves by itself: `00` or `01` |
//! | a named write | 04 | number varint ‖ hash of the name, varint of 128 bits ‖ fingerprint varint ‖ stamp varint ‖ its outcome |
//!
//! Varints are postcard's: seven bits a byte, lowest first; so is the outcome, the number of the
//! variant of [`Outcome`](crate::Outcome) and its fields. Times are milliseconds since 1970. A value
//! `hello` written at term 3, index 300 is `01 03 ac 02 68 65 6c 6c 6f`; if it ends at time 300, it is
//! `02 03 ac 02 ac 02 68 65 6c 6c 6f`.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft::Configuration;
use norikv_types::{Version, WallMs};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Outcome, PortError, PortErrorKind};

/// Where a group stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    /// The last entry applied.
    pub(crate) applied: Version,
    /// The replicated time: the highest stamp of the entries applied. It never goes back.
    pub(crate) stamp: WallMs,
}

/// A named write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// How many named writes there were before it.
    pub(crate) number: u64,
    /// xxh3-128 of the name.
    pub(crate) name: u128,
    /// Of the request that bore the name, the name included.
    pub(crate) fingerprint: u64,
    /// The replicated time at which it was applied.
    pub(crate) stamp: WallMs,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// What is stored under a client's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredValue {
    /// Of the write that stored it.
    pub(crate) version: Version,
    /// When it ends.
    pub(crate) expires_at: Option<WallMs>,
    /// The client's bytes.
    pub(crate) value: Bytes,
}

impl StoredValue {
    /// Whether it has ended at the replicated time `now`.
    pub(crate) fn has_ended(&self, now: WallMs) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A client's value with the version of the write that stored it, and when it ends.
pub(crate) fn encode_value(version: Version, expires_at: Option<WallMs>, value: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + 3 * VARINT_BYTES_MAX + value.len());
    let mut bytes = match expires_at {
        None => {
            bytes.push(VALUE);
            extend(bytes, &version)
        }
        Some(at) => {
            bytes.push(ENDING);
            extend(bytes, &(version, at))
        }
    };
    bytes.extend_from_slice(value);
    bytes.into()
}

/// What is stored under a client's `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_value(key: &[u8], stored: &Bytes) -> Result<StoredValue, PortError> {
    let (version, expires_at, rest) = match stored.first() {
        Some(&ENDING) => {
            let ((version, at), rest) = split::<(Version, WallMs)>(ENDING, key, stored)?;
            (version, Some(at), rest)
        }
        _ => {
            let (version, rest) = split(VALUE, key, stored)?;
            (version, None, rest)
        }
    };
    Ok(StoredValue {
        version,
        expires_at,
        value: stored.slice(stored.len() - rest..),
    })
}

/// When the value in a stored record ends, if it is one that does.
pub(crate) fn ends_at(stored: &[u8]) -> Option<WallMs> {
    let (&ENDING, body) = stored.split_first()? else {
        return None;
    };
    let ((_, at), _) = postcard::take_from_bytes::<(Version, WallMs)>(body).ok()?;
    Some(at)
}

/// The group's record.
pub(crate) fn encode_group(record: GroupRecord) -> Bytes {
    encode(GROUP, &record)
}

/// Where a group stands, as stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_group(key: &[u8], stored: &Bytes) -> Result<GroupRecord, PortError> {
    whole(GROUP, key, stored)
}

/// The record of who belongs to the group.
pub(crate) fn encode_configuration(configuration: &Configuration) -> Bytes {
    encode(CONFIGURATION, configuration)
}

/// Who belongs to the group, in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_configuration(key: &[u8], stored: &Bytes) -> Result<Configuration, PortError> {
    whole(CONFIGURATION, key, stored)
}

/// The record of a named write.
pub(crate) fn encode_session(session: &Session) -> Bytes {
    encode(SESSION, session)
}

/// The named write in what is stored under `key`.
///
/// # Errors
/// `Corrupt` when it is no such record.
pub(crate) fn decode_session(key: &[u8], stored: &Bytes) -> Result<Session, PortError> {
    whole(SESSION, key, stored)
}

fn encode<T: Serialize>(kind: u8, content: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + 6 * VARINT_BYTES_MAX);
    bytes.push(kind);
    extend(bytes, content).into()
}

fn extend<T: Serialize>(bytes: Vec<u8>, content: &T) -> Vec<u8> {
    match postcard::to_extend(content, bytes) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a growing buffer takes every record: {error}"),
    }
}

/// The record at the front of `stored`, and how many bytes follow it.
fn split<T: DeserializeOwned>(
    kind: u8,
    key: &[u8],
    stored: &Bytes,
) -> Result<(T, usize), PortError> {
    let Some((_, body)) = stored.split_first().filter(|(first, _)| **first == kind) else {
        return Err(corrupt(key, stored));
    };
    match postcard::take_from_bytes(body) {
        Ok((content, rest)) => Ok((content, rest.len())),
        Err(_) => Err(corrupt(key, stored)),
    }
}

fn whole<T: DeserializeOwned>(kind: u8, key: &[u8], stored: &Bytes) -> Result<T, PortError> {
    match split(kind, key, stored)? {
        (content, 0) => Ok(content),
        _ => Err(corrupt(key, stored)),
    }
}

/// What is stored under `key` is not what belongs there.
pub(super) fn corrupt(key: &[u8], stored: &[u8]) -> PortError {
    PortError::new(
        PortErrorKind::Corrupt,
        format!(
            "the {} bytes stored under key {} are no record of a known format",
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

const VALUE: u8 = 1;
const ENDING: u8 = 2;
const GROUP: u8 = 3;
const SESSION: u8 = 4;
const CONFIGURATION: u8 = 5;
/// Longest varint of 64 bits.
const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests;
