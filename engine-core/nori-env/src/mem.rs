//! A store in memory.
//!
//! **Invariant: everything that was appended can be read until the last handle is gone.** Nothing
//! survives the process; `sync` has nothing to do.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};
use crate::{BlockObject, BlockStore, Geometry, IoError, IoErrorKind, IoOp, ObjectId, Owner};

/// A store in memory: deterministic, and the same on every host.
///
/// Cloning gives another handle on the same objects, as opening a directory a second time would:
/// the lock taken through one handle is released when that handle and the objects opened through
/// it are gone.
#[derive(Debug)]
pub struct MemStore {
    handle: Arc<Handle>,
}

/// One opening of the store. Objects keep it alive, and with it the lock.
#[derive(Debug)]
struct Handle {
    disk: Arc<Disk>,
    id: u64,
}

#[derive(Debug)]
struct Disk {
    geometry: Geometry,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<ObjectId, Arc<MemData>>,
    used: u64,
    held: Option<Held>,
    next_handle: u64,
}

#[derive(Debug)]
struct Held {
    handle: u64,
    owner: Owner,
}

/// The bytes of one object; shared by its names and by those who opened it.
#[derive(Debug)]
struct MemData {
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// Readable bytes; those behind `bytes` are zero.
    extent: u64,
    /// Bytes counted against the capacity.
    charged: u64,
    linked: bool,
}

#[derive(Debug)]
struct MemObject {
    id: ObjectId,
    data: Arc<MemData>,
    /// Where the last append through this opening ended.
    end: AtomicU64,
    handle: Arc<Handle>,
}

impl MemStore {
    /// An empty store without a bound: units of 512 bytes, power-safe overwrite, recycling.
    #[must_use]
    pub fn new() -> Self {
        Self::with_geometry(Geometry {
            unit: 512,
            psow: true,
            recycle: true,
            capacity: None,
        })
    }

    /// An empty store that holds at most `bytes`; more is refused as `NoSpace`.
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        Self::with_geometry(Geometry {
            unit: 512,
            psow: true,
            recycle: true,
            capacity: Some(bytes),
        })
    }

    /// An empty store of this geometry.
    #[must_use]
    pub fn with_geometry(geometry: Geometry) -> Self {
        let disk = Arc::new(Disk {
            geometry,
            state: Mutex::new(State::default()),
        });
        Self::handle(&disk)
    }

    /// Bytes that count against the capacity.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.handle.disk.state.lock().used
    }

    fn handle(disk: &Arc<Disk>) -> Self {
        let id = {
            let mut state = disk.state.lock();
            state.next_handle += 1;
            state.next_handle
        };
        let disk = Arc::clone(disk);
        Self {
            handle: Arc::new(Handle { disk, id }),
        }
    }

    fn object(&self, id: ObjectId, data: &Arc<MemData>, end: u64) -> Arc<dyn BlockObject> {
        Arc::new(MemObject {
            id,
            data: Arc::clone(data),
            end: AtomicU64::new(end),
            handle: Arc::clone(&self.handle),
        })
    }
}

impl Default for MemStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for MemStore {
    /// Another handle on the same objects.
    fn clone(&self) -> Self {
        Self::handle(&self.handle.disk)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state
            .held
            .as_ref()
            .is_some_and(|held| held.handle == self.id)
        {
            state.held = None;
        }
    }
}

impl Disk {
    /// Counts `bytes` more, or says that they do not fit.
    fn charge(&self, state: &mut State, bytes: u64) -> bool {
        let used = state.used.saturating_add(bytes);
        let fits = self
            .geometry
            .capacity
            .is_none_or(|capacity| used <= capacity);
        if fits {
            state.used = used;
        }
        fits
    }
}

impl BlockStore for MemStore {
    fn geometry(&self) -> Geometry {
        self.handle.disk.geometry
    }

