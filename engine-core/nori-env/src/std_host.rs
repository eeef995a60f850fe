//! What an ordinary operating system offers: files, clocks, entropy, threads.
//!
//! **Invariant: this is the one place of the engine that touches `std`**, and only behind the
//! feature of that name.

mod dir_object;
mod dir_store;
mod file_device;
mod system;
mod worker_pool;

pub use dir_store::DirStore;
pub use file_device::FileDevice;
pub use system::{OsEntropy, SystemClock};
pub use worker_pool::WorkerPool;

use std::fs::File;
use std::io;

use crate::IoErrorKind;

/// What the engine has to know of an operating system's error.
fn kind_of(error: &io::Error) -> IoErrorKind {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => IoErrorKind::NoSpace,
        Some(Errno::IO) => IoErrorKind::Media,
        Some(Errno::INTR) => IoErrorKind::Interrupted,
        Some(Errno::NOENT) => IoErrorKind::NotFound,
        Some(Errno::EXIST) => IoErrorKind::Exists,
        _ if error.kind() == io::ErrorKind::UnexpectedEof => IoErrorKind::ShortRead,
        _ => IoErrorKind::Other,
    }
}

/// Sets `bytes` of a file aside, where the file system can.
fn set_aside(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::empty(), 0, bytes.max(1)) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
