//! Writes a value file front to back.
//!
//! **Invariant: a value file that has a [`ValueFileMeta`] is durable.** Values are appended as they
//! come; of each, its length and checksum wait in memory for the index.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::BlockObject;

use super::footer::{FOOTER_BYTES, Footer};
use crate::frame::{BlockKind, Framer};
use crate::{Compression, Error, VALUE_BYTES_MAX, ValueFileMeta, ValuePointer, varint};

/// Builds one value file into an empty object. Dropped before [`finish`](Self::finish), it leaves
/// debris that no manifest names.
pub struct ValueFileBuilder {
    object: Arc<dyn BlockObject>,
    uid: u64,
    framer: Framer,
    /// The payload of the index.
    index: Vec<u8>,
    values: u64,
    /// Framed bytes on their way to the object.
    pending: Vec<u8>,
    /// Bytes that the object holds.
    appended: u64,
}

/// Bytes that are gathered before an append.
const APPEND_BYTES: usize = 256 << 10;

impl ValueFileBuilder {
    /// A builder into `object`, which has to be empty. `uid` is drawn at random for each file.
    #[must_use]
    pub fn new(object: Arc<dyn BlockObject>, uid: u64, compression: Compression) -> Self {
        Self {
            object,
            uid,
            framer: Framer::new(uid, compression),
            index: Vec::new(),
            values: 0,
            pending: Vec::new(),
            appended: 0,
        }
    }

    /// Appends a value, and says where it lies.
    ///
    /// # Errors
    /// `ValueTooLarge`: it was not added and the builder goes on. `Io`: the file cannot be finished;
    /// drop it.
    pub fn add(&mut self, value: &[u8]) -> Result<ValuePointer, Error> {
        if value.len() > VALUE_BYTES_MAX as usize {
            return Err(Error::ValueTooLarge {
                bytes: value.len() as u64,
                max: VALUE_BYTES_MAX,
            });
        }
        let offset = self.data_bytes();
        let handle = self
            .framer
            .put(&mut self.pending, offset, BlockKind::Value, value);
        varint::put(&mut self.index, u64::from(handle.length));
        self.index.extend_from_slice(&handle.checksum.to_le_bytes());
        self.values += 1;
        if self.pending.len() >= APPEND_BYTES {
            self.append()?;
        }
        Ok(ValuePointer::new(self.uid, handle))
    }

    /// Bytes of the values so far, as stored.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.appended + self.pending.len() as u64
    }

    /// Writes the rest and syncs the object.
    ///
    /// # Errors
    /// `Empty`: nothing was added and nothing written. `Io`: the object is debris.
    pub fn finish(mut self) -> Result<ValueFileMeta, Error> {
        if self.values == 0 {
            return Err(Error::Empty);
        }
        let data_bytes = self.data_bytes();
        let payload = core::mem::take(&mut self.index);
        let pending = &mut self.pending;
        let index = self
            .framer
            .put(pending, data_bytes, BlockKind::ValueIndex, &payload);
        let size = self.data_bytes() + FOOTER_BYTES as u64;
        let footer = Footer {
            uid: self.uid,
            size,
            index,
            values: self.values,
        };
        let (bytes, footer_checksum) = footer.encode();
        self.pending.extend_from_slice(&bytes);
        self.append()?;
        self.object.sync()?;
        Ok(ValueFileMeta {
            uid: self.uid,
            size,
            data_bytes,
            values: self.values,
            footer_checksum,
        })
    }

    fn append(&mut self) -> Result<(), Error> {
        self.object.append(self.appended, &[&self.pending])?;
        self.appended += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl fmt::Debug for ValueFileBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueFileBuilder")
            .field("uid", &self.uid)
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}
