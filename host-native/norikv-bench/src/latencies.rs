//! How long operations took.
//!
//! **Invariant: every operation that is counted has its own time in here**, to three significant
//! digits; nothing is sampled or averaged away.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The times of operations, from 1 ns to 10 minutes.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of the operations took at most this long.
    pub p50_us: f64,
    /// 99 of 100 did.
    pub p99_us: f64,
    /// 999 of 1,000 did.
    pub p999_us: f64,
    /// All did.
    pub max_us: f64,
}

impl Latencies {
    /// No operation yet.
    #[must_use]
    pub fn new() -> Self {
        let histogram = Histogram::new_with_max(NANOS_MAX, 3);
        Self(histogram.expect("the bounds are constants that the histogram takes"))
    }

    /// Adds an operation.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(NANOS_MAX);
        self.0.saturating_record(nanos.max(1));
    }

    /// Adds the operations of `other`.
    pub fn merge(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("both have the same bounds");
    }

    /// Operations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What share of the operations took how long; zeros when there was none.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        Percentiles {
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max() as f64 / 1e3,
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

/// Longer ones are taken as this.
const NANOS_MAX: u64 = 600_000_000_000;

#[cfg(test)]
mod tests;
