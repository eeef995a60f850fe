//! Key → shard: xxh64 with seed 0 of the key, or of the tag in its braces, then jump consistent hash.
//!
//! **Invariant: the shard of a key never changes.** Stored keys begin with it.

use norikv_types::ShardId;
use xxhash_rust::xxh64::xxh64;

/// Number of virtual shards. Fixed for all time: it is part of the stored format.
pub const SHARD_COUNT: u16 = 1_024;

/// The shard that `key` belongs to, below [`SHARD_COUNT`].
#[must_use]
pub fn shard_of(key: &[u8]) -> ShardId {
    ShardId(jump(xxh64(tag(key), 0), SHARD_COUNT))
}

/// What of a key decides its shard: what stands between its first `{` and the next `}`, if anything
/// does; else all of it. So keys with one tag are together, for transactions over them.
fn tag(key: &[u8]) -> &[u8] {
    let open = key.iter().position(|byte| *byte == b'{');
    let tagged = open.and_then(|open| key.get(open + 1..));
    let tag = tagged.and_then(|rest| {
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close)
    });
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

/// Jump consistent hash, as published ("A Fast, Minimal Memory, Consistent Hash Algorithm",
/// Lamping & Veach, 2014, figure 1): one of `buckets`, ln(buckets) rounds.
///
/// The arithmetic is finite f64 division and multiplication, which every host rounds alike.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast is the paper's floor; the operand is positive and below 2^52"
)]
fn jump(mut key: u64, buckets: u16) -> u16 {
    let mut bucket = 0_u16;
    let mut next = 0_u64;
    while next < u64::from(buckets) {
        bucket = next as u16;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let draw = f64::from((key >> 33) as u32 + 1);
        next = (f64::from(u32::from(bucket) + 1) * (TWO_TO_31 / draw)) as u64;
    }
    bucket
}

const TWO_TO_31: f64 = 2_147_483_648.0;

#[cfg(test)]
mod tests;
