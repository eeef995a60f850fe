//! Memory that is handed out in pieces and freed as a whole.
//!
//! **Invariant: a piece stays where it is, and belongs to whoever asked for it alone, until the
//! arena is dropped.** Pieces are cut from chunks, one after the other; no chunk is ever moved,
//! reused or freed before.
#![expect(unsafe_code, reason = "chunks are raw memory")]

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

/// A bump allocator.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// The free end of the newest chunk: where it begins, and its length.
    free: Option<(NonNull<u8>, usize)>,
    /// Length of the newest chunk that pieces are cut from.
    chunk_bytes: usize,
}

#[derive(Debug)]
struct Chunk {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: an arena owns its chunks as a `Vec<u8>` owns its buffer; nothing in it is tied to a thread.
unsafe impl Send for Arena {}

impl Arena {
    /// A piece for `layout`, uninitialised; valid until the arena is dropped.
    ///
    /// # Panics
    /// When `layout` is empty or asks for more than [`ALIGN`].
    pub(crate) fn piece(&mut self, layout: Layout) -> NonNull<u8> {
        assert!(layout.size() > 0 && layout.align() <= ALIGN);
        let layout = layout.pad_to_align();
        if let Some(piece) = self.cut(layout) {
            return piece;
        }
        if layout.size() > CHUNK_BYTES_MAX / 8 {
            // What is left of the newest chunk stays in use.
            return self.chunk(layout.size());
        }
        let grown = (self.chunk_bytes * 2).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        self.chunk_bytes = grown.max(layout.size());
        let start = self.chunk(self.chunk_bytes);
        self.free = Some((start, self.chunk_bytes));
        self.cut(layout).expect("a new chunk has room")
    }

    /// A piece off the newest chunk, if it has room for it.
    fn cut(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let (free, left) = self.free?;
        let skipped = free.align_offset(layout.align());
        let taken = skipped.checked_add(layout.size())?;
        let rest = left.checked_sub(taken)?;
        // SAFETY: `taken <= left`, the bytes between `free` and the chunk's end; so both results
        // lie in the chunk, the second at most at its end.
        let (piece, free) = unsafe { (free.add(skipped), free.add(taken)) };
        self.free = Some((free, rest));
        Some(piece)
    }

    /// A new chunk of at least `bytes`.
    fn chunk(&mut self, bytes: usize) -> NonNull<u8> {
        let layout = Layout::from_size_align(bytes, ALIGN).expect("a chunk fits in memory");
        self.chunks.reserve(1);
        // SAFETY: `bytes` is not 0, neither as a piece's size nor as a chunk's.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout);
        };
        self.chunks.push(Chunk { start, layout });
        start
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: allocated by `chunk` with this layout, and freed nowhere else.
            unsafe { dealloc(chunk.start.as_ptr(), chunk.layout) };
        }
    }
}

/// The coarsest alignment of a piece.
pub(crate) const ALIGN: usize = 16;
const CHUNK_BYTES_MIN: usize = 1 << 10;
const CHUNK_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
