//! Many threads, real files.

use std::sync::Arc;

use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{DirStore, OsEntropy};
use nori_wal::{Options, Replayed, Wal};
use norikv_testkit::{StoreStep, WatchedStore};

#[test]
fn concurrent_appenders_share_syncs_and_lose_nothing_over_rotations_and_releases() {
    let root = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 256 << 10,
        first_segment_bytes: 256 << 10,
        batch_bytes_max: 16 << 10,
        ..Options::default()
    };
    let syncs = Arc::new(AtomicU64::new(0));
    let store = || {
        let syncs = Arc::clone(&syncs);
        WatchedStore::new(DirStore::open(root.path()).unwrap(), move |step| {
            syncs.fetch_add(
                u64::from(matches!(step, StoreStep::Syncing(_))),
                Ordering::Relaxed,
            );
        })
    };
    let (wal, _) = Wal::open(store(), Arc::new(OsEntropy), options.clone(), &mut |_| {}).unwrap();
    let (threads, each) = (16u64, 100u64);
    let before = syncs.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let wal = &wal;
            scope.spawn(move || {
                let mut last = 0;
                for number in 0..each {
                    let mut record = vec![7; 500];
                    record[..8].copy_from_slice(&(thread * each + number).to_le_bytes());
                    let end = wal.append(&[&record, b"second"]).unwrap();
                    assert!(end.0 > last && wal.durable_lsn() >= end);
                    last = end.0;
                }
            });
        }
        scope.spawn(|| {
            while wal.durable_lsn().0 < threads * each * 500 {
                let mut iter = wal.iter_from(wal.first_lsn()).unwrap();
                assert!(
                    iter.all(|record| record.is_ok()),
                    "a reader sees whole records only"
                );
                std::thread::yield_now();
            }
        });
    });
    let shared = syncs.load(Ordering::Relaxed) - before;
    assert!(
        shared < threads * each / 2,
        "{shared} syncs for {} appends",
        threads * each
    );
    assert!(wal.segments().len() > 3);
    drop(wal);
    let mut numbers = Vec::new();
    let opened = Wal::open(store(), Arc::new(OsEntropy), options, &mut |replayed| {
        if let Replayed::Record { payload, .. } = replayed
            && let Some((number, _)) = payload.split_first_chunk()
            && payload.len() == 500
        {
            numbers.push(u64::from_le_bytes(*number));
        }
    });
    let (_, recovery) = opened.unwrap();
    assert_eq!(recovery.records, 2 * threads * each);
    for thread in 0..threads {
        let own = numbers.iter().filter(|number| **number / each == thread);
        let expected = thread * each..(thread + 1) * each;
        assert!(
            own.copied().eq(expected),
            "thread {thread} in its own order"
        );
    }
}
