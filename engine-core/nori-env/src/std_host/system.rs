//! The operating system's clock and entropy.

use std::time::{SystemTime, UNIX_EPOCH};

use norikv_types::{Mono, WallMs};
use rustix::time::{ClockId, clock_gettime};

use crate::{Clock, Entropy};

/// The system's clocks. The monotonic one counts the time that the machine is suspended, so a lease
/// does not outlive a lid that was closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SystemClock;

/// The system's generator; each draw is a system call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OsEntropy;

impl Clock for SystemClock {
    fn now(&self) -> Mono {
        let time = clock_gettime(SUSPEND_AWARE);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Mono::from_nanos(seconds * 1_000_000_000 + nanos)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that the lint points to"
    )]
    fn wall(&self) -> WallMs {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Entropy for OsEntropy {
    /// # Panics
    /// When the operating system has no entropy to give: uids would repeat.
    fn draw(&self) -> u64 {
        getrandom::u64().expect("the operating system gives random bytes")
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const SUSPEND_AWARE: ClockId = ClockId::Boottime;
// Elsewhere the monotonic clock is the nearest there is.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SUSPEND_AWARE: ClockId = ClockId::Monotonic;

#[cfg(test)]
mod tests;
