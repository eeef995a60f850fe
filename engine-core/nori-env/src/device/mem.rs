//! A device in memory.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::sync::RwLock;
use crate::{BlockDevice, Geometry, IoError, IoErrorKind, IoOp};

/// A device in memory. A clone is another handle on the same blocks.
#[derive(Clone)]
pub struct MemDevice {
    geometry: Geometry,
    blocks: u64,
    bytes: Arc<RwLock<Vec<u8>>>,
}

impl MemDevice {
    /// `blocks` blocks of zeros, 512 bytes each, with power-safe overwrite.
    ///
    /// # Panics
    /// When they do not fit in memory.
    #[must_use]
    pub fn new(blocks: u64) -> Self {
        let geometry = Geometry {
            unit: 512,
            psow: true,
            recycle: true,
            capacity: None,
        };
        Self::with_geometry(blocks, geometry)
    }

    /// `blocks` blocks of zeros that behave as `geometry` says.
    ///
    /// # Panics
    /// When they do not fit in memory, or the unit is not a power of two.
    #[must_use]
    pub fn with_geometry(blocks: u64, geometry: Geometry) -> Self {
        assert!(
            geometry.unit.is_power_of_two(),
            "a unit is a power of two bytes"
        );
        let bytes = usize::try_from(blocks * u64::from(geometry.unit));
        let bytes = vec![0; bytes.expect("the blocks fit in memory")];
        Self {
            geometry,
            blocks,
            bytes: Arc::new(RwLock::new(bytes)),
        }
    }

    /// The bytes of `len` at block `lba`, if the device has them.
    fn range(&self, lba: u64, len: usize) -> Option<core::ops::Range<usize>> {
        let unit = u64::from(self.geometry.unit);
        debug_assert!((len as u64).is_multiple_of(unit), "whole blocks");
        let from = lba.checked_mul(unit)?;
        let to = from.checked_add(len as u64)?;
        (to <= self.blocks * unit).then_some(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }

    fn error(&self, op: IoOp, lba: u64) -> IoError {
        IoError {
            kind: IoErrorKind::ShortRead,
            op,
            object: None,
            offset: lba.saturating_mul(u64::from(self.geometry.unit)),
        }
    }
}

impl BlockDevice for MemDevice {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&self, lba: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let range = self.range(lba, dst.len());
        let range = range.ok_or_else(|| self.error(IoOp::Read, lba))?;
        dst.copy_from_slice(&self.bytes.read()[range]);
        Ok(())
    }

    fn write(&self, lba: u64, src: &[u8]) -> Result<(), IoError> {
        let range = self.range(lba, src.len());
        let range = range.ok_or_else(|| self.error(IoOp::Append, lba))?;
        self.bytes.write()[range].copy_from_slice(src);
        Ok(())
    }

    fn flush(&self) -> Result<(), IoError> {
        Ok(())
    }
}

impl fmt::Debug for MemDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDevice")
            .field("geometry", &self.geometry)
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}