    fn acquire(&self, owner: Owner) -> Result<(), IoError> {
        let handle = self.handle.id;
        let mut state = self.handle.disk.state.lock();
        match &state.held {
            Some(held) if held.handle != handle || held.owner != owner => {
                Err(IoError::store(IoErrorKind::Fenced, IoOp::Acquire))
            }
            _ => {
                state.held = Some(Held { handle, owner });
                Ok(())
            }
        }
    }

    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        let state = self.handle.disk.state.lock();
        Ok(state.objects.keys().copied().collect())
    }

    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        let disk = &self.handle.disk;
        let mut state = disk.state.lock();
        if state.objects.contains_key(&id) {
            return Err(id.error(IoErrorKind::Exists, IoOp::Create, 0));
        }
        let extent = reserve.unwrap_or(0);
        if !disk.charge(&mut state, extent) {
            return Err(id.error(IoErrorKind::NoSpace, IoOp::Create, 0));
        }
        let data = Arc::new(MemData {
            content: RwLock::new(Content {
                extent,
                charged: extent,
                ..Content::default()
            }),
        });
        state.objects.insert(id, Arc::clone(&data));
        Ok(self.object(id, &data, 0))
    }

    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let state = self.handle.disk.state.lock();
        let data = (state.objects.get(&id))
            .ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Open, 0))?;
        let end = data.content.read().extent;
        Ok(self.object(id, data, end))
    }

    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let mut state = self.handle.disk.state.lock();
        if state.objects.contains_key(&new) {
            return Err(new.error(IoErrorKind::Exists, IoOp::Recycle, 0));
        }
        let data = (state.objects.get(&old).map(Arc::clone))
            .ok_or_else(|| old.error(IoErrorKind::NotFound, IoOp::Recycle, 0))?;
        let linked = data.content.read().linked;
        if linked || !self.handle.disk.geometry.recycle {
            return Err(old.error(IoErrorKind::Unsupported, IoOp::Recycle, 0));
        }
        state.objects.remove(&old);
        state.objects.insert(new, Arc::clone(&data));
        Ok(self.object(new, &data, 0))
    }

    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        let mut state = self.handle.disk.state.lock();
        let data = (state.objects.remove(&id))
            .ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Delete, 0))?;
        if !state
            .objects
            .values()
            .any(|other| Arc::ptr_eq(other, &data))
        {
            let freed = core::mem::take(&mut data.content.write().charged);
            state.used = state.used.saturating_sub(freed);
        }
        Ok(())
    }

    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        let mut state = self.handle.disk.state.lock();
        if state.objects.contains_key(&to) {
            return Err(to.error(IoErrorKind::Exists, IoOp::Link, 0));
        }
        let data = (state.objects.get(&from).map(Arc::clone))
            .ok_or_else(|| from.error(IoErrorKind::NotFound, IoOp::Link, 0))?;
        data.content.write().linked = true;
        state.objects.insert(to, data);
        Ok(())
    }

    fn barrier(&self) -> Result<(), IoError> {
        Ok(())
    }
}

impl BlockObject for MemObject {
    fn id(&self) -> ObjectId {
        self.id
    }

    fn len(&self) -> Result<u64, IoError> {
        Ok(self.data.content.read().extent)
    }

    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        let disk = &self.handle.disk;
        let mut state = disk.state.lock();
        let mut content = self.data.content.write();
        assert!(
            at >= self.end.load(Ordering::Acquire),
            "an append never goes back"
        );
        let too_large = |_| self.id.error(IoErrorKind::NoSpace, IoOp::Append, at);
        let more: u64 = bufs.iter().map(|buf| buf.len() as u64).sum();
        let end = at.saturating_add(more);
        if end > content.charged {
            if !disk.charge(&mut state, end - content.charged) {
                return Err(self.id.error(IoErrorKind::NoSpace, IoOp::Append, at));
            }
            content.charged = end;
        }
        drop(state);
        let mut to = usize::try_from(at).map_err(too_large)?;
        let end_index = usize::try_from(end).map_err(too_large)?;
        if content.bytes.len() < end_index {
            content.bytes.resize(end_index, 0);
        }
        for buf in bufs {
            content.bytes[to..to + buf.len()].copy_from_slice(buf);
            to += buf.len();
        }
        self.end.store(end, Ordering::Release);
        content.extent = content.extent.max(end);
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        Ok(())
    }

    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let content = self.data.content.read();
        let end = offset.checked_add(dst.len() as u64);
        if end.is_none_or(|end| end > content.extent) {
            return Err(self.id.error(IoErrorKind::ShortRead, IoOp::Read, offset));
        }
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(content.bytes.len());
        let stored = (content.bytes.len() - from).min(dst.len());
        dst[..stored].copy_from_slice(&content.bytes[from..from + stored]);
        dst[stored..].fill(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
