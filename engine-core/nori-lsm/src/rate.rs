//! How fast compactions may go.
//!
//! **Invariant: over any time compactions read no more than the rate allows for it, one step apart;
//! and nothing waits here.** What was read is paid with time that has to pass before the next step
//! is due; whoever steps a job earlier, as a writer does that would stall otherwise, adds to the debt.

use core::time::Duration;

use nori_env::sync::Mutex;
use norikv_types::Mono;

/// The rate of compactions, and what they owe.
#[derive(Debug)]
pub(crate) struct Rate {
    /// 0: any.
    bytes_per_second: u64,
    paid_at: Mutex<Mono>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            paid_at: Mutex::new(Mono::ZERO),
        }
    }

    /// A compaction has read `bytes`.
    pub(crate) fn charge(&self, now: Mono, bytes: u64) {
        if self.bytes_per_second == 0 {
            return;
        }
        let nanos = u128::from(bytes) * NANOS_PER_SECOND / u128::from(self.bytes_per_second);
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX).min(DEBT_NANOS_MAX);
        let mut paid_at = self.paid_at.lock();
        // Time in which nothing was read is not saved up.
        *paid_at = (*paid_at).max(now) + Duration::from_nanos(nanos);
    }

    /// When the next step of a compaction is due; `None`: it is.
    pub(crate) fn due(&self, now: Mono) -> Option<Mono> {
        if self.bytes_per_second == 0 {
            return None;
        }
        let paid_at = *self.paid_at.lock();
        (paid_at > now).then_some(paid_at)
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// A charge is no more than an hour, whatever the rate.
const DEBT_NANOS_MAX: u64 = 3_600 * 1_000_000_000;

#[cfg(test)]
mod tests;
