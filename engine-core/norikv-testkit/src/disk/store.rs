//! The disk as the engine sees it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::Mutex;
use nori_env::{BlockObject, BlockStore, Geometry, IoError, IoErrorKind, IoOp, ObjectId, Owner};

use super::SimDisk;
use super::inode::{Inode, InodeRef};

impl BlockStore for SimDisk {
    fn geometry(&self) -> Geometry {
        Geometry {
            unit: self.options.unit,
            psow: self.options.psow,
            recycle: self.options.recycle,
            capacity: self.platter.lock().capacity,
        }
    }

    fn acquire(&self, owner: Owner) -> Result<(), IoError> {
        let mut platter = self.platter.lock();
        platter.enter(IoOp::Acquire, None, 0)?;
        match platter.owner {
            Some(holder) if holder != owner => {
                Err(IoError::store(IoErrorKind::Fenced, IoOp::Acquire))
            }
            _ => {
                platter.owner = Some(owner);
                Ok(())
            }
        }
    }

    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        let mut platter = self.platter.lock();
        platter.enter(IoOp::List, None, 0)?;
        Ok(platter.names.iter().map(|(id, _)| id).collect())
    }

    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        let mut platter = self.platter.lock();
        let fate = platter.enter(IoOp::Create, Some(id), 0)?;
        if platter.names.live(id).is_some() {
            return Err(id.error(IoErrorKind::Exists, IoOp::Create, 0));
        }
        let size = reserve.unwrap_or(0);
        if !platter.fits(size) {
            return Err(id.error(IoErrorKind::NoSpace, IoOp::Create, 0));
        }
        platter.used += size;
        let inode: InodeRef = Arc::new(Mutex::new(Inode::new(reserve)));
        platter.names.add(id, Arc::clone(&inode));
        let object = Arc::new(self.handle(&platter, id, inode, 0));
        fate.finish(object as Arc<dyn BlockObject>, IoOp::Create, Some(id), 0)
    }

    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let mut platter = self.platter.lock();
        platter.enter(IoOp::Open, Some(id), 0)?;
        let inode = platter
            .names
            .live(id)
            .ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Open, 0))?;
        let floor = inode.lock().extent;
        Ok(Arc::new(self.handle(&platter, id, inode, floor)))
    }

    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let mut platter = self.platter.lock();
        let fate = platter.enter(IoOp::Recycle, Some(old), 0)?;
        if !self.options.recycle {
            return Err(old.error(IoErrorKind::Unsupported, IoOp::Recycle, 0));
        }
        if platter.names.live(new).is_some() {
            return Err(new.error(IoErrorKind::Exists, IoOp::Recycle, 0));
        }
        let inode = platter
            .names
            .live(old)
            .ok_or_else(|| old.error(IoErrorKind::NotFound, IoOp::Recycle, 0))?;
        if inode.lock().links > 1 {
            return Err(old.error(IoErrorKind::Unsupported, IoOp::Recycle, 0));
        }
        inode.lock().begin_life();
        platter.names.rename(old, new, Arc::clone(&inode));
        let object = Arc::new(self.handle(&platter, new, inode, 0));
        fate.finish(object as Arc<dyn BlockObject>, IoOp::Recycle, Some(new), 0)
    }

    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        let mut platter = self.platter.lock();
        let fate = platter.enter(IoOp::Delete, Some(id), 0)?;
        let inode = platter
            .names
            .remove(id)
            .ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Delete, 0))?;
        let inode = inode.lock();
        if inode.links == 0 {
            platter.used -= inode.extent;
        }
        fate.finish((), IoOp::Delete, Some(id), 0)
    }

    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        let mut platter = self.platter.lock();
        let fate = platter.enter(IoOp::Link, Some(from), 0)?;
        if platter.names.live(to).is_some() {
            return Err(to.error(IoErrorKind::Exists, IoOp::Link, 0));
        }
        let inode = platter
            .names
            .live(from)
            .ok_or_else(|| from.error(IoErrorKind::NotFound, IoOp::Link, 0))?;
        platter.names.add(to, inode);
        fate.finish((), IoOp::Link, Some(to), 0)
    }

    fn barrier(&self) -> Result<(), IoError> {
        let mut platter = self.platter.lock();
        let fate = platter.enter(IoOp::Barrier, None, 0)?;
        platter.names.barrier();
        fate.finish((), IoOp::Barrier, None, 0)
    }
}
