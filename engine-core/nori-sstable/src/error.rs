//! What can go wrong with a table, and where.

use nori_env::{IoError, IoErrorKind, ObjectId};

/// A failed operation on a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Stored bytes fail their checks. The table is unchanged; its other blocks may be fine.
    #[error("{object} is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// The table.
        object: ObjectId,
        /// First byte of the block that fails.
        offset: u64,
        /// Which check it fails.
        what: Damage,
    },
    /// The host failed. While reading: nothing changed. While building: the object is debris.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The table was written by another version of this crate. Nothing changed.
    #[error("{object} has format version {version}, this program reads version {known}", known = crate::FORMAT_VERSION)]
    Unsupported {
        /// The table.
        object: ObjectId,
        /// Its format version.
        version: u32,
    },
    /// A user key is too long. It was not added.
    #[error("a key of {bytes} bytes is over the limit of {max}")]
    KeyTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u32,
    },
    /// A value is too long. It was not added.
    #[error("a value of {bytes} bytes is over the limit of {max}")]
    ValueTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u32,
    },
    /// An entry does not follow the one before it. It was not added.
    #[error("entry {index} is not greater than the one before it")]
    OutOfOrder {
        /// Its number, from 0.
        index: u64,
    },
    /// A table without entries and range tombstones was finished. Nothing was written.
    #[error("a table needs at least one entry or range tombstone")]
    Empty,
}

/// Which check stored bytes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The object ends before the block does.
    #[error("the object ends before the block does")]
    Truncated,
    /// The device cannot read the block.
    #[error("the device cannot read the block")]
    Unreadable,
    /// The block's own checksum does not match its bytes.
    #[error("checksum {got:#010x} where the block says {expected:#010x}")]
    Checksum {
        /// As stored in the block.
        expected: u32,
        /// As computed over its bytes.
        got: u32,
    },
    /// The block is whole, but it is not the one that its parent names: stale or misdirected.
    #[error("checksum {got:#010x} where the parent says {expected:#010x}")]
    NotTheChild {
        /// As stored in the parent.
        expected: u32,
        /// As stored in the block.
        got: u32,
    },
    /// The footer does not end in the magic of a table.
    #[error("no magic of a table")]
    Magic,
    /// The footer belongs to another table than the manifest's.
    #[error("the footer describes another table")]
    NotTheTable,
    /// A handle points outside the table.
    #[error("a handle points outside the table")]
    Handle,
    /// The block is of another kind than its parent needs.
    #[error("block kind {got} where {expected} belongs")]
    Kind {
        /// What the parent needs.
        expected: u8,
        /// What is there.
        got: u8,
    },
    /// The block's compression is unknown.
    #[error("unknown compression {0}")]
    Compression(u8),
    /// The uncompressed length is over the bound, or not what decompression gives.
    #[error("uncompressed length {0} is impossible")]
    Length(u32),
    /// The compressed bytes do not decompress.
    #[error("the block does not decompress")]
    Decompress,
    /// The restart points are impossible.
    #[error("impossible restart points")]
    Restarts,
    /// An entry is malformed.
    #[error("a malformed entry")]
    Entry,
    /// The index does not lead where it says.
    #[error("the index is empty or leads to an empty block")]
    Index,
    /// The properties are malformed.
    #[error("malformed properties")]
    Properties,
    /// The range tombstones are malformed or out of order.
    #[error("malformed range tombstones")]
    RangeTombstones,
    /// A key does not follow the one before it, or lies on the wrong side of a separator.
    #[error("keys out of order")]
    Order,
    /// The hash index of a block does not find a key of the block.
    #[error("the hash index misses a key")]
    HashIndex,
    /// A filter denies a key that is there.
    #[error("the filter denies a key that is there")]
    FilterDenies,
    /// What was counted is not what the properties or the parent say.
    #[error("the counts of the table are not those stated")]
    Counts,
    /// Bytes between blocks, or a block in the wrong place.
    #[error("the blocks of the table do not follow each other")]
    Gap,
    /// The filter is of an unknown kind.
    #[error("unknown kind of filter {0}")]
    FilterKind(u8),
    /// The filter's size is impossible.
    #[error("an impossible filter")]
    Filter,
}

/// Reads fail as typed corruption where the device, not the host, is at fault.
pub(crate) fn from_read(error: IoError, object: ObjectId, offset: u64) -> Error {
    let what = match error.kind {
        IoErrorKind::ShortRead => Damage::Truncated,
        IoErrorKind::Media => Damage::Unreadable,
        _ => return Error::Io(error),
    };
    Error::Corrupt {
        object,
        offset,
        what,
    }
}
