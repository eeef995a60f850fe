use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use nori_env::{BlockDevice, BlockStore, IoErrorKind, ObjectId};

use super::*;

#[test]
fn few_units_go_in_every_way_and_many_in_every_simple_one() {
    let prng = &mut Prng::new(1);
    assert_eq!(fates(0, 9, prng).len(), 1);
    assert_eq!(fates(4, 9, prng).len(), 81);
    assert_eq!(fates(8, 9, prng).len(), 256 + 16);
    let many = fates(20, 9, prng);
    assert_eq!(many.len(), 41 + 40 + 9 + 40);
    let kept = |fates: &[UnitFate]| fates.iter().filter(|f| **f == UnitFate::Kept).count();
    let counts: BTreeSet<usize> = many.iter().map(|fates| kept(fates)).collect();
    assert!((0..=20).all(|count| counts.contains(&count)));
}

/// What may be left of two units behind a synced one, told by their first and last bytes.
#[test]
fn a_disk_loses_what_was_not_synced_and_nothing_else() {
    let mut seen = BTreeSet::new();
    let disk = CrashDisk::new(16, true, true);
    let object = disk.create(ObjectId::table(1), None).unwrap();
    object.append(0, &[&[1; 16]]).unwrap();
    object.sync().unwrap();
    object.append(16, &[&[2; 32]]).unwrap();
    disk.create(ObjectId::table(2), None).unwrap();
    assert_eq!(disk.undecided(), 3);
    for fates in fates(disk.undecided(), 0, &mut Prng::new(1)) {
        let after = disk.crash_as(&fates);
        let object = after.open(ObjectId::table(1)).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes[..16], [1; 16]);
        seen.insert((bytes, after.list().unwrap().len()));
    }
    assert!(seen.contains(&(vec![1; 16], 1)));
    assert!(seen.contains(&([&[1; 16][..], &[0; 16], &[2; 16]].concat(), 2)));
    assert!(
        seen.contains(&([&[1; 16][..], &[2; 8]].concat(), 1)),
        "{seen:?}"
    );
    // A torn name is a kept one.
    assert_eq!(seen.len(), 9 * 2);
}

#[test]
fn a_device_loses_what_was_not_flushed_and_nothing_else() {
    let device = CrashDevice::new(16, 4, true);
    device.write(0, &[1; 32]).unwrap();
    device.flush().unwrap();
    device.write(1, &[2; 32]).unwrap();
    assert_eq!(device.undecided(), 2);
    let mut seen = BTreeSet::new();
    for fates in fates(2, 0, &mut Prng::new(1)) {
        let mut bytes = [9; 64];
        device.crash_as(&fates).read(0, &mut bytes).unwrap();
        assert_eq!((&bytes[..16], &bytes[48..]), (&[1; 16][..], &[0; 16][..]));
        seen.insert(bytes);
    }
    assert_eq!(seen.len(), 9);
}

#[test]
fn the_power_goes_at_the_operation_that_was_armed() {
    let device = CrashDevice::new(16, 4, true);
    device.arm(1, CrashFault::PowerCut);
    device.write(0, &[1; 16]).unwrap();
    device.write(1, &[1; 16]).unwrap_err();
    device.flush().unwrap_err();
    assert_eq!(
        device.undecided(),
        2,
        "the write that failed may have happened"
    );
    let device = CrashDevice::new(16, 4, true);
    device.arm(1, CrashFault::SyncFailed);
    device.write(0, &[1; 16]).unwrap();
    assert_eq!(device.flush().unwrap_err().kind, IoErrorKind::SyncFailed);
    device.flush().unwrap();
    let mut bytes = [0; 16];
    device.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 16], "the cache shows it");
    device.crash_as(&[]).read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 16], "and the disk does not have it");
}

#[test]
fn the_disk_keeps_the_contract_as_far_as_one_owner_shows_it() {
    let disk = CrashDisk::new(512, true, true);
    let object = disk.create(ObjectId::log(1), Some(1024)).unwrap();
    object.append(0, &[b"sealed"]).unwrap();
    object.sync().unwrap();
    let store: Arc<dyn BlockStore> = Arc::new(disk);
    store.link(ObjectId::log(1), ObjectId::log(2)).unwrap();
    let taken = store.link(ObjectId::log(1), ObjectId::log(2)).unwrap_err();
    assert_eq!(taken.kind, IoErrorKind::Exists);
    let linked = store
        .recycle(ObjectId::log(1), ObjectId::log(3))
        .unwrap_err();
    assert_eq!(linked.kind, IoErrorKind::Unsupported);
    store.delete(ObjectId::log(1)).unwrap();
    let mut bytes = [0; 6];
    let second = store.open(ObjectId::log(2)).unwrap();
    second.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"sealed");
    assert_eq!(second.len().unwrap(), 1024);
}
