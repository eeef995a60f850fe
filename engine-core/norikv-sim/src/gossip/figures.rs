//! How fast news of deaths travels.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// How long after its death a member was first suspected, first declared faulty, and held for live
/// by nobody any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// The first suspicion.
    pub first_suspect: Spread,
    /// The first verdict.
    pub first_faulty: Spread,
    /// When each other member knew.
    pub all_know: Spread,
}

/// Some durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread(Vec<Duration>);

impl Spread {
    pub(super) fn add(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.0.len().max(1)).unwrap_or(u32::MAX);
        self.0.iter().sum::<Duration>() / count
    }

    /// The one that 99 of 100 do not exceed.
    #[must_use]
    pub fn p99(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_suspect,
            first_faulty,
            all_know,
        } = self;
        write!(
            f,
            "first suspect {first_suspect}, first faulty {first_faulty}, all know {all_know}"
        )
    }
}

impl fmt::Display for Spread {
    /// `1.90 / 2.51 s`: mean and 99th percentile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mean, p99] = [self.mean(), self.p99()].map(|d| d.as_millis() / 10);
        write!(
            f,
            "{}.{:02} / {}.{:02} s",
            mean / 100,
            mean % 100,
            p99 / 100,
            p99 % 100
        )
    }
}
