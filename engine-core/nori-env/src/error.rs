//! What can go wrong below the engine, and on which object.

use core::fmt;

use crate::ObjectId;

/// A failed operation of a [`BlockStore`](crate::BlockStore) or one of its objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{op} of {object} at byte {offset}: {kind}", object = Named(*.object))]
pub struct IoError {
    /// What went wrong; decides what may be done about it.
    pub kind: IoErrorKind,
    /// The operation that failed.
    pub op: IoOp,
    /// The object it was asked of; `None` for the store as a whole.
    pub object: Option<ObjectId>,
    /// First byte of the range it was asked for; 0 where there is none.
    pub offset: u64,
}

/// The kinds of failure that an engine has to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IoErrorKind {
    /// No such object.
    #[error("no such object")]
    NotFound,
    /// An object of that id is there already.
    #[error("the object exists already")]
    Exists,
    /// The range asked for reaches beyond the object's end; nothing was read.
    #[error("the range reaches beyond the end of the object")]
    ShortRead,
    /// The device is full. Nothing of the operation counts; it may be asked again once there is room.
    #[error("no space left on the device; free some and try again")]
    NoSpace,
    /// The device says that it cannot give back what was stored there.
    #[error("the device cannot read this range")]
    Media,
    /// Interrupted before anything happened; ask again.
    #[error("interrupted before anything happened")]
    Interrupted,
    /// Another owner holds the store.
    #[error("another process or instance holds this store")]
    Fenced,
    /// A sync failed. **The object is poisoned: what was appended since the last good sync is lost
    /// or not, and no later sync can tell.**
    #[error("a sync failed; what was written since the last good one may be lost")]
    SyncFailed,
    /// This store cannot do that.
    #[error("this store does not support the operation")]
    Unsupported,
    /// Anything else.
    #[error("the operation failed")]
    Other,
}

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the method of the same name")]
pub enum IoOp {
    Acquire,
    List,
    Create,
    Open,
    Recycle,
    Delete,
    Link,
    Barrier,
    Len,
    Append,
    Sync,
    Read,
}

impl IoError {
    /// A failure of the store as a whole.
    #[must_use]
    pub const fn store(kind: IoErrorKind, op: IoOp) -> Self {
        Self {
            kind,
            op,
            object: None,
            offset: 0,
        }
    }

    /// A failure on `object` at byte `offset`.
    #[must_use]
    pub const fn object(kind: IoErrorKind, op: IoOp, object: ObjectId, offset: u64) -> Self {
        Self {
            kind,
            op,
            object: Some(object),
            offset,
        }
    }
}

impl fmt::Display for IoOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "acquire",
            Self::List => "list",
            Self::Create => "create",
            Self::Open => "open",
            Self::Recycle => "recycle",
            Self::Delete => "delete",
            Self::Link => "link",
            Self::Barrier => "barrier",
            Self::Len => "len",
            Self::Append => "append",
            Self::Sync => "sync",
            Self::Read => "read",
        })
    }
}

struct Named(Option<ObjectId>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => id.fmt(f),
            None => f.write_str("the store"),
        }
    }
}
