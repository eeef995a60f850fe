//! Time that moves only when the test moves it.
//!
//! **Invariant: `now` never goes back.** The wall clock may, and each node's may differ.

mod drifting;

use core::time::Duration;

use nori_env::Clock;
use nori_env::sync::{AtomicU64, Ordering};
use norikv_types::{Mono, WallMs};

pub use self::drifting::DriftingClock;

/// The clock of one node: read by everything on that node, set by the simulation alone.
#[derive(Debug)]
pub struct VirtualClock {
    now: AtomicU64,
    /// Wall time when `now` was zero; moving it is a clock jump.
    wall_at_zero: AtomicU64,
}

impl VirtualClock {
    /// A clock that stands at zero and whose wall clock shows `wall`.
    #[must_use]
    pub const fn new(wall: WallMs) -> Self {
        Self {
            now: AtomicU64::new(0),
            wall_at_zero: AtomicU64::new(wall.0),
        }
    }

    /// Sets the monotonic time; the wall clock moves along.
    ///
    /// # Panics
    /// When `now` lies before the present reading.
    pub fn set(&self, now: Mono) {
        assert!(self.now() <= now, "a monotonic clock never goes back");
        self.now.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Moves the monotonic time on by `by`.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Lets the wall clock jump by `by_ms`, forward or back. The monotonic time does not notice.
    pub fn jump_wall(&self, by_ms: i64) {
        let base = self.wall_at_zero.load(Ordering::Relaxed);
        self.wall_at_zero
            .store(base.saturating_add_signed(by_ms), Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Mono {
        Mono::from_nanos(self.now.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallMs {
        let since = self.now.load(Ordering::Relaxed) / 1_000_000;
        WallMs(
            self.wall_at_zero
                .load(Ordering::Relaxed)
                .saturating_add(since),
        )
    }
}

#[cfg(test)]
mod tests;
