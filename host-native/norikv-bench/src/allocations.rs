//! Counts what is taken from the heap, where a program says that it wants to know.
//!
//! **Invariant: nothing is counted outside of [`counted`],** so whatever else is measured pays one
//! relaxed load for an allocation.
#![expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; this one hands every call on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// The system's allocator, counted. A program makes it its global allocator.
#[derive(Debug)]
pub struct CountingAllocator;

/// What was taken from the heap meanwhile, by all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Allocations {
    /// How often memory was asked for; growing a block counts.
    pub count: u64,
    /// Bytes that are held more than before; less if negative.
    pub bytes: i64,
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

/// Does `work` and says what it took from the heap: nothing where the program has another
/// allocator. One caller at a time.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Allocations) {
    let before = Allocations::so_far();
    COUNTING.store(true, Relaxed);
    let result = work();
    COUNTING.store(false, Relaxed);
    let after = Allocations::so_far();
    let taken = Allocations {
        count: after.count - before.count,
        bytes: after.bytes - before.bytes,
    };
    (result, taken)
}

/// Does `work` without counting it, within [`counted`].
pub(crate) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let was = COUNTING.swap(false, Relaxed);
    let result = work();
    COUNTING.store(was, Relaxed);
    result
}

impl Allocations {
    fn so_far() -> Self {
        Self {
            count: COUNT.load(Relaxed),
            bytes: BYTES.load(Relaxed),
        }
    }
}

fn note(count: u64, bytes: i64) {
    if COUNTING.load(Relaxed) {
        COUNT.fetch_add(count, Relaxed);
        BYTES.fetch_add(bytes, Relaxed);
    }
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to `System` with the arguments as they came; counting touches atomics only.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -signed(layout.size()));
        // SAFETY: `System` gave the block out, since every call goes there.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, signed(size) - signed(layout.size()));
        // SAFETY: as in `dealloc`; the caller's promise about `size` is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
