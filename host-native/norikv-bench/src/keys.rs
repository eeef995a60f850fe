//! Which keys there are, and which one comes next.
//!
//! **Invariant: the same seed draws the same keys on every machine.** Key `i` is made from `i`
//! alone: the indexes below `n` are the keys that are stored, in an order that looks random, and any
//! other index is a key that lies among them and is not stored.

use norikv_types::Prng;

/// Fills `key` with the text of key `index`: hexadecimal digits, evenly spread over the key space,
/// different for every index once there are 16 of them.
pub fn write_key(index: u64, key: &mut [u8]) {
    let mut word = index;
    for part in key.chunks_mut(16) {
        word = scatter(word);
        for (at, digit) in part.iter_mut().enumerate() {
            let nibble = (word >> (60 - 4 * at)) & 0xf;
            *digit = DIGITS[usize::try_from(nibble).unwrap_or(0)];
        }
    }
}

/// A bijection on 64-bit numbers that looks random (the finaliser of SplitMix64).
#[must_use]
pub const fn scatter(index: u64) -> u64 {
    let mut word = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The index that [`scatter`] made `word` of.
#[must_use]
pub const fn gather(word: u64) -> u64 {
    let mut index = word ^ (word >> 31) ^ (word >> 62);
    index = index.wrapping_mul(0x3196_42b2_d24d_8ec3);
    index = index ^ (index >> 27) ^ (index >> 54);
    index = index.wrapping_mul(0x96de_1b17_3f11_9089);
    index = index ^ (index >> 30) ^ (index >> 60);
    index.wrapping_sub(0x9e37_79b9_7f4a_7c15)
}

/// Draws indexes below a bound.
#[derive(Debug, Clone)]
pub struct Choice {
    count: u64,
    prng: Prng,
    zipf: Option<Zipf>,
}

/// Constants of the zipfian generator of Gray et al. (Quickly generating billion-record synthetic
/// databases, §3.2), as YCSB uses it.
#[derive(Debug, Clone, Copy)]
struct Zipf {
    zeta: f64,
    alpha: f64,
    eta: f64,
    second: f64,
}

impl Choice {
    /// Every index below `count` as likely as any other.
    ///
    /// # Panics
    /// When `count` is 0.
    #[must_use]
    pub fn uniform(count: u64, seed: u64) -> Self {
        assert!(count > 0, "there is nothing to choose from");
        Self {
            count,
            prng: Prng::new(seed),
            zipf: None,
        }
    }

    /// Index `i` with a probability in proportion to (i + 1)^−theta. Takes time in proportion to
    /// `count`.
    ///
    /// # Panics
    /// When `count` is below 2, or `theta` is not between 0 and 1.
    #[must_use]
    pub fn zipf(count: u64, theta: f64, seed: u64) -> Self {
        assert!(count >= 2, "one index needs no distribution");
        assert!(theta > 0.0 && theta < 1.0, "theta is between 0 and 1");
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-theta)).sum();
        let first_two = 1.0 + 0.5_f64.powf(theta);
        let zipf = Zipf {
            zeta,
            alpha: 1.0 / (1.0 - theta),
            eta: (1.0 - (2.0 / count as f64).powf(1.0 - theta)) / (1.0 - first_two / zeta),
            second: first_two,
        };
        Self {
            zipf: Some(zipf),
            ..Self::uniform(count, seed)
        }
    }

    /// The next index.
    pub fn draw(&mut self) -> u64 {
        let Some(zipf) = self.zipf else {
            return self.prng.below(self.count);
        };
        // 53 bits are what a double holds.
        let unit = self.prng.below(1 << 53) as f64 / (1_u64 << 53) as f64;
        let scaled = unit * zipf.zeta;
        if scaled < 1.0 {
            0
        } else if scaled < zipf.second {
            1
        } else {
            let rank = self.count as f64 * (zipf.eta * unit - zipf.eta + 1.0).powf(zipf.alpha);
            to_index(rank).min(self.count - 1)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the fraction is to be cut, and no rank is negative"
)]
const fn to_index(rank: f64) -> u64 {
    rank as u64
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests;
