//! How a log is opened.

use core::time::Duration;

use nori_env::Owner;

use crate::Lsn;

/// How a log is opened. `Options::default()` suits a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Size of a segment in bytes. Segments are set aside whole where the store recycles them.
    pub segment_bytes: u64,
    /// Size of the segment that opening begins, in bytes: setting aside a whole one takes long.
    pub first_segment_bytes: u64,
    /// Largest batch in bytes, 8 for each record included; also the largest commit group.
    pub batch_bytes_max: u32,
    /// Released segments that are kept for reuse; beyond that they are deleted.
    pub spares_max: u32,
    /// Records with at least this many bytes are compressed with LZ4, if that makes them shorter by an
    /// eighth; `None`: none are.
    pub compress_min: Option<u32>,
    /// What to do about corruption.
    pub mode: OpenMode,
    /// What a batch waits for before it counts as committed.
    pub sync: SyncPolicy,
    /// Who takes the store's lock; `None` draws a new owner. A host that has acquired the store
    /// itself names itself here.
    pub owner: Option<Owner>,
    /// The host needs everything from here on: if the log begins behind it, or ends before it, then
    /// segments were taken away, which nothing in the log itself tells. 0: whatever is there will do.
    pub from: Lsn,
}

/// What opening does about corruption: bytes that were synced once and do not verify now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Refuse to open. For a log that stands alone.
    Strict,
    /// Report each range and go on with what verifies behind it. For a replica, which can fetch
    /// from its peers what it lost.
    Salvage,
}

/// What a batch waits for before it counts as committed, and so what a power cut may take.
///
/// In every policy a batch is handed to the store before [`Wal::commit`](crate::Wal::commit) returns,
/// so a process that is killed loses nothing; in every policy what survives a power cut is a prefix
/// of the log without holes; and a rotation syncs what it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// A sync of its own for every batch.
    Always,
    /// A sync, which those who commit at the same time share.
    Group,
    /// Nothing; what was written is synced when it is about this old, by whoever calls
    /// [`Wal::sync_due`](crate::Wal::sync_due).
    Interval(Duration),
    /// Nothing; what was written is synced by rotations and when it has become much.
    Never,
}

impl SyncPolicy {
    /// Whether what is committed is durable.
    #[must_use]
    pub const fn is_durable(self) -> bool {
        matches!(self, Self::Always | Self::Group)
    }
}

impl Default for Options {
    /// Segments of 128 MiB, the first of 16 MiB, batches up to 8 MiB, two spares, strict, group sync.
    fn default() -> Self {
        Self {
            segment_bytes: 128 << 20,
            first_segment_bytes: 16 << 20,
            batch_bytes_max: 8 << 20,
            spares_max: 2,
            compress_min: None,
            mode: OpenMode::Strict,
            sync: SyncPolicy::Group,
            owner: None,
            from: Lsn(0),
        }
    }
}
