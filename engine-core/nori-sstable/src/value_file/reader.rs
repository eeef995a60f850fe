//! Reads values of one file in the order in which they lie, or nearly.
//!
//! **Invariant: what is given was verified against its pointer, wherever its bytes came from.** From the
//! second value on that is not cached and lies shortly behind the one before, a growing range is read
//! at once: who goes through keys in order meets the values of a flush in order, with gaps.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{ValueFile, ValuePointer};
use crate::{Error, IterOptions, error};

/// A position in a value file.
#[derive(Debug)]
pub struct ValueReader {
    file: Arc<ValueFile>,
    options: IterOptions,
    /// A range that was read at once, from `start` on.
    start: u64,
    bytes: Vec<u8>,
    /// Bytes to read the next time.
    next_bytes: u32,
    /// Where the value ended that was read last, if not from the cache.
    end: Option<u64>,
}

impl ValueReader {
    pub(super) const fn new(file: Arc<ValueFile>, options: IterOptions) -> Self {
        Self {
            file,
            options,
            start: 0,
            bytes: Vec::new(),
            next_bytes: READ_AHEAD_FIRST,
            end: None,
        }
    }

    /// The file that it reads.
    #[must_use]
    pub fn file(&self) -> &Arc<ValueFile> {
        &self.file
    }

    /// The value under `pointer`.
    ///
    /// # Errors
    /// As [`ValueFile::read`].
    pub fn read(&mut self, pointer: &ValuePointer) -> Result<Bytes, Error> {
        let handle = self.file.check(pointer)?;
        if let Some(value) = self.file.cached(pointer) {
            return Ok(value);
        }
        let end = handle.offset + u64::from(handle.length);
        let follows = self.end.is_some_and(|last| {
            last <= handle.offset && handle.offset - last < u64::from(self.options.read_ahead_bytes)
        });
        self.end = Some(end);
        if self.held(pointer).is_none() {
            let rest = self.file.meta().data_bytes - handle.offset;
            let wanted = u64::from(self.next_bytes.max(handle.length)).min(rest);
            if !follows || handle.length >= self.options.read_ahead_bytes {
                self.next_bytes = READ_AHEAD_FIRST;
                return self.file.read(pointer, self.options.fill_cache);
            }
            self.next_bytes = (self.next_bytes * 2).min(self.options.read_ahead_bytes);
            self.bytes.clear();
            self.bytes.resize(usize::try_from(wanted).unwrap_or(0), 0);
            self.start = handle.offset;
            let read = self.file.object.read_at(self.start, &mut self.bytes);
            if let Err(failed) = read {
                self.bytes.clear();
                // Only what was asked for counts.
                return match error::from_read(failed, self.file.object_id(), handle.offset) {
                    Error::Corrupt { .. } => self.file.read(pointer, self.options.fill_cache),
                    error => Err(error),
                };
            }
        }
        let framed = self.held(pointer).unwrap_or(&[]);
        self.file.admit(pointer, framed, self.options.fill_cache)
    }

    /// The block of the value, if it lies in what was read at once.
    fn held(&self, pointer: &ValuePointer) -> Option<&[u8]> {
        let from = usize::try_from(pointer.offset.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(pointer.length as usize)?;
        self.bytes.get(from..to)
    }
}

const READ_AHEAD_FIRST: u32 = 16 << 10;
