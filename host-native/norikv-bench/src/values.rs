//! What is stored under the keys.
//!
//! **Invariant: a value is made from its key's index alone, and compresses to about half.** Its
//! first half is random, its second half repeats the first, as with db_bench's ratio of 0.5.

use norikv_types::Prng;

/// Fills `value` with the value of key `index`.
pub fn write_value(index: u64, value: &mut [u8]) {
    let mut prng = Prng::new(index);
    let half = value.len().div_ceil(2);
    let (random, repeated) = value.split_at_mut(half);
    for part in random.chunks_mut(8) {
        let word = prng.next_u64().to_le_bytes();
        part.copy_from_slice(&word[..part.len()]);
    }
    let rest = repeated.len();
    repeated.copy_from_slice(&random[..rest]);
}

/// Whether `value` is one that [`write_value`] made for `index`, judged by its length and its first
/// bytes: cheap enough to be asked of every read that is measured.
#[must_use]
pub fn is_value_of(index: u64, value: &[u8], bytes: usize) -> bool {
    let word = Prng::new(index).next_u64().to_le_bytes();
    let compared = word.len().min(bytes.div_ceil(2));
    value.len() == bytes && value[..compared] == word[..compared]
}

#[cfg(test)]
mod tests;
