//! Writes that do not wait for a sync.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nori_env::{BlockStore, Clock, SystemClock};
use nori_lsm::{JobKind, JobState, Log, Lsm, Options, SyncPolicy};
use norikv_testkit::{DiskOptions, SimDisk, SimEntropy, VirtualClock};
use norikv_types::{Prng, WallMs};

use crate::support::{mem, open, small, tiny, work};
use crate::workload::Workload;

const INTERVAL: Duration = Duration::from_millis(10);

fn disk() -> (SimDisk, Arc<dyn BlockStore>) {
    let disk = SimDisk::new(DiskOptions {
        unit: 512,
        recycle: false,
        psow: true,
        ..DiskOptions::default()
    });
    (disk.clone(), Arc::new(disk))
}

#[test]
fn the_tail_of_a_burst_is_synced_by_a_job_when_time_is_up() {
    let (sim, store) = disk();
    let clock = Arc::new(VirtualClock::new(WallMs(0)));
    let options = Options {
        sync: SyncPolicy::Interval(INTERVAL),
        ..small(Log::Own(Arc::clone(&store)))
    };
    let entropy = Arc::new(SimEntropy::new(1));
    let time = Arc::clone(&clock);
    let lsm = Lsm::open_in(Arc::clone(&store), time, entropy, options.clone()).unwrap();
    assert_eq!(lsm.next_due(), None);
    clock.advance(INTERVAL);
    lsm.put(b"a", b"1").unwrap();
    work(&lsm).unwrap();
    assert_eq!(lsm.durable_seqno(), lsm.visible_seqno());
    let durable = lsm.durable_seqno();

    lsm.put(b"b", b"2").unwrap();
    assert!(lsm.next_job().is_none(), "not yet");
    assert_eq!(lsm.durable_seqno(), durable);
    clock.set(lsm.next_due().unwrap());
    let mut job = lsm.next_job().unwrap();
    assert_eq!(job.kind(), JobKind::Sync);
    assert!(lsm.next_job().is_none(), "it is handed out once");
    assert_eq!(job.step(1).unwrap(), JobState::Done);
    assert_eq!((lsm.next_due(), lsm.next_job().is_none()), (None, true));
    assert_eq!(lsm.durable_seqno(), lsm.visible_seqno());

    lsm.put(b"c", b"3").unwrap();
    sim.crash(&mut Prng::new(9));
    drop(lsm);
    let lsm = open(&store, options, 2).unwrap();
    assert_eq!(lsm.get(b"b").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_job_for_a_sync_that_is_given_up_is_handed_out_again() {
    let (_, store) = disk();
    let options = Options {
        sync: SyncPolicy::Interval(Duration::ZERO),
        ..small(Log::Own(Arc::clone(&store)))
    };
    let lsm = open(&store, options, 1).unwrap();
    lsm.put(b"a", b"1").unwrap();
    drop(lsm.next_job().unwrap());
    work(&lsm).unwrap();
    assert_eq!(lsm.durable_seqno(), lsm.visible_seqno());
}

#[test]
fn a_power_cut_leaves_a_prefix_that_holds_all_that_was_called_durable() {
    for (seed, sync) in [
        (21, SyncPolicy::Interval(Duration::ZERO)),
        (22, SyncPolicy::Interval(INTERVAL)),
        (23, SyncPolicy::Never),
    ] {
        let options = |store: &Arc<dyn BlockStore>| Options {
            sync,
            ..tiny(Log::Own(Arc::clone(store)))
        };
        let total = {
            let (sim, store) = disk();
            let lsm = open(&store, options(&store), seed).unwrap();
            Workload::new(seed, 40).run(&lsm, 0).1.unwrap();
            sim.counters().mutations
        };
        let mut lost = 0;
        for cut in 0..total {
            let context = format!("seed {seed}, cut in mutation {cut} of {total}");
            let mut workload = Workload::new(seed, 40);
            let (sim, store) = disk();
            sim.power_off_after(cut);
            // Batches that returned, and those among them that were called durable.
            let (mut done, mut durable) = (0, 0);
            if let Ok(lsm) = open(&store, options(&store), seed) {
                let mut seqnos = Vec::new();
                while done < workload.len() && workload.write(&lsm, done).is_ok() {
                    done += 1;
                    seqnos.push(lsm.visible_seqno());
                    let _ = workload.work(&lsm);
                    let safe = lsm.durable_seqno();
                    durable = seqnos.iter().filter(|seqno| **seqno <= safe).count();
                }
            }
            sim.crash(&mut Prng::new(seed ^ cut));
            let lsm = open(&store, options(&store), seed + 2);
            let lsm = lsm.unwrap_or_else(|error| panic!("{context}: {error}"));
            let recovered = workload.state_of(&lsm).unwrap();
            assert!(
                (durable..=done + 1).contains(&recovered),
                "{context}: {recovered} batches, {done} returned, {durable} durable"
            );
            lost += done.saturating_sub(recovered);
        }
        assert!(
            lost > 0,
            "seed {seed}: nothing that was not durable was ever lost"
        );
    }
}

#[test]
fn the_threads_of_a_store_sync_what_nobody_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        owner: None,
        sync: SyncPolicy::Interval(Duration::from_millis(2)),
        ..small(Log::Inside)
    };
    let lsm = Lsm::open(dir.path(), options).unwrap();
    for round in 0..20_u32 {
        lsm.put(b"key", &round.to_le_bytes()).unwrap();
        let clock = SystemClock;
        let begun = clock.now();
        while lsm.durable_seqno() < lsm.visible_seqno() {
            let waited = clock.now().since(begun);
            assert!(waited < Duration::from_secs(20), "round {round}");
            thread::yield_now();
        }
    }
}

