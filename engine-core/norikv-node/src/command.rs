//! What the replicas agree on: one write, as it stands in the log.
//!
//! **Invariant: applying the same commands in the same order gives the same state and the same
//! outcomes on every replica.** A command carries all that decides it, the time included; nothing
//! is looked up outside the replicated state.
//!
//! Layout: one byte format version (2) ‖ stamp u64 little-endian ‖ the operation in postcard ‖ the
//! name in postcard (`00`, or `01` ‖ length varint ‖ bytes). The stamp stands at a fixed place, so
//! that a leader stamps a command without taking it apart.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use norikv_types::{Version, WallMs};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Expect, StepAnswer, Transaction};

/// One replicated write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The wall clock of the leader that proposed it; 0 where it was not told the time.
    pub stamp: WallMs,
    /// What it does.
    pub operation: Operation,
    /// The client's name for it, at most 256 bytes: a repetition changes nothing and is answered as
    /// the first one was.
    pub idempotency: Option<Bytes>,
}

/// What a [`Command`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Stores a value.
    Put {
        /// Where.
        key: Bytes,
        /// What.
        value: Bytes,
        /// What must hold for it to happen.
        expect: Expect,
        /// How long after it is applied the value ends, in milliseconds of the replicated time.
        ttl_ms: Option<u64>,
    },
    /// Removes a key.
    Delete {
        /// Which.
        key: Bytes,
        /// What must hold for it to happen.
        expect: Expect,
    },
    /// Adds to a decimal number; an absent key counts as 0. When the value ends stays as it is.
    Increment {
        /// Which.
        key: Bytes,
        /// How much.
        by: i64,
    },
    /// Several steps at once, or others.
    Transaction(Transaction),
    /// Nothing but the stamp: the replicated time goes on.
    Tick,
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
    /// The number was incremented.
    Counted {
        /// The version it made.
        version: Version,
        /// What it is now.
        value: i64,
    },
    /// The value is no decimal number; nothing changed.
    NotANumber {
        /// Its version.
        actual: Version,
    },
    /// The sum has more than 64 bits; nothing changed.
    Overflow {
        /// The version of the number.
        actual: Version,
    },
    /// One branch of the transaction was carried out.
    Transacted {
        /// The version of all that it wrote.
        version: Version,
        /// Whether every comparison held, so that it was the first branch.
        succeeded: bool,
        /// One for each step, in order.
        answers: Vec<StepAnswer>,
    },
    /// What a transaction reads is longer than an answer may be; nothing changed.
    AnswerTooLarge {
        /// Its length.
        bytes: u64,
    },
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
    /// A write that is not stamped yet; `idempotency` is the client's name for it.
    #[must_use]
    pub const fn new(operation: Operation, idempotency: Option<Bytes>) -> Self {
        Self {
            stamp: WallMs(0),
            operation,
            idempotency,
        }
    }

    /// Its bytes in the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.operation.bytes() + 64);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.stamp.0.to_le_bytes());
        match postcard::to_extend(&(&self.operation, &self.idempotency), bytes) {
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
        let (&format, rest) = bytes.split_first().ok_or(malformed)?;
        if format != FORMAT {
            return Err(CommandError::UnknownFormat(format));
        }
        let (stamp, body) = rest.split_first_chunk().ok_or(malformed)?;
        match postcard::take_from_bytes(body) {
            Ok(((operation, idempotency), [])) => Ok(Self {
                stamp: WallMs(u64::from_le_bytes(*stamp)),
                operation,
                idempotency,
            }),
            Ok(_) | Err(_) => Err(malformed),
        }
    }

    /// The same encoded command under another stamp. Bytes that nobody else holds are not copied;
    /// bytes that are no command come back as they are.
    #[must_use]
    pub fn stamped(encoded: Bytes, stamp: WallMs) -> Bytes {
        let mut bytes = match encoded.try_into_mut() {
            Ok(own) => own,
            Err(shared) => BytesMut::from(shared.as_ref()),
        };
        if bytes.first() == Some(&FORMAT)
            && let Some(place) = bytes.get_mut(1..BODY_AT)
        {
            place.copy_from_slice(&stamp.0.to_le_bytes());
        }
        bytes.freeze()
    }

    /// xxh3-64 of an encoded command without its stamp: a name that comes back with another
    /// fingerprint belongs to another request.
    #[must_use]
    pub fn fingerprint(encoded: &[u8]) -> u64 {
        xxh3_64(encoded.get(BODY_AT..).unwrap_or_default())
    }
}

impl Operation {
    /// Every key that it names, those of both branches of a transaction included.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        let (own, transaction) = match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Increment { key, .. } => {
                (Some(key), None)
            }
            Self::Transaction(transaction) => (None, Some(transaction)),
            Self::Tick => (None, None),
        };
        own.into_iter()
            .chain(transaction.into_iter().flat_map(Transaction::keys))
    }

    /// Bytes of its keys and values.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key, .. } | Self::Increment { key, .. } => key.len(),
            Self::Transaction(transaction) => transaction.bytes(),
            Self::Tick => 0,
        }
    }
}

/// Version of the layout.
const FORMAT: u8 = 2;
/// Where the operation begins.
const BODY_AT: usize = 9;

#[cfg(test)]
mod tests;
