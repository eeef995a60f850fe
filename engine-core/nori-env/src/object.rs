//! One append-only object of a store.
//!
//! **Invariant: each offset is written at most once in the life of an object.** There is no
//! truncate and no overwrite; a cut is recorded in a successor.

use alloc::vec::Vec;
use core::fmt;

use crate::{IoError, IoErrorKind, IoOp};

/// An append-only run of bytes. Methods take `&self`: one writer and any number of readers may use
/// it at once; two writers may not.
pub trait BlockObject: Send + Sync + fmt::Debug {
    /// The object's name.
    fn id(&self) -> ObjectId;

    /// Bytes that can be read. For an object created with a reserve or recycled this is the
    /// readable extent, and the bytes behind the last append are zero or stale.
    ///
    /// # Errors
    /// Whatever the host reports; the object is unchanged.
    fn len(&self) -> Result<u64, IoError>;

    /// Whether nothing can be read.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> Result<bool, IoError> {
        Ok(self.len()? == 0)
    }

    /// Writes `bufs` one after another from byte `at`. `at` is where the last append of this life
    /// ended, or beyond it (the gap reads as zero or stale). Durable only after [`sync`](Self::sync).
    ///
    /// # Errors
    /// `NoSpace`: none of it counts, the same range may be appended again. Any other: the range
    /// holds any mixture of old and new units.
    ///
    /// # Panics
    /// When `at` lies before the end of the last append.
    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError>;

    /// Makes every byte appended before the call and the object's existence durable.
    ///
    /// # Errors
    /// `SyncFailed`: the object is poisoned, and every later `append` and `sync` fails the same way.
    fn sync(&self) -> Result<(), IoError>;

    /// Fills `dst` from byte `offset`.
    ///
    /// # Errors
    /// `ShortRead` beyond the end; `Media` where the device gives up. `dst` is unspecified then.
    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError>;

    /// Reads several ranges; a host may do so in parallel.
    ///
    /// # Errors
    /// The first failure; which buffers were filled is unspecified.
    fn read_many(&self, requests: &mut [ReadRequest]) -> Result<(), IoError> {
        for request in requests {
            self.read_at(request.offset, &mut request.buffer)?;
        }
        Ok(())
    }

    /// A hint about coming reads; hosts may ignore it.
    fn advise(&self, _advice: Advice) {}
}

/// The name of an object: its kind and a number that is never used twice within a store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// What the object holds.
    pub kind: ObjectKind,
    /// Unique among objects of its kind in its store.
    pub number: u64,
}

/// What an object holds; on a file system it becomes the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A segment of a write-ahead log.
    Log = 1,
    /// A sorted table.
    Table = 2,
    /// A manifest.
    Manifest = 3,
    /// A small fact about the store: its owner, its cluster.
    Meta = 4,
    /// Bytes on their way in: a snapshot being received.
    Incoming = 5,
    /// Values that tables point to.
    Values = 6,
}

/// How a store's blocks behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Tearing and alignment unit in bytes, a power of two: an unsynced append leaves each unit
    /// old, new or torn.
    pub unit: u32,
    /// Power-safe overwrite: a write harms only bytes in its range. Without it acknowledged bytes
    /// never share a unit with later bytes.
    pub psow: bool,
    /// Whether [`BlockStore::recycle`](crate::BlockStore::recycle) is supported and worth it.
    pub recycle: bool,
    /// Bytes that the store can hold at most; `None` where nobody knows.
    pub capacity: Option<u64>,
}

/// One range of a [`BlockObject::read_many`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// First byte.
    pub offset: u64,
    /// Filled whole.
    pub buffer: Vec<u8>,
}

/// A hint about coming reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Front to back: read ahead.
    Sequential,
    /// Here and there: do not read ahead.
    Random,
    /// Not again: caches may forget it.
    DontNeed,
}

impl ObjectId {
    /// No engine gives a higher number to an object; who finds one counts no further.
    pub const NUMBER_MAX: u64 = 1 << 62;

    /// Segment `number` of a log.
    #[must_use]
    pub const fn log(number: u64) -> Self {
        Self {
            kind: ObjectKind::Log,
            number,
        }
    }

    /// Table `number`.
    #[must_use]
    pub const fn table(number: u64) -> Self {
        Self {
            kind: ObjectKind::Table,
            number,
        }
    }

    /// Value file `number`.
    #[must_use]
    pub const fn values(number: u64) -> Self {
        Self {
            kind: ObjectKind::Values,
            number,
        }
    }

    /// Manifest `number`.
    #[must_use]
    pub const fn manifest(number: u64) -> Self {
        Self {
            kind: ObjectKind::Manifest,
            number,
        }
    }

    /// Fact `number`.
    #[must_use]
    pub const fn meta(number: u64) -> Self {
        Self {
            kind: ObjectKind::Meta,
            number,
        }
    }

    /// An error of `kind` in `op` on this object.
    #[must_use]
    pub const fn error(self, kind: IoErrorKind, op: IoOp, offset: u64) -> IoError {
        IoError::object(kind, op, self, offset)
    }
}

impl ObjectId {
    /// The id whose `Display` is `name`; `None` for any other name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (number, word) = name.split_once('.')?;
        let digits = number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit());
        let kind = ObjectKind::ALL
            .into_iter()
            .find(|kind| kind.word() == word)?;
        let number = if digits {
            number.parse().ok()?
        } else {
            return None;
        };
        Some(Self { kind, number })
    }
}

impl ObjectKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Log,
        Self::Table,
        Self::Manifest,
        Self::Meta,
        Self::Incoming,
        Self::Values,
    ];

    /// The word that stands for the kind in file names and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Table => "sst",
            Self::Manifest => "manifest",
            Self::Meta => "meta",
            Self::Incoming => "incoming",
            Self::Values => "values",
        }
    }
}

impl fmt::Display for ObjectId {
    /// The file name: `00000000000000000012.sst`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}.{}", self.number, self.kind.word())
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
