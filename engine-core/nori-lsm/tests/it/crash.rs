//! Power cuts.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::BlockStore;
use nori_lsm::{Log, Lsm, Options};
use norikv_testkit::{DiskOptions, SimDisk};
use norikv_types::Prng;

use crate::support::{entries, open, tiny, work};
use crate::workload::Workload;

fn disk(psow: bool) -> (SimDisk, Arc<dyn BlockStore>) {
    let disk = SimDisk::new(DiskOptions {
        unit: 512,
        recycle: false,
        psow,
        ..DiskOptions::default()
    });
    (disk.clone(), Arc::new(disk))
}

fn own(store: &Arc<dyn BlockStore>) -> Options {
    tiny(Log::Own(Arc::clone(store)))
}

/// Cuts the power in each mutation of a run in turn, and now and then in the recovery too.
fn every_crash_point(psow: bool, seed: u64) {
    let total = {
        let (sim, store) = disk(psow);
        let lsm = open(&store, own(&store), seed).unwrap();
        Workload::new(seed, BATCHES).run(&lsm, 0).1.unwrap();
        sim.counters().mutations
    };
    assert!(
        total > 100,
        "{total} mutations are too few to mean anything"
    );
    for cut in 0..total {
        let context = format!("seed {seed}, psow {psow}, cut in mutation {cut} of {total}");
        let mut workload = Workload::new(seed, BATCHES);
        let mut prng = Prng::new(seed ^ cut);
        let (sim, store) = disk(psow);
        sim.power_off_after(cut);
        let acknowledged = match open(&store, own(&store), seed) {
            Ok(lsm) => workload.run(&lsm, 0).0,
            Err(_) => 0,
        };
        sim.crash(&mut prng);
        if cut % 3 == 0 {
            sim.power_off_after(prng.below(12));
            drop(open(&store, own(&store), seed + 1));
            sim.crash(&mut prng);
        }
        let lsm = open(&store, own(&store), seed + 2).unwrap_or_else(|e| panic!("{context}: {e}"));
        let recovered = workload.state_of(&lsm).unwrap();
        assert!(
            recovered >= acknowledged && recovered <= acknowledged + 1,
            "{context}: {recovered} batches where {acknowledged} were acknowledged"
        );

        // What was recovered is durable, and life goes on.
        drop(lsm);
        sim.crash(&mut prng);
        let lsm = open(&store, own(&store), seed + 3).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(workload.state_of(&lsm).unwrap(), recovered, "{context}");
        let (done, result) = workload.run(&lsm, recovered);
        result.unwrap();
        work(&lsm).unwrap();
        assert_eq!(workload.state_of(&lsm).unwrap(), done, "{context}");
    }
}

#[test]
fn every_crash_point_keeps_what_was_acknowledged() {
    every_crash_point(true, 11);
}

#[test]
fn every_crash_point_keeps_what_was_acknowledged_without_power_safe_overwrite() {
    every_crash_point(false, 12);
}

#[test]
fn without_a_log_a_crash_leaves_the_flushed_prefix_or_more() {
    let options = || tiny(Log::External);
    for cut in 0..400 {
        let mut workload = Workload::new(5, BATCHES);
        let (sim, store) = disk(true);
        let mut flushed = 0;
        if let Ok(lsm) = open(&store, options(), 1) {
            sim.power_off_after(cut);
            for number in 0..workload.len() {
                if workload.write(&lsm, number).is_err() {
                    break;
                }
                let _ = workload.work(&lsm);
                flushed = lsm.flushed_seqno().0;
            }
        }
        sim.crash(&mut Prng::new(cut));
        let lsm = open(&store, options(), 2).unwrap();
        assert!(lsm.visible_seqno().0 >= flushed, "cut {cut}");
        assert_eq!(lsm.visible_seqno(), lsm.flushed_seqno());
        workload.state_of(&lsm).unwrap();
    }
}

#[test]
fn a_replacement_that_a_crash_interrupts_is_there_whole_or_not_at_all() {
    let pairs = |word: &str, step: usize| {
        (0..30_usize)
            .step_by(step)
            .map(|n| {
                (
                    Bytes::from(format!("r{n:02}")),
                    Bytes::from(format!("{word} {n}")),
                )
            })
            .collect::<Vec<_>>()
    };
    let range = || [Bytes::from("r")..Bytes::from("s")];
    let content =
        |lsm: &Lsm| crate::support::forward(lsm.iter_prefix(b"r", &lsm.snapshot())).unwrap();
    let mut outcomes = [0, 0];
    for cut in 0..60 {
        let (sim, store) = disk(true);
        let lsm = open(&store, own(&store), 1).unwrap();
        lsm.put(b"q", b"stays").unwrap();
        for (key, value) in pairs("old", 1) {
            lsm.put(&key, &value).unwrap();
        }
        sim.power_off_after(cut);
        let result = lsm.replace_ranges(&range(), &mut entries(pairs("new", 2)));
        drop(lsm);
        sim.crash(&mut Prng::new(cut));
        let lsm = open(&store, own(&store), 2).unwrap();
        let is_new = content(&lsm) == pairs("new", 2);
        assert!(
            is_new || content(&lsm) == pairs("old", 1),
            "cut {cut}: a mixture"
        );
        assert!(
            is_new || result.is_err(),
            "cut {cut}: acknowledged and lost"
        );
        assert_eq!(lsm.get(b"q").unwrap().unwrap(), "stays");
        outcomes[usize::from(is_new)] += 1;
    }
    assert!(outcomes[0] > 5 && outcomes[1] > 5, "{outcomes:?}");
}

#[test]
fn numbers_of_orphans_are_not_used_again_and_orphans_are_deleted() {
    let (sim, store) = disk(true);
    let options = Options {
        memtables_waiting_max: 100,
        ..own(&store)
    };
    let lsm = open(&store, options, 1).unwrap();
    for number in 0..20_u32 {
        lsm.put(&number.to_be_bytes(), &[7; 30]).unwrap();
    }
    // Tables that are written but not installed.
    let mut job = lsm.next_job().unwrap();
    job.step(50).unwrap();
    let tables = || {
        let listed = store.list().unwrap().into_iter();
        let tables = listed.filter(|id| id.kind == nori_env::ObjectKind::Table);
        tables.map(|id| id.number).collect::<Vec<_>>()
    };
    sim.restart();
    drop((job, lsm));
    let orphans = tables();
    assert!(!orphans.is_empty());
    let lsm = open(&store, own(&store), 2).unwrap();
    lsm.flush().unwrap();
    let new = tables()
        .into_iter()
        .filter(|number| !orphans.contains(number));
    assert!(new.min().unwrap() > *orphans.iter().max().unwrap());
    work(&lsm).unwrap();
    assert!(tables().iter().all(|number| !orphans.contains(number)));
}

const BATCHES: u32 = 40;
