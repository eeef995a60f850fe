//! What a node's clock shows at each moment of the world.
//!
//! **Invariant: what it shows never goes back, and [`world`](DriftingClock::world) finds the very
//! nanosecond at which a time is first shown.** Whole numbers only, so it is the same everywhere.

use core::time::Duration;

use norikv_types::Mono;

/// A monotonic clock that runs too fast or too slow, and now and then jumps ahead, as after a
/// machine was suspended.
///
/// ```
/// use core::time::Duration;
/// use norikv_testkit::DriftingClock;
/// use norikv_types::Mono;
///
/// let mut clock = DriftingClock::new(500);
/// let second = Mono::ZERO + Duration::from_secs(1);
/// assert_eq!(clock.local(second), second + Duration::from_micros(500));
/// assert_eq!(clock.world(clock.local(second)), second);
/// clock.jump(second, Duration::from_secs(60));
/// assert_eq!(clock.local(second), second + Duration::from_micros(60_000_500));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriftingClock {
    /// Nanoseconds of its own in a million of the world's.
    rate: u64,
    /// When it was set last, in the world's time.
    since: Mono,
    /// What it showed then.
    shown: Mono,
}

impl DriftingClock {
    /// A clock that shows zero at the world's zero and gains `drift_ppm` nanoseconds in a million.
    ///
    /// # Panics
    /// When it would stand still or run backwards: at -1,000,000 or less.
    #[must_use]
    pub const fn new(drift_ppm: i32) -> Self {
        Self {
            rate: rate(drift_ppm),
            since: Mono::ZERO,
            shown: Mono::ZERO,
        }
    }

    /// What it shows at `world`. Before it was set last it shows what it was set to.
    #[must_use]
    pub fn local(&self, world: Mono) -> Mono {
        let elapsed = world.as_nanos().saturating_sub(self.since.as_nanos());
        let own = if self.rate == MILLION {
            elapsed
        } else {
            scale(elapsed, self.rate, MILLION, Round::Down)
        };
        Mono::from_nanos(self.shown.as_nanos().saturating_add(own))
    }

    /// The first moment, not before it was set last, at which it shows `local` or more.
    /// [`Mono::MAX`], which never comes, stays what it is.
    #[must_use]
    pub fn world(&self, local: Mono) -> Mono {
        if local == Mono::MAX {
            return local;
        }
        let own = local.as_nanos().saturating_sub(self.shown.as_nanos());
        let elapsed = if self.rate == MILLION {
            own
        } else {
            scale(own, MILLION, self.rate, Round::Up)
        };
        Mono::from_nanos(self.since.as_nanos().saturating_add(elapsed))
    }

    /// Jumps ahead by `by` at `world`, as when the machine was suspended for so long.
    pub fn jump(&mut self, world: Mono, by: Duration) {
        self.shown = self.local(world) + by;
        self.since = self.since.max(world);
    }

    /// Runs at another rate from `world` on. What it shows at that moment stays.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn set_drift(&mut self, world: Mono, drift_ppm: i32) {
        self.jump(world, Duration::ZERO);
        self.rate = rate(drift_ppm);
    }
}

enum Round {
    Down,
    Up,
}

const fn rate(drift_ppm: i32) -> u64 {
    let rate = MILLION.saturating_add_signed(drift_ppm as i64);
    assert!(rate > 0, "a clock moves on");
    rate
}

/// `nanos` times `by` over `over`.
fn scale(nanos: u64, by: u64, over: u64, round: Round) -> u64 {
    let rest = match round {
        Round::Down => 0,
        Round::Up => over - 1,
    };
    let small = nanos.checked_mul(by).and_then(|own| own.checked_add(rest));
    if let Some(product) = small {
        return product / over;
    }
    let wide = u128::from(nanos) * u128::from(by) + u128::from(rest);
    u64::try_from(wide / u128::from(over)).unwrap_or(u64::MAX)
}

const MILLION: u64 = 1_000_000;

#[cfg(test)]
mod tests;
