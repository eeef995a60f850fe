//! A growing array that never moves its items.
//!
//! **Invariant: an index, once initialised, names the same item for ever.** Items live in chunks
//! that double in size and are allocated when first needed; nothing is ever moved or freed before
//! the whole array is.

use alloc::boxed::Box;
use core::fmt;

use spin::Once;

/// A growing array whose items are found without a lock.
pub(crate) struct Chunked<T> {
    chunks: [Once<Box<[T]>>; CHUNK_COUNT],
}

impl<T: Default> Chunked<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: [const { Once::new() }; CHUNK_COUNT],
        }
    }

    /// Item `index`, made with its chunk if it is not there yet. Only the writer calls this.
    pub(crate) fn at_or_default(&self, index: u32) -> &T {
        let (chunk, within) = locate(index);
        let items = self.chunks[chunk].call_once(|| {
            (0..FIRST_CHUNK_LEN << chunk)
                .map(|_| T::default())
                .collect()
        });
        &items[within]
    }

    /// Item `index`.
    ///
    /// # Panics
    /// When its chunk was never made.
    pub(crate) fn at(&self, index: u32) -> &T {
        let (chunk, within) = locate(index);
        let items = self.chunks[chunk]
            .get()
            .expect("a published index lies in a chunk that exists");
        &items[within]
    }
}

impl<T> fmt::Debug for Chunked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunked").finish_non_exhaustive()
    }
}

/// The chunk that holds `index`, and the place in it: chunk `c` holds `FIRST_CHUNK_LEN << c` items.
fn locate(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST_CHUNK_LEN);
    let chunk = shifted.ilog2() - FIRST_CHUNK_LEN.ilog2();
    let within = shifted - (u64::from(FIRST_CHUNK_LEN) << chunk);
    (
        chunk as usize,
        usize::try_from(within).expect("a chunk that was allocated can be indexed"),
    )
}

/// Items of the first chunk; each further chunk has twice as many as the one before.
const FIRST_CHUNK_LEN: u32 = 64;
/// Enough for every `u32` index.
const CHUNK_COUNT: usize = 27;

#[cfg(test)]
mod tests;
