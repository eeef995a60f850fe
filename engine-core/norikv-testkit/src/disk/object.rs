//! A handle on one object of a [`SimDisk`].

use core::fmt;

use nori_env::{BlockObject, IoError, IoErrorKind, IoOp, ObjectId};
use norikv_types::Prng;

use super::fault::{Fate, harmless};
use super::inode::InodeRef;
use super::{Damage, DamageKind, LieKind, Platter, SimDisk};

pub(super) struct SimObject {
    pub(super) disk: SimDisk,
    pub(super) id: ObjectId,
    pub(super) generation: u64,
    pub(super) life: u64,
    /// No append of this handle starts before it.
    pub(super) floor: u64,
    pub(super) inode: InodeRef,
}

impl SimObject {
    fn enter(&self, platter: &mut Platter, op: IoOp, offset: u64) -> Result<Fate, IoError> {
        if platter.generation != self.generation {
            return Err(self.id.error(IoErrorKind::Fenced, op, offset));
        }
        platter.enter(op, Some(self.id), offset)
    }

    /// What becomes of an append whose range has only been taken note of.
    fn write_wrong(&self, platter: &mut Platter, lie: LieKind, at: u64, bufs: &[&[u8]]) {
        let len = bufs.iter().map(|buf| buf.len() as u64).sum();
        platter.damage.push(Damage {
            kind: DamageKind::LostWrite,
            object: self.id,
            offset: at,
            len,
        });
        let landed = match lie {
            LieKind::MisdirectedWrite { seed } => {
                let prng = &mut Prng::new(seed ^ platter.counters.appends);
                platter.misdirect(self.id, at, bufs, self.disk.options.unit, prng)
            }
            LieKind::LostWrite | LieKind::EmptySync => false,
        };
        if landed {
            platter.counters.writes_misdirected += 1;
        } else {
            platter.counters.writes_lost += 1;
        }
    }
}

impl BlockObject for SimObject {
    fn id(&self) -> ObjectId {
        self.id
    }

    fn len(&self) -> Result<u64, IoError> {
        let mut platter = self.disk.platter.lock();
        self.enter(&mut platter, IoOp::Len, 0)?;
        Ok(self.inode.lock().extent)
    }

    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        let mut platter = self.disk.platter.lock();
        let fate = self.enter(&mut platter, IoOp::Append, at)?;
        let mut inode = self.inode.lock();
        assert_eq!(inode.life, self.life, "the object was recycled meanwhile");
        assert!(
            at >= self.floor && at >= inode.end,
            "an offset is written once in the life of an object"
        );
        if inode.poisoned {
            return Err(self.id.error(IoErrorKind::SyncFailed, IoOp::Append, at));
        }
        let len: u64 = bufs.iter().map(|buf| buf.len() as u64).sum();
        let growth = inode.growth(at, len);
        if !platter.fits(growth) {
            return Err(self.id.error(IoErrorKind::NoSpace, IoOp::Append, at));
        }
        if inode.links > 0 {
            platter.used += growth;
        }
        platter.counters.appends += 1;
        platter.counters.appended_bytes += len;
        if let Some(lie) = platter.lies.meet(false, self.id) {
            inode.skip(at, len);
            drop(inode);
            self.write_wrong(&mut platter, lie, at, bufs);
        } else {
            let shared_unit = (!self.disk.options.psow).then_some(self.disk.options.unit);
            inode.append(at, bufs, shared_unit);
        }
        fate.finish((), IoOp::Append, Some(self.id), at)
    }

    fn sync(&self) -> Result<(), IoError> {
        let mut platter = self.disk.platter.lock();
        platter.counters.syncs += 1;
        let entered = self.enter(&mut platter, IoOp::Sync, 0);
        let mut inode = self.inode.lock();
        match entered {
            Ok(Fate::Proceed) if !inode.poisoned => {
                if platter.lies.meet(true, self.id).is_some() {
                    platter.counters.syncs_lied += 1;
                    return Ok(());
                }
                inode.sync();
                drop(inode);
                platter.names.make_durable(self.id);
                Ok(())
            }
            // The power went, or the object is poisoned: what was unsynced stays so.
            Ok(fate) => {
                inode.poisoned = true;
                fate.finish((), IoOp::Sync, Some(self.id), 0)?;
                Err(self.id.error(IoErrorKind::SyncFailed, IoOp::Sync, 0))
            }
            Err(error) => {
                if !harmless(error.kind) {
                    inode.poisoned = true;
                    platter.counters.syncs_failed += 1;
                }
                Err(error)
            }
        }
    }

    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let mut platter = self.disk.platter.lock();
        self.enter(&mut platter, IoOp::Read, offset)?;
        platter.counters.reads += 1;
        platter.counters.read_bytes += dst.len() as u64;
        let inode = self.inode.lock();
        let end = offset.saturating_add(dst.len() as u64);
        if end > inode.extent {
            return Err(self.id.error(IoErrorKind::ShortRead, IoOp::Read, offset));
        }
        if inode.is_bad(&(offset..end)) {
            platter.counters.media_errors += 1;
            return Err(self.id.error(IoErrorKind::Media, IoOp::Read, offset));
        }
        inode.read(offset, dst);
        Ok(())
    }
}

impl fmt::Debug for SimObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimObject")
            .field("id", &self.id)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
