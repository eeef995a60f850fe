//! A histogram with fixed logarithmic buckets, four to the octave.
//!
//! **Invariant: every u64 falls into exactly one bucket, and a bucket's upper bound exceeds its
//! lower bound by less than a quarter of it.** Values 0 to 7 have buckets of their own.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use portable_atomic::{AtomicU64, Ordering};

/// A distribution of values. Clones record together.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram held when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    count: u64,
    sum: u64,
    /// (greatest value of the bucket, values in it), ascending, without empty ones.
    buckets: Vec<(u64, u64)>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cells {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }))
    }

    /// Records `value`; two relaxed atomic additions.
    pub fn record(&self, value: u64) {
        if let Some(bucket) = self.0.buckets.get(bucket_of(value)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was recorded so far. Its count is that of its buckets; under concurrent recording its
    /// sum may be ahead of them or behind.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let mut read = Distribution {
            sum: self.0.sum.load(Ordering::Relaxed),
            ..Distribution::default()
        };
        for (index, bucket) in self.0.buckets.iter().enumerate() {
            let held = bucket.load(Ordering::Relaxed);
            if held > 0 {
                read.count += held;
                read.buckets.push((upper_bound(index), held));
            }
        }
        read
    }
}

impl Distribution {
    /// Number of values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the values, modulo 2⁶⁴.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// (greatest value that the bucket takes, number of values in it), ascending, empty ones left out.
    #[must_use]
    pub fn buckets(&self) -> &[(u64, u64)] {
        &self.buckets
    }

    /// Number of values in buckets that lie wholly at or below `bound`.
    #[must_use]
    pub fn count_up_to(&self, bound: u64) -> u64 {
        let below = self.buckets.iter().take_while(|(upper, _)| *upper <= bound);
        below.map(|(_, held)| held).sum()
    }

    /// A bound that at least `per_mille` thousandths of the values do not exceed, at most a quarter
    /// above the true quantile; 0 for an empty distribution.
    #[must_use]
    pub fn quantile(&self, per_mille: u32) -> u64 {
        let rank = (u128::from(self.count) * u128::from(per_mille.min(1_000))).div_ceil(1_000);
        let mut seen = 0_u128;
        for (upper, held) in &self.buckets {
            seen += u128::from(*held);
            if seen >= rank {
                return *upper;
            }
        }
        0
    }
}

/// Below 8 the value itself; above, four buckets for each power of two.
fn bucket_of(value: u64) -> usize {
    if value < 8 {
        return usize::from(value.to_le_bytes()[0]);
    }
    let octave = 63 - value.leading_zeros();
    let quarter = (value >> (octave - 2)) & 3;
    4 * (octave as usize - 1) + usize::from(quarter.to_le_bytes()[0])
}

/// The greatest value of a bucket.
const fn upper_bound(bucket: usize) -> u64 {
    if bucket < 8 {
        return bucket as u64;
    }
    let octave = bucket / 4 + 1;
    let width = 1_u64 << (octave - 2);
    let lower = (4 + (bucket as u64 & 3)) << (octave - 2);
    lower + (width - 1)
}

const BUCKETS: usize = 4 * 62 + 4;
const _: () = assert!(upper_bound(BUCKETS - 1) == u64::MAX);

#[cfg(test)]
mod tests;
