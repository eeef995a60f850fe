//! What can go wrong, and what state the store is in afterwards.

use nori_env::{IoError, IoErrorKind, ObjectId};

/// A failed operation of an [`Lsm`](crate::Lsm).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host failed. Nothing acknowledged is lost; of the operation itself nothing counts,
    /// unless the kind is `SyncFailed`: then it may or may not survive.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The log failed. Nothing acknowledged is lost.
    #[error("the log: {0}")]
    Log(#[from] nori_wal::Error),
    /// A table failed. Reads of other tables go on.
    #[error("a table: {0}")]
    Table(#[from] nori_sstable::Error),
    /// Stored bytes fail their checks. Opening refuses and changes nothing.
    #[error("{object} is corrupt at byte {offset}: {what}")]
    Corrupt {
        /// The object.
        object: ObjectId,
        /// First byte of the part that fails.
        offset: u64,
        /// Which check it fails.
        what: Damage,
    },
    /// The manifest was written by another version of this crate. Nothing changed.
    #[error("{object} has format version {version}, this program reads version {known}", known = crate::FORMAT_VERSION)]
    Unsupported {
        /// The object.
        object: ObjectId,
        /// Its format version.
        version: u32,
    },
    /// A key is too long. The batch was not written.
    #[error("a key of {bytes} bytes is over the limit of {max}")]
    KeyTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u32,
    },
    /// A value is too long. The batch was not written.
    #[error("a value of {bytes} bytes is over the limit of {max}")]
    ValueTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u32,
    },
    /// A batch is too long. It was not written.
    #[error("a batch of {bytes} bytes is over the limit of {max}")]
    BatchTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        max: u32,
    },
    /// The store is behind with its background work. The batch was not written; step jobs and
    /// try again.
    #[error("the store is behind with flushes or compactions; nothing was written")]
    Stalled,
    /// An earlier sync failed, so nothing more can be made durable. Reads go on; open the store
    /// again to write. The operation did nothing.
    #[error("an earlier sync failed; open the store again to write")]
    Failed,
    /// A key has operands, but its keyspace was opened without a merge operator. Nothing changed.
    #[error("keyspace {keyspace} has operands to merge, but no merge operator was given")]
    NoMergeOperator {
        /// Its number.
        keyspace: u16,
    },
    /// The merge operator refused what is stored of a key. Nothing changed; a put or a delete of the key cures it.
    #[error("the merge operator of keyspace {keyspace} refused with code {code}")]
    Merge {
        /// Its number.
        keyspace: u16,
        /// What the operator said.
        code: u32,
    },
    /// The store was opened to be read only. Nothing was done.
    #[error("the store is open only to be read")]
    ReadOnly,
    /// The target of a checkpoint, a backup or a restore holds objects already. Nothing was done.
    #[error("the target is not empty")]
    NotEmpty,
    /// There is no backup of that number. Nothing was done.
    #[error("there is no backup {number}")]
    NoBackup {
        /// The number asked for.
        number: u64,
    },
    /// Others wrote to the keys of an ingestion faster than it could step aside. Nothing was
    /// ingested.
    #[error("others wrote to the same keys meanwhile; nothing was ingested")]
    Overtaken,
    /// There is no store there to be read.
    #[error("there is no store")]
    NoStore,
    /// What the write depends on was written meanwhile. Nothing was written: read again and try
    /// again.
    #[error("what was read has changed; nothing was written")]
    Conflict,
    /// A batch writes to a keyspace that was dropped. Nothing of it was written.
    #[error("keyspace {keyspace} was dropped")]
    KeyspaceDropped {
        /// Its number.
        keyspace: u16,
    },
    /// A keyspace cannot have this name, or the default keyspace cannot be dropped.
    #[error("a name of {bytes} bytes is not one that a keyspace may have here")]
    KeyspaceName {
        /// Its length.
        bytes: u64,
    },
    /// No more keyspaces can be made. Nothing changed.
    #[error("all numbers of keyspaces are used up")]
    KeyspacesFull,
    /// The entries given to an ingestion do not ascend: this one was not taken. Or those given to
    /// `replace_ranges` do not, or lie outside its ranges: nothing was replaced.
    #[error("entry {index} does not ascend or lies outside the ranges")]
    BadEntry {
        /// Its number, from 0.
        index: u64,
    },
}

/// Which check stored bytes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The manifest names an object that is not there.
    #[error("it is missing")]
    Missing,
    /// The device cannot read it.
    #[error("the device cannot read it")]
    Unreadable,
    /// The head of a manifest fails its checksum.
    #[error("its head fails its checks")]
    Head,
    /// A record fails its checks although it was durable.
    #[error("a record that was durable fails its checks")]
    Record,
    /// A record is whole but says something impossible.
    #[error("a record is malformed")]
    Malformed,
    /// An edit removes a table that is not there, or adds one that is.
    #[error("an edit does not fit the tables before it")]
    Edit,
    /// Two tables of one level overlap.
    #[error("tables of one level overlap")]
    Overlap,
    /// A table crosses a guard of its level, or a lane is empty under another.
    #[error("a table is in the wrong place")]
    Misplaced,
    /// It is not the manifest that its predecessor names.
    #[error("it is not the manifest that its predecessor names")]
    NotTheSuccessor,
    /// It has edits, yet no predecessor names it.
    #[error("it has edits although no predecessor names it")]
    Unnamed,
    /// The store has tables or a log, but no manifest.
    #[error("the store has data but no manifest")]
    NoManifest,
    /// A pointer to a value leads nowhere, or tables point to other values than the manifest says.
    #[error("pointers to values are not those that were written")]
    Pointer,
    /// A record of the log is not a batch, or its sequence numbers go back.
    #[error("a record of the log is not a batch in order")]
    Batch,
}

impl Error {
    /// Whether waiting for space may cure it.
    pub(crate) const fn kind(&self) -> Option<IoErrorKind> {
        match self {
            Self::Io(error) | Self::Table(nori_sstable::Error::Io(error)) => Some(error.kind),
            _ => None,
        }
    }
}
