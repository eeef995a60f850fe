//! Counts the bytes of heap that a thread holds.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; this one only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that this thread allocated and nobody freed, less those it freed for others.
pub(crate) fn live() -> i64 {
    LIVE.get()
}

fn count(bytes: i64) {
    // A thread that ends frees more than it can count.
    let _ended = LIVE.try_with(|live| live.set(live.get() + bytes));
}

fn bytes(layout: Layout) -> i64 {
    i64::try_from(layout.size()).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(bytes(layout));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-bytes(layout));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
