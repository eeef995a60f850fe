//! Where typed events go.
//!
//! **Invariant: a sink never blocks for long, fails or grows without bound**; what it cannot keep it
//! counts.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use norikv_types::Mono;
use spin::Mutex;

/// Takes events of one type. Each machine has an event type of its own.
pub trait EventSink<E>: Send + Sync {
    /// Takes `event`, which happened at `at`.
    fn emit(&self, at: Mono, event: E);
}

/// Keeps the latest events up to a fixed number, and counts those that it let go. Clones share it.
#[derive(Debug)]
pub struct Ring<E>(Arc<Mutex<Kept<E>>>);

#[derive(Debug)]
struct Kept<E> {
    events: VecDeque<(Mono, E)>,
    capacity: usize,
    dropped: u64,
}

/// What a [`Ring`] held when it was emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained<E> {
    /// Oldest first.
    pub events: Vec<(Mono, E)>,
    /// Events lost before the first of these, since the ring was last emptied.
    pub dropped: u64,
}

impl<E> Ring<E> {
    /// A ring for `capacity` events, allocated at once.
    ///
    /// # Panics
    /// When `capacity` is 0.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a ring holds at least one event");
        let events = VecDeque::with_capacity(capacity);
        Self(Arc::new(Mutex::new(Kept {
            events,
            capacity,
            dropped: 0,
        })))
    }

    /// Takes everything out.
    #[must_use]
    pub fn drain(&self) -> Drained<E> {
        let mut kept = self.0.lock();
        let dropped = core::mem::take(&mut kept.dropped);
        Drained {
            events: kept.events.drain(..).collect(),
            dropped,
        }
    }
}

impl<E> Clone for Ring<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Send> EventSink<E> for Ring<E> {
    fn emit(&self, at: Mono, event: E) {
        let mut kept = self.0.lock();
        if kept.events.len() == kept.capacity {
            kept.events.pop_front();
            kept.dropped += 1;
        }
        kept.events.push_back((at, event));
    }
}

/// Forgets everything.
impl<E> EventSink<E> for () {
    fn emit(&self, _at: Mono, _event: E) {}
}

impl<E, S: EventSink<E> + ?Sized> EventSink<E> for Arc<S> {
    fn emit(&self, at: Mono, event: E) {
        (**self).emit(at, event);
    }
}

#[cfg(test)]
mod tests;
