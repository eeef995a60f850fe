//! The next group is staged while one syncs.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use nori_env::MemStore;
use nori_wal::{Options, SyncPolicy};
use norikv_testkit::{StoreStep, WatchedStore};

use crate::support::{Seeded, open, small};

/// Appends of several threads while one syncs: how many syncs there were in all.
fn syncs_of(policy: SyncPolicy, threads: u8) -> usize {
    let (begun, begins) = channel();
    let (open_gate, go_on) = channel();
    // Syncs say that they begin and wait until they may go on, once there is a gate.
    let gate = Arc::new(Mutex::new(None::<Receiver<()>>));
    let store = WatchedStore::new(MemStore::new(), {
        let gate = Arc::clone(&gate);
        move |step| {
            if let (StoreStep::Syncing(_), Some(go_on)) = (step, &*gate.lock().unwrap()) {
                begun.send(()).unwrap();
                go_on.recv().unwrap();
            }
        }
    });
    let options = Options {
        sync: policy,
        ..small()
    };
    let (wal, ..) = open(store, &Seeded::new(1), &options).unwrap();
    *gate.lock().unwrap() = Some(go_on);
    let mut syncs = 0;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| wal.append(&[b"first"]).unwrap());
        begins.recv().unwrap();
        // The first group is being synced; everybody else stages the next one meanwhile.
        let staged = wal.end_lsn();
        let others: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn({
                    let wal = &wal;
                    move || wal.append(&[&[number; 20]]).unwrap()
                })
            })
            .collect();
        if policy == SyncPolicy::Group {
            let all = staged.0 + 40 + u64::from(threads) * 28;
            while wal.end_lsn().0 < all {
                std::thread::yield_now();
            }
            assert!(wal.durable_lsn() < staged, "none of it is durable yet");
        }
        open_gate.send(()).unwrap();
        syncs += 1;
        let expected = if policy == SyncPolicy::Group {
            1
        } else {
            usize::from(threads)
        };
        for _ in 0..expected {
            begins.recv().unwrap();
            syncs += 1;
            open_gate.send(()).unwrap();
        }
        first.join().unwrap();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(wal.durable_lsn(), wal.end_lsn());
        assert!(begins.try_recv().is_err(), "no more syncs than that");
    });
    assert_eq!(
        wal.iter_from(wal.first_lsn()).unwrap().count(),
        usize::from(threads) + 1
    );
    syncs
}

#[test]
fn whoever_comes_while_a_group_syncs_shares_the_next_sync() {
    for threads in [1, 5, 15] {
        assert_eq!(syncs_of(SyncPolicy::Group, threads), 2);
    }
}

#[test]
fn with_always_nobody_shares_a_sync() {
    assert_eq!(syncs_of(SyncPolicy::Always, 5), 6);
}
