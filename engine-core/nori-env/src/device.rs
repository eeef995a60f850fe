//! A raw device: numbered blocks of one size.
//!
//! **Invariant: what was written before a `flush` that returned `Ok` survives any later crash.** Of
//! the blocks written since, a crash leaves any subset, each old, new or torn.

use core::fmt;

use crate::{Geometry, IoError};

mod mem;

pub use self::mem::MemDevice;

/// Numbered blocks of [`Geometry::unit`] bytes. A device belongs to one
/// [`ExtentStore`](crate::ExtentStore), which keeps readers and writers of one block apart.
pub trait BlockDevice: Send + Sync + fmt::Debug {
    /// How the blocks behave: `unit` is their size; with `psow` a block that is torn in writing is
    /// a mixture of its old and its new bytes, without it anything.
    fn geometry(&self) -> Geometry;

    /// How many blocks there are. Never changes.
    fn blocks(&self) -> u64;

    /// Fills `dst`, a whole number of blocks, from block `lba` on.
    ///
    /// # Errors
    /// `ShortRead` beyond the last block; `Media` where the device gives up. `dst` is unspecified
    /// then.
    fn read(&self, lba: u64, dst: &mut [u8]) -> Result<(), IoError>;

    /// Writes `src`, a whole number of blocks, from block `lba` on.
    ///
    /// # Errors
    /// Whatever the host reports: each block of the range is old, new or torn.
    fn write(&self, lba: u64, src: &[u8]) -> Result<(), IoError>;

    /// Makes every block written before the call durable.
    ///
    /// # Errors
    /// `SyncFailed`: what was written since the last good flush is lost or not, and no later flush
    /// can tell.
    fn flush(&self) -> Result<(), IoError>;

    /// A hint that the content of `blocks` blocks from `lba` is not needed any more; they read as
    /// anything until they are written.
    fn discard(&self, _lba: u64, _blocks: u64) {}
}
