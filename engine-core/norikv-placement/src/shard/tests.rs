use std::collections::BTreeMap;
use std::format;

use super::*;

#[test]
fn known_keys_keep_their_shards_for_ever() {
    assert_eq!(shard_of(b"hello"), ShardId(309));
    assert_eq!(shard_of(b"world"), ShardId(752));
    assert_eq!(shard_of(b"user:123"), ShardId(928));
}

#[test]
fn jump_with_one_more_bucket_moves_keys_only_into_the_new_bucket() {
    for buckets in [1_u16, 2, 7, 100, 1_023] {
        let mut moved = 0_u32;
        for key in 0..20_000_u64 {
            let hashed = xxh64(&key.to_le_bytes(), 0);
            let (before, after) = (jump(hashed, buckets), jump(hashed, buckets + 1));
            if before != after {
                assert_eq!(after, buckets, "key {key} moved between old buckets");
                moved += 1;
            }
        }
        let fair = 20_000 / (u32::from(buckets) + 1);
        assert!(
            moved < fair * 2 + 30,
            "{moved} of 20000 moved at {buckets} buckets"
        );
    }
}

#[test]
fn keys_spread_evenly_over_the_shards() {
    let mut counts = BTreeMap::<ShardId, u32>::new();
    for i in 0..1_024_000_u32 {
        *counts
            .entry(shard_of(format!("user:{i}").as_bytes()))
            .or_default() += 1;
    }
    assert_eq!(counts.len(), usize::from(SHARD_COUNT));
    // Mean 1,000, standard deviation 31.6: six of them is far outside what 1,024 draws reach.
    for (shard, count) in counts {
        assert!((810..=1_190).contains(&count), "{shard} got {count} keys");
    }
}

#[test]
fn keys_with_one_tag_are_together_and_others_are_not_moved_by_braces() {
    for key in [b"{user7}.name".as_slice(), b"{user7}", b"a{user7}b{other}"] {
        assert_eq!(shard_of(key), shard_of(b"user7"), "{key:?}");
    }
    // Nothing between the braces, or no pair: the whole key counts.
    let whole = |key: &[u8]| ShardId(jump(xxh64(key, 0), SHARD_COUNT));
    for key in [b"{}x".as_slice(), b"}x{", b"{x", b"x}", b"{}{user7}"] {
        assert_eq!(shard_of(key), whole(key), "{key:?}");
    }
}
