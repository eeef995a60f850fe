//! What clients ask, in the simulator's mix.

use std::fmt;

use norikv_client::{Consistency, Expect};
use norikv_types::{Prng, Version};

/// One operation of a client on the keys of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Stores the value that names this write.
    Put {
        /// The key's number in its epoch.
        key: u32,
        /// Only if.
        expect: Expect,
    },
    /// Removes the key.
    Delete {
        /// The key's number in its epoch.
        key: u32,
        /// Only if.
        expect: Expect,
    },
    /// Reads the key.
    Get {
        /// The key's number in its epoch.
        key: u32,
        /// How fresh.
        consistency: Consistency,
    },
    /// Reads every key of the epoch.
    Scan {
        /// How fresh.
        consistency: Consistency,
    },
}

/// Kinds of operations, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpKind {
    /// See [`Op::Put`].
    Put,
    /// See [`Op::Delete`].
    Delete,
    /// See [`Op::Get`].
    Get,
    /// See [`Op::Scan`].
    Scan,
}

impl Op {
    /// Draws an operation on one of `keys` keys; `version` says the last version seen of a key.
    pub(crate) fn draw(
        prng: &mut Prng,
        keys: u32,
        version: impl Fn(u32) -> Option<Version>,
    ) -> Self {
        let key = u32::try_from(prng.below(u64::from(keys))).unwrap_or(0);
        let consistency = match prng.below(20) {
            0 => Consistency::StaleOk,
            1..=9 => Consistency::Lease,
            10..=14 => Consistency::Follower,
            _ => Consistency::Linearizable,
        };
        let expect = match (prng.below(6), version(key)) {
            (0, _) => Expect::Absent,
            (1, Some(version)) => Expect::Version(version),
            _ => Expect::Any,
        };
        match prng.below(100) {
            0..=44 => Self::Put { key, expect },
            45..=54 => Self::Delete { key, expect },
            55..=94 => Self::Get { key, consistency },
            _ => Self::Scan { consistency },
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> OpKind {
        match self {
            Self::Put { .. } => OpKind::Put,
            Self::Delete { .. } => OpKind::Delete,
            Self::Get { .. } => OpKind::Get,
            Self::Scan { .. } => OpKind::Scan,
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete { .. })
    }

    /// Whether the history judges it: reads that may be stale are not.
    pub(crate) const fn is_judged(&self) -> bool {
        !matches!(
            self,
            Self::Get {
                consistency: Consistency::StaleOk,
                ..
            } | Self::Scan {
                consistency: Consistency::StaleOk
            }
        )
    }
}

impl OpKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Put, Self::Delete, Self::Get, Self::Scan];

    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Scan => "scan",
        }
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Longest value.
pub(crate) const VALUE_BYTES_MAX: u32 = 4_096;

/// Where the keys of an epoch begin.
pub(crate) fn prefix(epoch: usize) -> String {
    format!("e/{epoch:05}/")
}

/// A key of an epoch.
pub(crate) fn key_text(epoch: usize, key: u32) -> String {
    format!("{}{key:03}", prefix(epoch))
}

/// The number in its epoch of a key, if it is one of the epoch's.
pub(crate) fn key_number(epoch: usize, key: &[u8]) -> Option<u32> {
    let digits = key.strip_prefix(prefix(epoch).as_bytes())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
