//! The one source of randomness inside the engine: the same seed draws the same numbers everywhere.

use core::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A seeded generator (xoshiro256++). Not for secrets.
#[derive(Debug, Clone)]
pub struct Prng(Xoshiro256PlusPlus);

impl Prng {
    /// A generator for `seed`; every seed is good, 0 included.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A generator of its own for a part of the system, so that one part's draws do not shift another's.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }

    /// Uniform over all 64-bit values.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..bound` (Lemire's multiply-shift; the bias is below 2⁻³² for bounds under 2³²).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(u64::MAX)
    }

    /// True `parts` times in a million.
    pub fn chance_ppm(&mut self, parts: u32) -> bool {
        self.below(1_000_000) < u64::from(parts)
    }

    /// Uniform in `min..=max`, in nanoseconds.
    ///
    /// # Panics
    /// When `min` is above `max`, or either exceeds 584 years.
    pub fn duration(&mut self, min: Duration, max: Duration) -> Duration {
        assert!(min <= max, "an empty range has no duration in it");
        let span = u64::try_from((max - min).as_nanos()).unwrap_or(u64::MAX - 1);
        min + Duration::from_nanos(self.below(span + 1))
    }

    /// Shuffles `items` in place (Fisher–Yates), each order as likely as any other.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for upper in (1..items.len()).rev() {
            let pick = self.below(upper as u64 + 1);
            items.swap(upper, usize::try_from(pick).unwrap_or(upper));
        }
    }
}

#[cfg(test)]
mod tests;
