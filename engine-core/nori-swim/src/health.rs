//! Local health: how far to trust one's own "no answer" (Lifeguard §III, LHA-Probe).
//!
//! **Invariant: 0 ≤ score ≤ max.** Each point stretches the protocol period and the probe timeout by
//! one base value, so that a slow node accuses less and waits longer.

use core::time::Duration;

/// The local health multiplier, 0 when all is well.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    score: u32,
    max: u32,
}

impl Health {
    pub(crate) const fn new(max: u32) -> Self {
        Self { score: 0, max }
    }

    /// A probe was answered in time.
    pub(crate) fn improve(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// `points` signs that the fault may be here: a failed probe, missed nacks, a refuted suspicion.
    pub(crate) fn worsen(&mut self, points: u32) {
        self.score = self.score.saturating_add(points).min(self.max);
    }

    pub(crate) const fn score(&self) -> u32 {
        self.score
    }

    /// `base` as this health stretches it.
    pub(crate) fn stretch(&self, base: Duration) -> Duration {
        base.saturating_mul(self.score + 1)
    }
}

#[cfg(test)]
mod tests;
