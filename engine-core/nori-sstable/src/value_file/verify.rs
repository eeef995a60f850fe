//! Reading all of a value file to see whether it is what was written.
//!
//! **Invariant: every byte is covered by a check**: each value against the index, the index against
//! the footer, the footer against the parent; and they lie one behind the other without a gap.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::IntoIter;

use super::{ValueFile, ValueInfo};
use crate::frame::{self, BlockKind};
use crate::{Error, error};

/// A check of a value file in steps, for a scrub in the background.
#[derive(Debug)]
pub struct ValueFileVerifier {
    file: Arc<ValueFile>,
    /// What is left, once the index is read.
    left: Option<IntoIter<ValueInfo>>,
}

impl ValueFileVerifier {
    pub(super) const fn new(file: Arc<ValueFile>) -> Self {
        Self { file, left: None }
    }

    /// Checks values of about `budget` bytes, one at least; true once all is done.
    ///
    /// # Errors
    /// `Corrupt` with the first damage that is met, or `Io`; then the check is over.
    pub fn step(&mut self, budget: u64) -> Result<bool, Error> {
        let left = match &mut self.left {
            Some(left) => left,
            None => self.left.insert(self.file.index()?.into_iter()),
        };
        let file = &self.file;
        let mut spent = 0;
        while spent < budget {
            let values = left.as_slice();
            // As many as are worth one read.
            let bytes = values.iter().scan(0, |sum, value| {
                *sum += u64::from(value.stored_bytes);
                Some(*sum)
            });
            let wanted = (budget - spent).min(READ_BYTES);
            let fits = bytes.take_while(|bytes| *bytes <= wanted);
            let count = fits.count().max(1);
            let batch = values.get(..count).unwrap_or(values);
            let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
                return Ok(true);
            };
            let end = last.offset + u64::from(last.stored_bytes);
            let mut bytes = vec![0; usize::try_from(end - first.offset).unwrap_or(usize::MAX)];
            let read = file.object.read_at(first.offset, &mut bytes);
            read.map_err(|failed| error::from_read(failed, file.object_id(), first.offset))?;
            let mut rest = &*bytes;
            for value in batch {
                let (framed, behind) = rest
                    .split_at_checked(value.stored_bytes as usize)
                    .unwrap_or((rest, &[]));
                rest = behind;
                frame::open_copied(file.meta.uid, value.handle(), BlockKind::Value, framed)
                    .map_err(|what| file.corrupt(value.offset, what))?;
            }
            spent += end - first.offset;
            for _ in 0..count {
                left.next();
            }
        }
        Ok(left.as_slice().is_empty())
    }
}

const READ_BYTES: u64 = 256 << 10;