#[test]
fn the_threads_of_a_store_set_the_next_segment_of_its_log_aside() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        owner: None,
        memtable_bytes: 8 << 20,
        batch_bytes_max: 16 << 10,
        log_segment_bytes: 256 << 10,
        ..small(Log::Inside)
    };
    let lsm = Lsm::open(dir.path(), options).unwrap();
    let segments = || {
        let names = std::fs::read_dir(dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().path());
        names
            .filter(|path| path.extension().is_some_and(|word| word == "log"))
            .count()
    };
    let before = segments();
    // A little more than half of the first one.
    for number in 0..140_u32 {
        lsm.put(&number.to_le_bytes(), &[7; 1000]).unwrap();
    }
    let clock = SystemClock;
    let begun = clock.now();
    while segments() == before {
        assert!(clock.now().since(begun) < Duration::from_secs(20));
        thread::yield_now();
    }
    assert_eq!(segments(), before + 1);
}

#[test]
fn batches_that_become_shorter_are_compressed_in_the_log_and_come_back() {
    let bytes = |log_compress_min| {
        let (data, log) = (mem(), mem());
        let options = Options {
            memtable_bytes: 1 << 20,
            log_compress_min,
            ..tiny(Log::Own(Arc::clone(&log)))
        };
        let lsm = open(&data, options.clone(), 1).unwrap();
        for number in 0..50_u8 {
            lsm.put(&[number], &[number; 400]).unwrap();
        }
        drop(lsm);
        let objects = log.list().unwrap().into_iter();
        let bytes = objects
            .map(|id| log.open(id).unwrap().len().unwrap())
            .sum::<u64>();
        let lsm = open(&data, options, 2).unwrap();
        for number in 0..50_u8 {
            assert_eq!(lsm.get(&[number]).unwrap().unwrap()[..], [number; 400]);
        }
        bytes
    };
    let (plain, compressed) = (bytes(None), bytes(Some(200)));
    assert!(compressed * 3 < plain, "{compressed} of {plain}");
}
