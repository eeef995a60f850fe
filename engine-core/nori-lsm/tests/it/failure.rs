//! Operations of the store that fail while it runs.

use std::sync::Arc;

use nori_env::{BlockStore, IoErrorKind, IoOp, ObjectKind};
use nori_lsm::{Error, JobState, Log, Lsm};
use norikv_testkit::FailPoint;
use norikv_types::Prng;

use crate::support::{disk, open, tiny, work};
use crate::workload::Workload;

fn reopen(store: &Arc<dyn BlockStore>, seed: u64) -> Result<Lsm, Error> {
    open(store, tiny(Log::Own(Arc::clone(store))), seed)
}

#[test]
fn a_full_disk_at_any_moment_loses_nothing_and_work_goes_on_once_there_is_room() {
    for op in [IoOp::Append, IoOp::Create] {
        for skip in 0..90 {
            let context = format!("{op} {skip}");
            let (sim, store) = disk();
            let mut workload = Workload::new(21, 30);
            let lsm = reopen(&store, 1).unwrap();
            sim.fail(FailPoint::nth(op, skip, IoErrorKind::NoSpace).times(3));
            for number in 0..workload.len() {
                let mut tries = 0;
                while let Err(error) = workload.write(&lsm, number) {
                    tries += 1;
                    assert!(
                        tries < 8,
                        "{context}: batch {number} never got through: {error}"
                    );
                }
                let _ = workload.work(&lsm);
                assert_eq!(workload.state_of(&lsm).unwrap(), number + 1, "{context}");
            }
            sim.clear_failures();
            lsm.flush().unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(
                workload.state_of(&lsm).unwrap(),
                workload.len(),
                "{context}"
            );
            drop(lsm);
            sim.crash(&mut Prng::new(skip));
            let lsm = reopen(&store, 2).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(
                workload.state_of(&lsm).unwrap(),
                workload.len(),
                "{context}"
            );
        }
    }
}

#[test]
fn a_failed_sync_at_any_moment_loses_nothing_acknowledged() {
    for skip in 0..120 {
        for error in [IoErrorKind::SyncFailed, IoErrorKind::Other] {
            let op = match error {
                IoErrorKind::SyncFailed => IoOp::Sync,
                _ => IoOp::Append,
            };
            let context = format!("{error:?} at {op} {skip}");
            let (sim, store) = disk();
            let mut workload = Workload::new(22, 40);
            let lsm = reopen(&store, 1).unwrap();
            sim.fail(FailPoint::nth(op, skip, error));
            let (acknowledged, _) = workload.run(&lsm, 0);
            let seen = workload.state_of(&lsm).unwrap();
            assert_eq!(seen, acknowledged, "{context}: readers go on");
            drop(lsm);
            sim.crash(&mut Prng::new(skip));
            let lsm = reopen(&store, 2).unwrap_or_else(|e| panic!("{context}: {e}"));
            let recovered = workload.state_of(&lsm).unwrap();
            assert!(
                (acknowledged..=acknowledged + 1).contains(&recovered),
                "{context}: {recovered} where {acknowledged} were acknowledged"
            );
            workload.run(&lsm, recovered).1.unwrap();
            assert_eq!(
                workload.state_of(&lsm).unwrap(),
                workload.len(),
                "{context}"
            );
        }
    }
}

/// Found by the storage world, seed 19: the manifest took it for a failed sync.
#[test]
fn an_interrupted_append_at_any_moment_changes_nothing() {
    for skip in 0..90 {
        let (sim, store) = disk();
        let mut workload = Workload::new(23, 30);
        let lsm = reopen(&store, 1).unwrap();
        let interrupted = FailPoint::nth(IoOp::Append, skip, IoErrorKind::Interrupted);
        sim.fail(interrupted.times(3));
        for number in 0..workload.len() {
            while let Err(error) = workload.write(&lsm, number) {
                let text = error.to_string();
                assert!(text.contains("interrupted"), "append {skip}: {text}");
            }
            let _ = workload.work(&lsm);
        }
        lsm.flush().unwrap_or_else(|e| panic!("append {skip}: {e}"));
        assert_eq!(workload.state_of(&lsm).unwrap(), workload.len());
    }
}

