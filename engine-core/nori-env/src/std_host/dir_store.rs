//! A store in a directory: one file an object.
//!
//! **Invariant: a file whose object was synced is found under its name after any crash.** The
//! object's own `sync` syncs the directory once after its creation; nobody else has to.

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::dir_object::DirObject;
use super::{kind_of, set_aside};
use crate::sync::Mutex;
use crate::{BlockObject, BlockStore, Geometry, IoError, IoErrorKind, IoOp, ObjectId, Owner};

/// A store in a directory. The lock is an advisory lock on the file `lock`, so it ends with the
/// process however that ends.
#[derive(Debug)]
pub struct DirStore {
    dir: Arc<Dir>,
}

/// The directory; objects keep it, and with it the lock.
#[derive(Debug)]
pub(super) struct Dir {
    path: PathBuf,
    /// Open for syncing.
    entries: File,
    geometry: Geometry,
    held: Mutex<Option<Held>>,
    /// Nothing may be changed.
    read_only: bool,
}

#[derive(Debug)]
struct Held {
    owner: Owner,
    _lock: File,
}

impl DirStore {
    /// The store in the directory `path`, which is made if it is not there. Units of 4,096 bytes,
    /// power-safe overwrite, recycling.
    ///
    /// # Errors
    /// `Other` and the like when the directory cannot be made, opened or synced.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        Self::open_with(path, GEOMETRY)
    }

    /// The store in the directory `path`, only to be read: nothing is made, and every operation
    /// that would change something fails with `Unsupported`. Works where the directory cannot be
    /// written, and while someone else holds the lock.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory; `Other` and the like when it cannot be opened.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, IoError> {
        let path = path.as_ref();
        let entries = (File::open(path).and_then(|file| match file.metadata()?.is_dir() {
            true => Ok(file),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }))
        .map_err(|error| store_error(&error, IoOp::Open))?;
        Ok(Self {
            dir: Arc::new(Dir {
                path: path.to_path_buf(),
                entries,
                geometry: GEOMETRY,
                held: Mutex::new(None),
                read_only: true,
            }),
        })
    }

    /// As [`open`](Self::open), on a device that behaves as `geometry` says. Its `capacity` is
    /// what the engine is told; the file system decides.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, geometry: Geometry) -> Result<Self, IoError> {
        let path = path.as_ref();
        let entries = open_durably(path).map_err(|error| store_error(&error, IoOp::Open))?;
        Ok(Self {
            dir: Arc::new(Dir {
                path: path.to_path_buf(),
                entries,
                geometry,
                held: Mutex::new(None),
                read_only: false,
            }),
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir.path
    }

    fn object(&self, id: ObjectId, file: File, end: u64, reserved: bool) -> Arc<dyn BlockObject> {
        Arc::new(DirObject::new(
            Arc::clone(&self.dir),
            id,
            file,
            end,
            reserved,
        ))
    }
}

impl Dir {
    fn file(&self, id: ObjectId) -> PathBuf {
        self.path.join(alloc::format!("{id}"))
    }

    /// Makes every name that was given or taken before the call durable.
    pub(super) fn sync_entries(&self) -> io::Result<()> {
        self.entries.sync_all()
    }

    /// # Errors
    /// `Unsupported` where nothing may be changed.
    fn check(&self, error: impl FnOnce(IoErrorKind) -> IoError) -> Result<(), IoError> {
        match self.read_only {
            true => Err(error(IoErrorKind::Unsupported)),
            false => Ok(()),
        }
    }

    fn open_file(&self, id: ObjectId, op: IoOp) -> Result<File, IoError> {
        (OpenOptions::new()
            .read(true)
            .write(!self.read_only)
            .open(self.file(id)))
        .map_err(|error| id.error(kind_of(&error), op, 0))
    }
}

impl BlockStore for DirStore {
    fn geometry(&self) -> Geometry {
        self.dir.geometry
    }

