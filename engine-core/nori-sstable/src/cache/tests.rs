use std::vec::Vec;

use bytes::Bytes;

use super::*;
use crate::block_builder::BlockBuilder;

fn block(bytes: usize) -> Cached {
    let mut builder = BlockBuilder::new(16);
    builder.add(b"", 0, &std::vec![0; bytes]);
    let block = Block::new(builder.finish(Bytes::copy_from_slice)).unwrap();
    Cached::Block(Arc::new(block))
}

fn key(offset: u64) -> CacheKey {
    CacheKey { uid: 1, offset }
}

#[test]
fn the_budget_holds_after_every_insert() {
    let cache = BlockCache::new(100_000);
    for n in 0..1000u64 {
        let bytes = usize::try_from(n * 7919 % 9000).unwrap();
        cache.insert(key(n), block(bytes));
        assert!(cache.stats().bytes <= 100_000);
        if n % 3 == 0 {
            cache.find(key(n / 2));
        }
    }
    assert!(cache.stats().bytes > 80_000, "the space is used");
    assert!(cache.stats().evicted > 800);
}

#[test]
fn a_block_larger_than_a_shard_is_not_kept() {
    let cache = BlockCache::new(10_000);
    cache.insert(key(1), block(100));
    cache.insert(key(2), block(20_000));
    assert!(cache.find(key(2)).is_none());
    assert!(cache.find(key(1)).is_some());
    let none = BlockCache::new(0);
    none.insert(key(1), block(0));
    assert!(none.find(key(1)).is_none());
}

#[test]
fn a_scan_leaves_what_was_asked_for_twice() {
    let cache = BlockCache::new(400_000);
    for n in 0..50 {
        cache.insert(key(n), block(4000));
        cache.find(key(n));
    }
    // Ten times the cache, each block once.
    for n in 1000..2000 {
        assert!(cache.find(key(n)).is_none());
        cache.insert(key(n), block(4000));
    }
    let kept = (0..50).filter(|n| cache.find(key(*n)).is_some()).count();
    assert_eq!(kept, 50);
}

#[test]
fn a_block_that_comes_back_soon_after_it_left_is_kept_through_the_next_scan() {
    let cache = BlockCache::new(400_000);
    let scan = |from: u64| {
        for n in from..from + 110 {
            cache.insert(key(n), block(4000));
        }
    };
    cache.insert(key(1), block(4000));
    scan(1000);
    assert!(cache.find(key(1)).is_none());
    cache.insert(key(1), block(4000));
    scan(3000);
    assert!(cache.find(key(1)).is_some());
}

#[test]
fn tables_with_the_same_offsets_do_not_meet() {
    let cache = BlockCache::new(1 << 20);
    for uid in 0..20 {
        let size = usize::try_from(uid).unwrap();
        cache.insert(CacheKey { uid, offset: 0 }, block(size));
    }
    let empty = block(0).weight();
    for uid in 0..20 {
        let found = cache.find(CacheKey { uid, offset: 0 }).unwrap();
        assert_eq!(found.weight() - empty, uid);
    }
}

#[test]
fn the_same_calls_keep_the_same_blocks() {
    let run = || {
        let cache = BlockCache::new(4 << 20);
        let mut prng = norikv_types::Prng::new(42);
        for _ in 0..20_000 {
            let spread = 1 + prng.below(3000);
            let key = key(prng.below(spread));
            if cache.find(key).is_none() {
                cache.insert(key, block(4000));
            }
        }
        let held = (0..3000).filter(|n| cache.find(key(*n)).is_some());
        (held.collect::<Vec<_>>(), cache.stats())
    };
    let (held, stats) = run();
    assert!(held.len() > 500 && stats.evicted > 1000);
    assert_eq!((held, stats), run());
}

#[test]
fn pins_are_taken_off_the_budget_and_given_back() {
    let cache = BlockCache::new(1_000_000);
    let fill = || (0..2000).for_each(|n| cache.insert(key(n), block(4000)));
    fill();
    let full = cache.stats().bytes;
    cache.pin(400_000);
    let stats = cache.stats();
    assert!(
        stats.bytes + stats.pinned <= 1_000_000,
        "what is too much goes at once"
    );
    assert!(
        !cache.try_pin(200_000),
        "pins by choice leave half the budget"
    );
    assert!(cache.try_pin(100_000));
    fill();
    assert!(cache.stats().bytes <= 500_000);
    cache.pin(2_000_000);
    fill();
    assert_eq!(
        cache.stats().bytes,
        0,
        "pins without a choice may be more than the budget"
    );
    cache.unpin(2_500_000);
    fill();
    assert_eq!((cache.stats().bytes, cache.stats().pinned), (full, 0));
}