#[test]
fn a_flush_without_room_keeps_its_memtable_and_is_handed_out_again_after_a_pause() {
    let (sim, store) = disk();
    let clock = Arc::new(norikv_testkit::VirtualClock::new(norikv_types::WallMs(0)));
    let options = tiny(Log::External);
    let retry = options.retry;
    let entropy = Arc::new(norikv_testkit::SimEntropy::new(1));
    let lsm = Lsm::open_in(store, clock.clone(), entropy, options).unwrap();
    lsm.put(b"key", b"value").unwrap();
    lsm.rotate();
    sim.fail(FailPoint::next(IoOp::Append, IoErrorKind::NoSpace).on(ObjectKind::Table));
    let mut job = lsm.next_job().unwrap();
    let error = loop {
        match job.step(1) {
            Ok(state) => assert_eq!(state, JobState::More),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Table(_)), "{error:?}");
    assert_eq!(job.step(1), Err(error), "it has ended");
    drop(job);
    assert_eq!(lsm.get(b"key").unwrap().unwrap(), "value");
    assert_eq!(lsm.stats().memtables_waiting, 1);
    assert!(lsm.next_job().is_none(), "not at once");
    clock.advance(retry);
    work(&lsm).unwrap();
    assert_eq!(lsm.stats().memtables_waiting, 0);
    assert_eq!(lsm.stats().failures, 1);
    assert_eq!(lsm.get(b"key").unwrap().unwrap(), "value");
}

/// Found by the storage world, seed 42: tables of failed compactions were deleted only once there
/// was nothing to compact, which never came.
#[test]
fn what_a_failing_compaction_leaves_behind_does_not_fill_the_disk() {
    let (sim, store) = disk();
    let clock = Arc::new(norikv_testkit::VirtualClock::new(norikv_types::WallMs(0)));
    let options = nori_lsm::Options {
        fresh_runs_min: 1,
        fresh_runs_max: 100,
        // Level 0 is merged with the last level, never laid upon anything.
        level_base_bytes: 1 << 20,
        ..tiny(Log::External)
    };
    let retry = options.retry;
    let entropy = Arc::new(norikv_testkit::SimEntropy::new(1));
    let lsm = Lsm::open_in(Arc::clone(&store), clock.clone(), entropy, options).unwrap();
    let tables = || {
        let listed = store.list().unwrap().into_iter();
        listed
            .filter(|id| id.kind == ObjectKind::Table)
            .collect::<Vec<_>>()
    };
    let fill = || {
        for number in 0..40_u32 {
            lsm.put(&number.to_be_bytes(), &[7; 30]).unwrap();
        }
        lsm.flush().unwrap();
    };
    fill();
    work(&lsm).unwrap();
    // The merge gets there after it has written most of the others anew.
    assert!(sim.break_sector(*tables().last().unwrap(), 0));
    fill();
    let live = tables().len();
    let mut failed = 0;
    for _ in 0..50 {
        failed += u32::from(work(&lsm).is_err());
        clock.advance(retry * 64);
    }
    assert!(failed > 20, "the compaction failed {failed} times");
    assert!(
        tables().len() <= 2 * live,
        "{} tables, {live} live",
        tables().len()
    );
}

/// Found by the storage world, seed 477: each opening adds segments, and only a flush let go of any.
#[test]
fn a_store_that_is_opened_and_closed_again_and_again_keeps_a_short_log() {
    let (_, store) = disk();
    for seed in 0..30 {
        let lsm = reopen(&store, seed).unwrap();
        if seed == 0 {
            lsm.put(b"key", b"value").unwrap();
            lsm.flush().unwrap();
        }
        lsm.close().unwrap();
        drop(lsm);
        let logs = store.list().unwrap().into_iter();
        let logs = logs.filter(|id| id.kind == ObjectKind::Log).count();
        assert!(logs <= 3, "{logs} segments after opening {seed}");
    }
}

/// Found by the exhaustive runs: the manifest that a failed barrier kept named one that the next
/// rollover deleted, and the store did not open any more.
#[test]
fn manifests_that_could_not_be_deleted_still_lead_to_the_one_that_counts() {
    for (op, error) in [
        (IoOp::Barrier, IoErrorKind::SyncFailed),
        (IoOp::Delete, IoErrorKind::Other),
    ] {
        let (sim, store) = disk();
        let lsm = open(&store, tiny(Log::External), 1).unwrap();
        let count = || {
            let listed = store.list().unwrap().into_iter();
            listed.filter(|id| id.kind == ObjectKind::Manifest).count()
        };
        let mut left = 300;
        sim.fail(FailPoint::next(op, error));
        while left > 0 {
            lsm.put(b"key", format!("{left}").as_bytes()).unwrap();
            lsm.flush().unwrap();
            let _ = work(&lsm);
            left -= 1;
        }
        assert!(count() <= 2, "{} manifests", count());
        drop(lsm);
        sim.restart();
        let lsm = open(&store, tiny(Log::External), 2).unwrap();
        assert_eq!(lsm.get(b"key").unwrap().unwrap(), "1", "{op}");
    }
}
