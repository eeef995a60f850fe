//! The atomics of the list: the processor's, or those that loom watches.

use core::fmt;

#[cfg(not(all(loom, test)))]
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};
#[cfg(all(loom, test))]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};
// Figures that nothing depends on; thumbv7em has no 64-bit cells of its own.
pub(crate) use portable_atomic::{AtomicU64, Ordering};

/// What is written once, before anybody else can reach it. loom checks that readers come after.
pub(crate) struct Written<T>(
    #[cfg(not(all(loom, test)))] T,
    #[cfg(all(loom, test))] loom::cell::UnsafeCell<T>,
);

#[cfg(not(all(loom, test)))]
impl<T> Written<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    #[inline]
    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

#[cfg(all(loom, test))]
impl<T> Written<T> {
    pub(crate) fn new(value: T) -> Self {
        let cell = loom::cell::UnsafeCell::new(value);
        // The write that readers have to come after.
        cell.with_mut(|_| ());
        Self(cell)
    }

    #[expect(unsafe_code, reason = "loom hands out a pointer")]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: written before it was shared, never again; loom has just checked that.
        self.0.with(|value| unsafe { &*value })
    }
}

impl<T> fmt::Debug for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}
