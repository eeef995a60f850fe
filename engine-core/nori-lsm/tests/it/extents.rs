//! The whole store on raw devices, unchanged.

use std::sync::Arc;

use nori_env::{BlockDevice, BlockStore, ExtentStore, FileDevice, MemDevice};
use nori_lsm::{Log, Options};
use norikv_testkit::{CrashDevice, CrashFault, UnitFate};

use crate::support::{open, tiny, work};
use crate::workload::Workload;

fn options() -> Options {
    Options {
        batch_bytes_max: 1 << 10,
        log_segment_bytes: 4 << 10,
        ..tiny(Log::Inside)
    }
}

fn store(device: &Arc<dyn BlockDevice>) -> Arc<dyn BlockStore> {
    Arc::new(ExtentStore::open_or_format(Arc::clone(device)).unwrap())
}

fn runs_and_is_there_after_opening_anew(device: &Arc<dyn BlockDevice>) {
    for seed in 0..4 {
        let mut workload = Workload::new(seed, 60);
        {
            let store = store(device);
            for id in store.list().unwrap() {
                store.delete(id).unwrap();
            }
            store.barrier().unwrap();
            let lsm = open(&store, options(), seed).unwrap();
            workload.run(&lsm, 0).1.unwrap();
            work(&lsm).unwrap();
            assert!(lsm.stats().compactions > 0);
        }
        let store = store(device);
        let lsm = open(&store, options(), seed + 1).unwrap();
        assert_eq!(
            workload.state_of(&lsm).unwrap(),
            workload.len(),
            "seed {seed}"
        );
    }
}

#[test]
fn the_store_runs_on_a_device_in_memory() {
    runs_and_is_there_after_opening_anew(&(Arc::new(MemDevice::new(2_048)) as _));
}

#[test]
fn the_store_runs_on_a_device_in_a_file() {
    let root = tempfile::tempdir().unwrap();
    let device = FileDevice::create(root.path().join("device"), 1_024).unwrap();
    runs_and_is_there_after_opening_anew(&(Arc::new(device) as _));
}

/// Not every subset of blocks: those of the store itself are in the tests of `nori-env`.
#[test]
fn the_store_survives_every_crash_point_of_its_device() {
    let run = |device: &CrashDevice, workload: &mut Workload| {
        let store = store(&(Arc::new(device.clone()) as _));
        open(&store, options(), 1).map_or(0, |lsm| workload.run(&lsm, 0).0)
    };
    let whole = CrashDevice::new(512, 1_024, true);
    run(&whole, &mut Workload::new(9, 16));
    // The first ten are the formatting.
    for op in 10..whole.ops() {
        let device = CrashDevice::new(512, 1_024, true);
        device.arm(op, CrashFault::PowerCut);
        let mut workload = Workload::new(9, 16);
        let acknowledged = run(&device, &mut workload);
        for fate in [UnitFate::Lost, UnitFate::Kept, UnitFate::Torn] {
            let fates = vec![fate; device.undecided()];
            let store = store(&(Arc::new(device.crash_as(&fates)) as _));
            let lsm = open(&store, options(), 2);
            let lsm = lsm.unwrap_or_else(|error| panic!("cut at {op}, {fate:?}: {error}"));
            let recovered = workload.state_of(&lsm).unwrap();
            assert!(
                (acknowledged..=acknowledged + 1).contains(&recovered),
                "cut at {op}, {fate:?}: {recovered} where {acknowledged} were acknowledged"
            );
        }
    }
}
