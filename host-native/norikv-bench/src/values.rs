//! What is stored under the keys.
//!
//! **Invariant: a value is made from its key's index and its version alone, and compresses to about
//! half.** Its first half is random, its second half repeats the first, as with db_bench's
//! ratio of 0.5.

use crate::keys::scatter;

/// Fills `value` with what version `version` of key `index` holds.
pub fn write_value(index: u64, version: u32, value: &mut [u8]) {
    let seed = seed(index, version);
    let half = value.len().div_ceil(2);
    let (random, repeated) = value.split_at_mut(half);
    for (at, part) in random.chunks_mut(8).enumerate() {
        part.copy_from_slice(&word(seed, at)[..part.len()]);
    }
    let rest = repeated.len();
    repeated.copy_from_slice(&random[..rest]);
}

/// Whether `value` is what version `version` of key `index` holds: its length, and up to
/// [`WORDS_COMPARED`] words of each half, evenly spread. A value of 256 bytes or less is compared
/// whole, and the check costs little beside any read.
#[must_use]
pub fn is_value_of(index: u64, version: u32, value: &[u8], bytes: usize) -> bool {
    if value.len() != bytes {
        return false;
    }
    let seed = seed(index, version);
    let half = bytes.div_ceil(2);
    let (random, repeated) = value.split_at(half);
    let words = half.div_ceil(8);
    let step = words.div_ceil(WORDS_COMPARED).max(1);
    (0..words).step_by(step).all(|at| {
        let expected = word(seed, at);
        let is_at = |part: &[u8]| {
            let from = (at * 8).min(part.len());
            let part = &part[from..part.len().min(from + 8)];
            *part == expected[..part.len()]
        };
        is_at(random) && is_at(repeated)
    })
}

fn seed(index: u64, version: u32) -> u64 {
    scatter(index ^ (u64::from(version) << 40))
}

/// Word `at` of a stream that looks random (SplitMix64, entered anywhere).
fn word(seed: u64, at: usize) -> [u8; 8] {
    scatter(seed.wrapping_add((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))).to_le_bytes()
}

/// Words of each half that are compared.
pub const WORDS_COMPARED: usize = 16;

#[cfg(test)]
mod tests;
