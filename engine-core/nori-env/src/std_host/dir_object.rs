//! One file of a [`DirStore`](super::DirStore).
//!
//! **Invariant: after a failed sync nothing is appended or synced through this object again.** The
//! page cache may have dropped the bytes and would call the next sync a success.

use alloc::sync::Arc;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::dir_store::Dir;
use super::kind_of;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::{Advice, BlockObject, IoError, IoErrorKind, IoOp, ObjectId};

#[derive(Debug)]
pub(super) struct DirObject {
    dir: Arc<Dir>,
    id: ObjectId,
    file: File,
    /// Where the last append ended.
    end: AtomicU64,
    /// The file has its length already; appends within it do not change it.
    reserved: bool,
    /// The directory was synced since this object was created or opened.
    entry_durable: AtomicBool,
    poisoned: AtomicBool,
}

impl DirObject {
    pub(super) fn new(dir: Arc<Dir>, id: ObjectId, file: File, end: u64, reserved: bool) -> Self {
        Self {
            dir,
            id,
            file,
            end: AtomicU64::new(end),
            reserved,
            entry_durable: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        }
    }

    fn write(&self, at: u64, bufs: &[&[u8]]) -> io::Result<u64> {
        let mut to = at;
        for buf in bufs {
            self.file.write_all_at(buf, to)?;
            to += buf.len() as u64;
        }
        Ok(to)
    }

    fn check_usable(&self, op: IoOp, offset: u64) -> Result<(), IoError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(self.id.error(IoErrorKind::SyncFailed, op, offset));
        }
        Ok(())
    }
}

impl BlockObject for DirObject {
    fn id(&self) -> ObjectId {
        self.id
    }

    fn len(&self) -> Result<u64, IoError> {
        let metadata = self.file.metadata();
        let failed = |error| self.id.error(kind_of(&error), IoOp::Len, 0);
        Ok(metadata.map_err(failed)?.len())
    }

    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        self.check_usable(IoOp::Append, at)?;
        let before = self.end.load(Ordering::Acquire);
        assert!(at >= before, "an append never goes back");
        match self.write(at, bufs) {
            Ok(end) => {
                self.end.store(end, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                let kind = kind_of(&error);
                if kind == IoErrorKind::NoSpace && !self.reserved {
                    // None of it counts: the length is again what it was. If that fails too, the
                    // bytes behind the end are as unspecified as after any other failure.
                    drop(self.file.set_len(before));
                }
                Err(self.id.error(kind, IoOp::Append, at))
            }
        }
    }

    fn sync(&self) -> Result<(), IoError> {
        self.check_usable(IoOp::Sync, 0)?;
        let mut synced = self.file.sync_data();
        if synced.is_ok() && !self.entry_durable.load(Ordering::Acquire) {
            synced = self.dir.sync_entries();
            self.entry_durable.store(synced.is_ok(), Ordering::Release);
        }
        synced.map_err(|_why| {
            self.poisoned.store(true, Ordering::Release);
            self.id.error(IoErrorKind::SyncFailed, IoOp::Sync, 0)
        })
    }

    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let fits =
            (offset.checked_add(dst.len() as u64)).is_some_and(|end| i64::try_from(end).is_ok());
        if !fits {
            return Err(self.id.error(IoErrorKind::ShortRead, IoOp::Read, offset));
        }
        (self.file.read_exact_at(dst, offset))
            .map_err(|error| self.id.error(kind_of(&error), IoOp::Read, offset))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn advise(&self, advice: Advice) {
        use rustix::fs::Advice as Hint;
        let hint = match advice {
            Advice::Sequential => Hint::Sequential,
            Advice::Random => Hint::Random,
            Advice::DontNeed => Hint::DontNeed,
        };
        // A hint: nothing depends on its being taken.
        let _taken = rustix::fs::fadvise(&self.file, 0, None, hint);
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn advise(&self, _advice: Advice) {}
}
