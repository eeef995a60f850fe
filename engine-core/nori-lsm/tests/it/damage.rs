//! Flipped bytes and missing objects.

use std::sync::Arc;

use nori_env::{BlockStore, IoErrorKind, IoOp, ObjectId, ObjectKind};
use nori_lsm::{Damage, Error, Log, Lsm, OpenMode, Options, verify_store};
use norikv_testkit::{CrashDisk, FailPoint, SimDisk};

use crate::support::{disk, dump, open, tiny, work};
use crate::workload::Workload;

/// A small store with tables on several levels, a manifest with edits and a log with batches.
fn built(seed: u64) -> (SimDisk, Workload) {
    let (sim, store) = disk();
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
fn a_log_of_which_segments_were_taken_away_by_hand_never_opens_as_if_they_had_not_been_there() {
    let disk = CrashDisk::new(512, true, false);
    let options = || Options {
        memtable_bytes: 1 << 20,
        log_segment_bytes: 1 << 10,
        batch_bytes_max: 256,
        ..tiny(Log::Inside)
    };
    let put = |lsm: &Lsm, from: u32, to: u32| {
        for number in from..to {
            let key = format!("key {number}");
            lsm.put(key.as_bytes(), &number.to_be_bytes().repeat(20))
                .unwrap();
        }
    };
    let mut refused = 0;
    // What is flushed, and whether the store was opened again since.
    for (flushed, again) in [(0, false), (0, true), (20, false), (20, true), (40, true)] {
        let disk = disk.fork();
        let store: Arc<dyn BlockStore> = Arc::new(disk.clone());
        let mut lsm = open(&store, options(), 1).unwrap();
        put(&lsm, 0, flushed);
        lsm.flush().unwrap();
        if again {
            drop(lsm);
            lsm = open(&store, options(), 2).unwrap();
        }
        put(&lsm, flushed, 40);
        let whole = dump(&lsm, &lsm.snapshot()).unwrap();
        drop(lsm);
        let logs: Vec<_> = (store.list().unwrap().into_iter())
            .filter(|id| id.kind == ObjectKind::Log)
            .collect();
        for from in 0..logs.len() {
            for to in from + 1..=logs.len() {
                let context = format!("flushed {flushed}, again {again}, without {from}..{to}");
                let copy = disk.fork();
                logs[from..to]
                    .iter()
                    .for_each(|id| copy.delete(*id).unwrap());
                let verified = verify_store(&copy, Some(&copy), &mut |_| ()).unwrap();
                for mode in [OpenMode::ReadOnly, OpenMode::ReadWrite] {
                    let store: Arc<dyn BlockStore> = Arc::new(copy.clone());
                    let options = Options { mode, ..options() };
                    let before = copy.list().unwrap();
                    match open(&store, options, 3) {
                        Ok(lsm) => {
                            let found = dump(&lsm, &lsm.snapshot()).unwrap();
                            assert_eq!(found, whole, "{context}");
                        }
                        Err(error) => {
                            assert!(matches!(error, Error::Log(_)), "{context}: {error}");
                            assert!(!verified.findings.is_empty(), "{context}");
                            let logs = |ids: Vec<ObjectId>| {
                                let logs = ids.into_iter();
                                logs.filter(|id| id.kind == ObjectKind::Log)
                                    .collect::<Vec<_>>()
                            };
                            let after = logs(copy.list().unwrap());
                            assert_eq!(after, logs(before), "{context}");
                            refused += 1;
                        }
                    }
                }
                assert!(
                    to < logs.len() || !verified.findings.is_empty(),
                    "{context}"
                );
            }
        }
    }
    assert!(refused > 50, "{refused}");
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
    let (sim, store) = disk();
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