    fn acquire(&self, owner: Owner) -> Result<(), IoError> {
        self.dir.check(|kind| IoError::store(kind, IoOp::Acquire))?;
        let fenced = IoError::store(IoErrorKind::Fenced, IoOp::Acquire);
        let mut held = self.dir.held.lock();
        if let Some(held) = held.as_ref() {
            return if held.owner == owner {
                Ok(())
            } else {
                Err(fenced)
            };
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let lock = (options.open(self.dir.path.join("lock")))
            .map_err(|error| store_error(&error, IoOp::Acquire))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                *held = Some(Held { owner, _lock: lock });
                Ok(())
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(fenced),
            Err(errno) => Err(store_error(&errno.into(), IoOp::Acquire)),
        }
    }

    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        let failed = |error: io::Error| store_error(&error, IoOp::List);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.dir.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            ids.extend(name.to_str().and_then(ObjectId::parse));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        self.dir.check(|kind| id.error(kind, IoOp::Create, 0))?;
        let failed = |error: io::Error| id.error(kind_of(&error), IoOp::Create, 0);
        let path = self.dir.file(id);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = options.open(&path).map_err(failed)?;
        if let Some(bytes) = reserve
            && let Err(error) = prewrite(&file, bytes)
        {
            drop(file);
            fs::remove_file(&path).map_err(failed)?;
            return Err(failed(error));
        }
        Ok(self.object(id, file, 0, reserve.is_some()))
    }

    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let file = self.dir.open_file(id, IoOp::Open)?;
        let metadata =
            (file.metadata()).map_err(|error| id.error(kind_of(&error), IoOp::Open, 0))?;
        Ok(self.object(id, file, metadata.len(), false))
    }

    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        self.dir.check(|kind| old.error(kind, IoOp::Recycle, 0))?;
        if !self.dir.geometry.recycle {
            return Err(old.error(IoErrorKind::Unsupported, IoOp::Recycle, 0));
        }
        let failed = |error: io::Error| old.error(kind_of(&error), IoOp::Recycle, 0);
        let file = self.dir.open_file(old, IoOp::Recycle)?;
        if file.metadata().map_err(failed)?.nlink() > 1 {
            return Err(old.error(IoErrorKind::Unsupported, IoOp::Recycle, 0));
        }
        // Nobody else makes names here: this process holds the lock, and one writer calls.
        if fs::exists(self.dir.file(new)).map_err(failed)? {
            return Err(new.error(IoErrorKind::Exists, IoOp::Recycle, 0));
        }
        fs::rename(self.dir.file(old), self.dir.file(new)).map_err(failed)?;
        Ok(self.object(new, file, 0, true))
    }

    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        self.dir.check(|kind| id.error(kind, IoOp::Delete, 0))?;
        (fs::remove_file(self.dir.file(id)))
            .map_err(|error| id.error(kind_of(&error), IoOp::Delete, 0))
    }

    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        self.dir.check(|kind| from.error(kind, IoOp::Link, 0))?;
        let failed = |error: io::Error| match kind_of(&error) {
            IoErrorKind::Exists => to.error(IoErrorKind::Exists, IoOp::Link, 0),
            kind => from.error(kind, IoOp::Link, 0),
        };
        fs::hard_link(self.dir.file(from), self.dir.file(to)).map_err(failed)
    }

    fn barrier(&self) -> Result<(), IoError> {
        (self.dir.sync_entries())
            .map_err(|_why| IoError::store(IoErrorKind::SyncFailed, IoOp::Barrier))
    }
}

/// Sets `bytes` aside and writes zeros over them, so that overwriting them later changes neither
/// the length nor the extent tree. Synced here, where it is expected to take long.
fn prewrite(file: &File, bytes: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    set_aside(file, bytes)?;
    let zeros = alloc::vec![0u8; usize::try_from(bytes.min(PREWRITE_CHUNK)).unwrap_or(4096)];
    let mut at = 0;
    while at < bytes {
        let chunk = usize::try_from(bytes - at).map_or(zeros.len(), |left| left.min(zeros.len()));
        file.write_all_at(&zeros[..chunk], at)?;
        at += chunk as u64;
    }
    file.sync_data()
}

/// Makes `path` and what is missing above it, each durably, and opens it for syncing.
fn open_durably(path: &Path) -> io::Result<File> {
    if !path.is_dir() {
        if let Some(parent) = path.parent()
            && parent != Path::new("")
        {
            drop(open_durably(parent)?);
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    File::open(path)
}

fn store_error(error: &io::Error, op: IoOp) -> IoError {
    IoError::store(kind_of(error), op)
}

/// What is assumed of a disk.
const GEOMETRY: Geometry = Geometry {
    unit: 4096,
    psow: true,
    recycle: true,
    capacity: None,
};

/// Bytes of zeros written at once. The page cache keeps what comes with one call in one folio, and
/// ext4 looks at every block of a folio when a few bytes of it are written: behind calls of 1 MiB a
/// small append costs 1.2 µs, behind these 0.3.
const PREWRITE_CHUNK: u64 = 16 << 10;

#[cfg(test)]
mod tests;
