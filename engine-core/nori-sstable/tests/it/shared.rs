//! Tables under several threads and one small cache.

use std::sync::Arc;

use nori_env::MemStore;
use nori_sstable::{SeqNo, TableOptions, ValueKind};
use norikv_types::Prng;

use crate::common::{self, Version};

#[test]
fn threads_that_share_a_table_and_a_cache_that_is_too_small_read_right_values() {
    let entries: Vec<Version> = (0..5_000u32)
        .map(|n| {
            (
                n.to_be_bytes().to_vec(),
                1,
                ValueKind::Put,
                vec![n.to_le_bytes()[0]; 80],
            )
        })
        .collect();
    let store = MemStore::new();
    let meta = common::build(&store, &entries, TableOptions::default());
    let table = common::open(&store, &meta, 60_000);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (table, entries) = (Arc::clone(&table), &entries);
            scope.spawn(move || {
                let mut prng = Prng::new(seed);
                for _ in 0..3_000 {
                    let pick = usize::try_from(prng.below(entries.len() as u64)).unwrap();
                    let found = table.get(&entries[pick].0, SeqNo::MAX).unwrap().unwrap();
                    assert_eq!(*found.value, *entries[pick].3, "seed {seed}");
                }
                assert_eq!(common::scan(&table).unwrap(), *entries, "seed {seed}");
            });
        }
    });
}

#[test]
fn values_of_a_mebibyte_and_more_are_read_back() {
    let entries: Vec<Version> = [0u32, 1, 65_535, 65_536, 1 << 20, (1 << 20) + 4096, 16 << 20]
        .iter()
        .map(|bytes| {
            let mixed = |n: u32| n.wrapping_mul(0x9E37_79B1).to_le_bytes()[3];
            let user = format!("{bytes:010}").into_bytes();
            (user, 1, ValueKind::Put, (0..*bytes).map(mixed).collect())
        })
        .collect();
    let table = common::table(&entries, TableOptions::default());
    for (user, _, _, value) in &entries {
        assert!(table.get(user, SeqNo(1)).unwrap().unwrap().value == value);
    }
    assert!(common::scan(&table).unwrap() == entries);
    assert!(common::scan_back(&table).unwrap().len() == entries.len());
}

#[test]
fn the_longest_key_is_found() {
    let key = |last: u8| {
        let mut key = vec![b'k'; 65_534];
        key.push(last);
        key
    };
    let entries: Vec<Version> = (0..20)
        .map(|last| (key(last), 1, ValueKind::Put, vec![last]))
        .collect();
    let table = common::table(&entries, TableOptions::default());
    for (user, _, _, value) in &entries {
        assert_eq!(table.get(user, SeqNo(1)).unwrap().unwrap().value, value);
    }
    assert_eq!(common::scan(&table).unwrap(), entries);
}
