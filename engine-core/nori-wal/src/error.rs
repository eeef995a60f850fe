//! What can go wrong, whose fault it is, and what holds afterwards.

use core::fmt;

use nori_env::{IoError, ObjectId};

use crate::{Lsn, LsnRange};

/// A refused or failed operation of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed. With `NoSpace` the log goes on: what was staged stays staged, and `commit`
    /// may be asked again once there is room. After any other failure of an append the log is
    /// poisoned.
    #[error("{0}")]
    Io(#[from] IoError),
    /// Bytes that were synced once do not verify now. The log was not opened and nothing changed.
    #[error("the log is corrupt: {0}")]
    Corrupt(CorruptRange),
    /// The batch or table is over a limit. Nothing was staged.
    #[error("{limit} is {got} bytes, the limit is {max}")]
    TooLarge {
        /// Which limit.
        limit: Limit,
        /// Its value in bytes.
        max: u64,
        /// What was asked for in bytes.
        got: u64,
    },
    /// A sync or an append failed before: what was not acknowledged until then may be lost or
    /// not. Nothing is accepted any more; open the log anew to find out what survived.
    #[error("an earlier sync or append failed; open the log anew")]
    Poisoned,
    /// The log was closed. Nothing was staged.
    #[error("the log is closed")]
    Closed,
    /// Nothing to be read there: not yet durable, released, or not the start of a record.
    #[error("no record at {lsn}; the log holds {held}")]
    NoRecord {
        /// The position asked for.
        lsn: Lsn,
        /// What can be read.
        held: LsnRange,
    },
    /// The segment was written by a later version of this crate. Nothing changed.
    #[error("{object} has format version {version}; this program knows version 1")]
    Version {
        /// The segment.
        object: ObjectId,
        /// Its format version.
        version: u16,
    },
}

/// A named limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Options::batch_bytes_max`](crate::Options::batch_bytes_max), for a batch.
    BatchBytesMax,
    /// The same, for the table of a segment.
    TableBytesMax,
}

/// Bytes that were synced once and do not verify now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorruptRange {
    /// The segment.
    pub object: ObjectId,
    /// First byte in the segment.
    pub start: u64,
    /// First byte behind the range, as far as it is known.
    pub end: u64,
    /// The positions in the log that the range held.
    pub lsns: LsnRange,
    /// What is wrong there.
    pub damage: Damage,
}

/// What is wrong with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The segment's header does not verify.
    Header,
    /// One or more frames do not verify.
    Frame,
    /// The segment is not there.
    Missing,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BatchBytesMax => "the batch",
            Self::TableBytesMax => "the table of the segment",
        })
    }
}

impl fmt::Display for CorruptRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            start,
            end,
            lsns,
            ..
        } = self;
        match self.damage {
            Damage::Header => write!(f, "the header of {object} does not verify, before {lsns}"),
            Damage::Frame => write!(f, "bytes {start}..{end} of {object} ({lsns}) do not verify"),
            Damage::Missing => write!(f, "{object}, which held {lsns}, is not there"),
        }
    }
}
