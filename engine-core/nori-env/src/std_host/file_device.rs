//! A device in a file, or a block device of the operating system.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{kind_of, set_aside};
use crate::{BlockDevice, Geometry, IoError, IoErrorKind, IoOp};

/// A device in a file, or a block device of the operating system such as `/dev/sdb`. Blocks of 4,096
/// bytes, power-safe overwrite. Locked as long as it is open, so two processes never share it.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    blocks: u64,
}

impl FileDevice {
    /// Makes the file `path` of `blocks` blocks, which must not be there, and sets them aside.
    ///
    /// # Errors
    /// `Exists`, `NoSpace`, `Other`; then the file may be there, shorter.
    pub fn create(path: impl AsRef<Path>, blocks: u64) -> Result<Self, IoError> {
        let failed = |error: io::Error| IoError::store(kind_of(&error), IoOp::Create);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = options.open(path.as_ref()).map_err(failed)?;
        let bytes = blocks.saturating_mul(u64::from(UNIT));
        set_aside(&file, bytes).map_err(failed)?;
        file.set_len(bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let parent = path
            .as_ref()
            .parent()
            .filter(|parent| *parent != Path::new(""));
        let entries = File::open(parent.unwrap_or_else(|| Path::new("."))).map_err(failed)?;
        entries.sync_all().map_err(failed)?;
        Self::open(path)
    }

    /// Opens the file or block device `path`; it has as many blocks as are whole.
    ///
    /// # Errors
    /// `NotFound`; `Fenced` when somebody has it open as a device; `Other`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        let failed = |error: io::Error| IoError::store(kind_of(&error), IoOp::Open);
        let mut options = OpenOptions::new();
        let mut file = (options.read(true).write(true).open(path)).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(IoError::store(IoErrorKind::Fenced, IoOp::Open));
            }
            locked => locked.map_err(|errno| failed(errno.into()))?,
        }
        // A block device says its size only to those who seek.
        let bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self {
            file,
            blocks: bytes / u64::from(UNIT),
        })
    }

    fn offset(&self, op: IoOp, lba: u64, len: usize) -> Result<u64, IoError> {
        debug_assert!(len.is_multiple_of(UNIT as usize), "whole blocks");
        let end = lba.checked_add(len as u64 / u64::from(UNIT));
        match end.is_some_and(|end| end <= self.blocks) {
            true => Ok(lba * u64::from(UNIT)),
            false => Err(IoError::store(IoErrorKind::ShortRead, op)),
        }
    }
}

impl BlockDevice for FileDevice {
    fn geometry(&self) -> Geometry {
        Geometry {
            unit: UNIT,
            psow: true,
            recycle: true,
            capacity: None,
        }
    }

    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&self, lba: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let offset = self.offset(IoOp::Read, lba, dst.len())?;
        let read = self.file.read_exact_at(dst, offset);
        read.map_err(|error| device_error(&error, IoOp::Read, offset))
    }

    fn write(&self, lba: u64, src: &[u8]) -> Result<(), IoError> {
        let offset = self.offset(IoOp::Append, lba, src.len())?;
        let written = self.file.write_all_at(src, offset);
        written.map_err(|error| device_error(&error, IoOp::Append, offset))
    }

    fn flush(&self) -> Result<(), IoError> {
        let flushed = self.file.sync_data();
        flushed.map_err(|_why| IoError::store(IoErrorKind::SyncFailed, IoOp::Sync))
    }
}

fn device_error(error: &io::Error, op: IoOp, offset: u64) -> IoError {
    IoError {
        kind: kind_of(error),
        op,
        object: None,
        offset,
    }
}

const UNIT: u32 = 4096;

#[cfg(test)]
mod tests;
