//! What the replicas agree on: one write, as it stands in the log.
//!
//! **Invariant: applying the same commands in the same order gives the same state and the same
//! outcomes on every replica.** A command carries all that decides it; nothing is looked up outside
//! the replicated state.
//!
//! Layout: one byte format version (1), then the fields in postcard.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{LogIndex, Version};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::Expect;

/// One replicated write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The key it is about.
    pub key: Bytes,
    /// What it does to the key.
    pub operation: Operation,
    /// What must hold for it to happen.
    pub expect: Expect,
    /// Its name, where the client gave one.
    pub idempotency: Option<Idempotency>,
}

/// What a [`Command`] does to its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Stores these bytes.
    Put(Bytes),
    /// Removes the key.
    Delete,
}

/// The client's name for a write, bound to the request it was first used with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The client's name, at most 256 bytes.
    pub key: Bytes,
    /// xxh3-64 of the request: the same name with another fingerprint is refused.
    pub fingerprint: u64,
}

/// What became of one applied entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The write happened, now or when its idempotency key was first seen.
    Written {
        /// The version it made.
        version: Version,
    },
    /// The compare-and-set met something else; nothing changed.
    PreconditionFailed {
        /// The version that is there; `None` when the key is absent.
        actual: Option<Version>,
    },
    /// The idempotency key belongs to another request; nothing changed.
    IdempotencyMismatch,
    /// The entry holds no command: a leader's first entry.
    Noop,
    /// The entry was applied before a restart; nothing changed.
    Skipped,
    /// The bytes are no command of a known format; nothing changed. The same on every replica.
    Malformed,
}

/// An applied entry and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The entry's (term, index).
    pub version: Version,
    /// What became of it.
    pub outcome: Outcome,
}

/// Bytes that are no [`Command`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The first byte names a format that this version does not know.
    #[error("command of format {0}, this version reads format {FORMAT}")]
    UnknownFormat(u8),
    /// The bytes end early, run on, or hold values that the format does not have.
    #[error("malformed command of {len} bytes")]
    Malformed {
        /// Bytes given.
        len: u64,
    },
}

impl Command {
    /// A write; `idempotency` is the client's name for it.
    #[must_use]
    pub fn new(
        key: Bytes,
        operation: Operation,
        expect: Expect,
        idempotency: Option<Bytes>,
    ) -> Self {
        let idempotency = idempotency.map(|name| Idempotency {
            fingerprint: fingerprint(&key, &operation, expect),
            key: name,
        });
        Self {
            key,
            operation,
            expect,
            idempotency,
        }
    }

    /// Its bytes in the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let value = match &self.operation {
            Operation::Put(value) => value.len(),
            Operation::Delete => 0,
        };
        let mut bytes = Vec::with_capacity(self.key.len() + value + 64);
        bytes.push(FORMAT);
        match postcard::to_extend(self, bytes) {
            Ok(bytes) => bytes.into(),
            Err(error) => unreachable!("a growing buffer takes every command: {error}"),
        }
    }

    /// The command in `bytes`, all of them.
    ///
    /// # Errors
    /// [`CommandError::UnknownFormat`] and [`CommandError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let malformed = CommandError::Malformed {
            len: bytes.len() as u64,
        };
        let (&format, body) = bytes.split_first().ok_or(malformed)?;
        if format != FORMAT {
            return Err(CommandError::UnknownFormat(format));
        }
        match postcard::take_from_bytes(body) {
            Ok((command, [])) => Ok(command),
            Ok(_) | Err(_) => Err(malformed),
        }
    }
}

/// xxh3-64 over explicit little-endian bytes, so that every host computes the same.
fn fingerprint(key: &[u8], operation: &Operation, expect: Expect) -> u64 {
    let mut hash = Xxh3::new();
    let field = |hash: &mut Xxh3, bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(&mut hash, key);
    match operation {
        Operation::Put(value) => {
            hash.update(&[0]);
            field(&mut hash, value);
        }
        Operation::Delete => hash.update(&[1]),
    }
    match expect {
        Expect::Any => hash.update(&[0]),
        Expect::Absent => hash.update(&[1]),
        Expect::Version(Version {
            term,
            index: LogIndex(index),
        }) => {
            hash.update(&[2]);
            hash.update(&term.0.to_le_bytes());
            hash.update(&index.to_le_bytes());
        }
    }
    hash.digest()
}

/// Version of the layout.
const FORMAT: u8 = 1;

#[cfg(test)]
mod tests;
