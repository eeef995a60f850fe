//! A store: a flat set of objects under one lock.
//!
//! **Invariant: two owners never write one store.** Creates and deletes are unordered until
//! [`barrier`](BlockStore::barrier).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::{BlockObject, Geometry, IoError, ObjectId};

/// A flat set of numbered objects. There is no rename and no truncate.
pub trait BlockStore: Send + Sync + fmt::Debug {
    /// How the store's blocks behave.
    fn geometry(&self) -> Geometry;

    /// Takes the store's exclusive lock for `owner`, until the store is dropped. Asking again as
    /// the same owner is fine.
    ///
    /// # Errors
    /// `Fenced` when someone else holds it; nothing changed.
    fn acquire(&self, owner: Owner) -> Result<(), IoError>;

    /// Every object, sorted.
    ///
    /// # Errors
    /// Whatever the host reports; the store is unchanged.
    fn list(&self) -> Result<Vec<ObjectId>, IoError>;

    /// A new, empty object. With `reserve`, that many bytes are set aside and readable (zero), so
    /// that appends within them change no metadata.
    ///
    /// # Errors
    /// `Exists`; `NoSpace` (the object is not there then).
    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError>;

    /// An object that is there. Appending goes on at its length.
    ///
    /// # Errors
    /// `NotFound`.
    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError>;

    /// Turns `old` into `new`, keeping its space: the bytes are stale, and appending starts at 0.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `Unsupported`; the store is unchanged.
    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError>;

    /// Forgets an object. Those who opened it before may go on reading.
    ///
    /// # Errors
    /// `NotFound`; the store is unchanged.
    fn delete(&self, id: ObjectId) -> Result<(), IoError>;

    /// Gives the sealed object `from` a second name. A linked object is never recycled.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `Unsupported`; the store is unchanged.
    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError>;

    /// Orders creates and deletes: those before the call are durable before any after it.
    ///
    /// # Errors
    /// `SyncFailed`: which of them survive a crash is unknown.
    fn barrier(&self) -> Result<(), IoError>;
}

/// Who holds a store: a number drawn anew by every process or instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner(pub u64);
