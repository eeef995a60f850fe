//! Flipped bytes and missing objects.

use std::sync::Arc;

use nori_env::{BlockStore, IoErrorKind, IoOp, ObjectId, ObjectKind};
use nori_lsm::{Damage, Error, Log, Lsm};
use norikv_testkit::{DiskOptions, FailPoint, SimDisk};

use crate::support::{open, tiny, work};
use crate::workload::Workload;

/// A small store with tables on several levels, a manifest with edits and a log with batches.
fn built(seed: u64) -> (SimDisk, Workload) {
    let sim = SimDisk::new(DiskOptions {
        unit: 512,
        recycle: false,
        ..DiskOptions::default()
    });
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    let mut workload = Workload::new(seed, 30);
    let lsm = reopen(&store).unwrap();
    workload.run(&lsm, 0).1.unwrap();
    lsm.flush().unwrap();
    work(&lsm).unwrap();
    drop(lsm);
    let lsm = reopen(&store).unwrap();
    for number in 20..30 {
        workload.write(&lsm, number).unwrap();
    }
    lsm.flush().unwrap();
    work(&lsm).unwrap();
    workload.write(&lsm, 29).unwrap();
    lsm.close().unwrap();
    drop(lsm);
    sim.restart();
    (sim, workload)
}

fn reopen(store: &Arc<dyn BlockStore>) -> Result<Lsm, Error> {
    let mut options = tiny(Log::Own(Arc::clone(store)));
    options.manifest_bytes = 1 << 20;
    open(store, options, 7)
}

/// Opens a copy of the disk after `harm` and reads everything: what is read must be right.
fn read_after(
    sim: &SimDisk,
    workload: &Workload,
    harm: impl FnOnce(&SimDisk),
) -> Result<(), Error> {
    let copy = sim.fork();
    harm(&copy);
    let store: Arc<dyn BlockStore> = Arc::new(copy);
    let lsm = reopen(&store)?;
    let expected = workload.states.last().unwrap();
    let mut failed = None;
    for (key, value) in expected {
        match lsm.get(key) {
            Ok(got) => assert_eq!(got.as_ref(), Some(value), "a wrong value of {key:?}"),
            Err(error) => failed = Some(error),
        }
    }
    if let Err(error) = workload.state_of(&lsm) {
        failed = Some(error);
    }
    failed.map_or(Ok(()), Err)
}

#[test]
fn every_flipped_byte_gives_the_right_value_or_a_typed_error() {
    let (sim, workload) = built(3);
    read_after(&sim, &workload, |_| {}).unwrap();
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    let mut caught = 0;
    for id in store.list().unwrap() {
        let len = store.open(id).unwrap().len().unwrap();
        let mut caught_here = 0;
        // Of the log, what holds frames; behind it there are zeros.
        for byte in 0..len.min(16 << 10) {
            let bit = byte * 8 + byte % 8;
            let result = read_after(&sim, &workload, |copy| {
                let flipped = copy.flip_bit(id, bit);
                assert!(
                    flipped || id.kind == ObjectKind::Log,
                    "{id} has byte {byte}"
                );
            });
            caught_here += u32::from(result.is_err());
        }
        assert!(
            caught_here > 0 || id.kind == ObjectKind::Log,
            "no flip in {id} of {len} bytes was noticed"
        );
        caught += caught_here;
    }
    assert!(caught > 1_000, "{caught} flips were noticed");
}

#[test]
fn a_missing_object_is_corruption_and_never_an_empty_store() {
    let (sim, workload) = built(4);
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    for id in store.list().unwrap() {
        if id.kind == ObjectKind::Log {
            continue;
        }
        let error = read_after(&sim, &workload, |copy| copy.delete(id).unwrap()).unwrap_err();
        let what = match id.kind {
            ObjectKind::Table => Damage::Missing,
            _ => Damage::NoManifest,
        };
        assert!(
            matches!(error, Error::Corrupt { what: got, .. } if got == what),
            "{id}: {error:?}"
        );
    }
}

#[test]
fn an_unreadable_sector_is_a_typed_error() {
    let (sim, workload) = built(5);
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    for id in store.list().unwrap() {
        if id.kind == ObjectKind::Log {
            continue;
        }
        let broken = read_after(&sim, &workload, |copy| assert!(copy.break_sector(id, 40)));
        assert!(matches!(
            broken.unwrap_err(),
            Error::Corrupt { .. } | Error::Table(_)
        ));
    }
    let manifest = store
        .list()
        .unwrap()
        .into_iter()
        .find(|id| id.kind == ObjectKind::Manifest);
    assert_ne!(
        manifest,
        Some(ObjectId::manifest(1)),
        "the manifest was rolled over"
    );
}

/// Deletions that never happen, or that a crash undoes, leave a chain of manifests behind.
#[test]
fn a_flipped_byte_in_a_chain_of_manifests_never_opens_an_older_state() {
    let sim = SimDisk::new(DiskOptions {
        unit: 512,
        recycle: false,
        ..DiskOptions::default()
    });
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    let options = || tiny(Log::External);
    let lsm = open(&store, options(), 1).unwrap();
    let refuse = FailPoint::next(IoOp::Delete, IoErrorKind::Other);
    sim.fail(refuse.on(ObjectKind::Manifest).times(1_000));
    let manifests = || -> Vec<ObjectId> {
        let listed = store.list().unwrap().into_iter();
        listed
            .filter(|id| id.kind == ObjectKind::Manifest)
            .collect()
    };
    let mut last = 0;
    while manifests().len() < 3 || !lsm.visible_seqno().0.is_multiple_of(5) {
        lsm.put(b"key", format!("{last}").as_bytes()).unwrap();
        lsm.flush().unwrap();
        work(&lsm).unwrap();
        last = lsm.visible_seqno().0;
    }
    let value = lsm.get(b"key").unwrap();
    drop(lsm);
    sim.restart();
    sim.clear_failures();
    let mut outcomes = [0, 0];
    for id in manifests() {
        for bit in 0..store.open(id).unwrap().len().unwrap() * 8 {
            let copy = sim.fork();
            assert!(copy.flip_bit(id, bit));
            let copy: Arc<dyn BlockStore> = Arc::new(copy);
            let opened = open(&copy, options(), 2);
            outcomes[usize::from(opened.is_ok())] += 1;
            if let Ok(lsm) = opened {
                assert_eq!(lsm.visible_seqno().0, last, "bit {bit} of {id}");
                assert_eq!(lsm.get(b"key").unwrap(), value, "bit {bit} of {id}");
            }
        }
    }
    assert!(outcomes[0] > 100 && outcomes[1] > 100, "{outcomes:?}");
}
