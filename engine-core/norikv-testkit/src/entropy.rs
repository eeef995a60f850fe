//! Randomness that a seed repeats.

use nori_env::Entropy;
use nori_env::sync::Mutex;
use norikv_types::Prng;

/// An [`Entropy`] drawn from a seed: the same seed draws the same numbers everywhere.
#[derive(Debug)]
pub struct SimEntropy(Mutex<Prng>);

impl SimEntropy {
    /// The source for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Prng::new(seed)))
    }
}

impl Entropy for SimEntropy {
    fn draw(&self) -> u64 {
        self.0.lock().next_u64()
    }
}
