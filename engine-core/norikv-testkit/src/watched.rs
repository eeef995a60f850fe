//! A store that says what is done to it.
//!
//! **Invariant: whoever watches is told before the operation's caller comes to know of it**, so that
//! a test can do something at a moment that it could not meet by chance.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::{BlockObject, BlockStore, Geometry, IoError, ObjectId, Owner};

/// What a [`WatchedStore`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreStep {
    /// An object was created, or could not be.
    Created(ObjectId),
    /// An object is about to be recycled.
    Recycling(ObjectId),
    /// An object is about to be synced.
    Syncing(ObjectId),
    /// An object is about to be read.
    Reading(ObjectId),
}

/// Passes everything on, and tells whoever watches; that may take its time, and use what uses the
/// store.
pub struct WatchedStore {
    store: Arc<dyn BlockStore>,
    told: Told,
}

struct WatchedObject {
    object: Arc<dyn BlockObject>,
    told: Told,
}

type Told = Arc<dyn Fn(StoreStep) + Send + Sync>;

impl WatchedStore {
    /// Over `store`, with `told` called at each step.
    pub fn new(
        store: impl BlockStore + 'static,
        told: impl Fn(StoreStep) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(store),
            told: Arc::new(told),
        })
    }

    fn wrap(&self, object: Arc<dyn BlockObject>) -> Arc<dyn BlockObject> {
        let told = Arc::clone(&self.told);
        Arc::new(WatchedObject { object, told })
    }
}

impl BlockStore for WatchedStore {
    fn geometry(&self) -> Geometry {
        self.store.geometry()
    }
    fn acquire(&self, owner: Owner) -> Result<(), IoError> {
        self.store.acquire(owner)
    }
    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        self.store.list()
    }
    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        let created = self.store.create(id, reserve);
        (self.told)(StoreStep::Created(id));
        created.map(|object| self.wrap(object))
    }
    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        self.store.open(id).map(|object| self.wrap(object))
    }
    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        (self.told)(StoreStep::Recycling(old));
        let recycled = self.store.recycle(old, new);
        recycled.map(|object| self.wrap(object))
    }
    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        self.store.delete(id)
    }
    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        self.store.link(from, to)
    }
    fn barrier(&self) -> Result<(), IoError> {
        self.store.barrier()
    }
}

impl BlockObject for WatchedObject {
    fn id(&self) -> ObjectId {
        self.object.id()
    }
    fn len(&self) -> Result<u64, IoError> {
        self.object.len()
    }
    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        self.object.append(at, bufs)
    }
    fn sync(&self) -> Result<(), IoError> {
        (self.told)(StoreStep::Syncing(self.object.id()));
        self.object.sync()
    }
    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        (self.told)(StoreStep::Reading(self.object.id()));
        self.object.read_at(offset, dst)
    }
}

impl fmt::Debug for WatchedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl fmt::Debug for WatchedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
