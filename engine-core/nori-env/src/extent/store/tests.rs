use alloc::vec::Vec;

use super::*;
use crate::{MemDevice, conformance};

fn device(unit: u32, blocks: u64, psow: bool, recycle: bool) -> MemDevice {
    let geometry = Geometry {
        unit,
        psow,
        recycle,
        capacity: None,
    };
    MemDevice::with_geometry(blocks, geometry)
}

fn small() -> (MemDevice, ExtentStore) {
    let device = MemDevice::new(64);
    let store = ExtentStore::format(Arc::new(device.clone())).unwrap();
    (device, store)
}

fn content(store: &ExtentStore, id: ObjectId) -> Vec<u8> {
    let object = store.open(id).unwrap();
    let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
    object.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn extents_in_memory_keep_the_contract() {
    for unit in [16, 512, 4096, 1 << 16] {
        for (psow, recycle) in [(true, true), (false, false)] {
            conformance::run(&|| {
                let device = device(unit, (64 << 10) / u64::from(unit) + 64, psow, recycle);
                Arc::new(ExtentStore::format(Arc::new(device)).unwrap())
            });
        }
    }
}

#[test]
fn what_was_synced_is_there_after_opening_anew_and_nothing_else() {
    let (device, store) = small();
    let table = store.create(ObjectId::table(1), None).unwrap();
    let meta = store.create(ObjectId::meta(2), None).unwrap();
    for round in 0..20_u8 {
        table
            .append(u64::from(round) * 100, &[&[round; 100]])
            .unwrap();
        meta.append(u64::from(round) * 10, &[&[round; 10]]).unwrap();
    }
    table.sync().unwrap();
    table.append(2_000, &[b"not synced"]).unwrap();
    store.create(ObjectId::meta(3), None).unwrap();
    drop(store);
    let store = ExtentStore::open(Arc::new(device)).unwrap();
    // The table of the store held the name of the other object, not its bytes.
    assert_eq!(
        store.list().unwrap(),
        [ObjectId::table(1), ObjectId::meta(2)]
    );
    assert!(content(&store, ObjectId::meta(2)).is_empty());
    let expected: Vec<u8> = (0..20_u8).flat_map(|round| [round; 100]).collect();
    assert_eq!(content(&store, ObjectId::table(1)), expected);
    let table = store.open(ObjectId::table(1)).unwrap();
    table.append(2_010, &[b"behind a gap"]).unwrap();
    assert_eq!(
        content(&store, ObjectId::table(1))[2_010..],
        *b"behind a gap"
    );
}

#[test]
fn a_full_device_refuses_and_takes_the_same_range_again_after_a_delete() {
    let (_, store) = small();
    let room = store.free_bytes();
    assert_eq!(store.geometry().capacity, Some(room));
    let first = store.create(ObjectId::log(1), Some(room - 2_000)).unwrap();
    let second = store.create(ObjectId::table(1), None).unwrap();
    let full = store.create(ObjectId::log(2), Some(2_049)).unwrap_err();
    assert_eq!((full.kind, full.op), (IoErrorKind::NoSpace, IoOp::Create));
    second.append(0, &[&[1; 1_000]]).unwrap();
    let full = second.append(1_000, &[&[1; 2_000]]).unwrap_err();
    assert_eq!(full.kind, IoErrorKind::NoSpace);
    assert_eq!(second.len().unwrap(), 1_000);
    store.delete(ObjectId::log(1)).unwrap();
    let held = second.append(1_000, &[&[1; 2_000]]).unwrap_err();
    assert_eq!(held.kind, IoErrorKind::NoSpace, "somebody reads it");
    drop(first);
    second.append(1_000, &[&[1; 2_000]]).unwrap();
    assert_eq!(content(&store, ObjectId::table(1)), [1; 3_000]);
}

#[test]
fn a_full_table_refuses_names_and_deleting_makes_room() {
    let device = device(512, 1 << 12, true, true);
    let store = ExtentStore::format(Arc::new(device.clone())).unwrap();
    let mut made = 0;
    let error = loop {
        match store.create(ObjectId::meta(made), None) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, IoErrorKind::NoSpace);
    assert!(made > 1_000, "{made} names in a slot of 32 KiB");
    assert!(store.link(ObjectId::meta(0), ObjectId::meta(made)).is_err());
    store.barrier().unwrap();
    store.delete(ObjectId::meta(0)).unwrap();
    drop(store.create(ObjectId::meta(made), None).unwrap());
    store.barrier().unwrap();
    drop(store);
    let store = ExtentStore::open(Arc::new(device)).unwrap();
    assert_eq!(store.list().unwrap().len() as u64, made);
}

#[test]
fn blocks_are_not_used_again_while_a_crash_may_bring_their_object_back() {
    let (device, store) = small();
    let room = store.free_bytes();
    let old = store.create(ObjectId::table(1), None).unwrap();
    let half = usize::try_from(room * 2 / 3).unwrap();
    old.append(0, &[&vec![7; half]]).unwrap();
    old.sync().unwrap();
    drop(old);
    store.delete(ObjectId::table(1)).unwrap();
    let new = store.create(ObjectId::table(2), None).unwrap();
    new.append(0, &[&[8; 512]]).unwrap();
    // Nothing was committed since: this is what a crash leaves.
    let crashed = ExtentStore::open(Arc::new(device)).unwrap();
    assert_eq!(content(&crashed, ObjectId::table(1)), vec![7; half]);
    // Room that only the deleted object can give makes the deletion durable first.
    new.append(512, &[&vec![8; half]]).unwrap();
    assert!(store.open(ObjectId::table(1)).is_err());
}

#[test]
fn either_copy_of_the_table_may_rot_and_both_are_an_error() {
    let (device, store) = small();
    let object = store.create(ObjectId::meta(1), None).unwrap();
    for round in 0..5 {
        object.append(round * 4, &[b"fact"]).unwrap();
        object.sync().unwrap();
    }
    drop((object, store));
    let layout = Layout::new(512, 64);
    let rot = |slots: &[u64]| {
        let copy = MemDevice::new(64);
        let mut bytes = vec![0; 64 * 512];
        device.read(0, &mut bytes).unwrap();
        for slot in slots {
            bytes[usize::try_from(layout.slot(*slot) * 512 + 70).unwrap()] ^= 1;
        }
        copy.write(0, &bytes).unwrap();
        copy
    };
    for slots in [&[0][..], &[1]] {
        let copy = rot(slots);
        for _ in 0..2 {
            let store = ExtentStore::open(Arc::new(copy.clone())).unwrap();
            assert_eq!(content(&store, ObjectId::meta(1)), b"fact".repeat(5));
        }
    }
    let error = ExtentStore::open_or_format(Arc::new(rot(&[0, 1]))).unwrap_err();
    assert_eq!(error.kind, IoErrorKind::Media);
}

#[test]
fn a_device_without_a_store_is_not_found_and_a_foreign_one_is_not_formatted() {
    let device = MemDevice::new(64);
    let error = ExtentStore::open(Arc::new(device.clone())).unwrap_err();
    assert_eq!(error.kind, IoErrorKind::NotFound);
    drop(ExtentStore::open_or_format(Arc::new(device.clone())).unwrap());
    drop(ExtentStore::open(Arc::new(device)).unwrap());
    let foreign = MemDevice::new(64);
    foreign.write(0, &[0x55; 64 * 512]).unwrap();
    let error = ExtentStore::open_or_format(Arc::new(foreign)).unwrap_err();
    assert_eq!(error.kind, IoErrorKind::Media);
    let tiny = ExtentStore::format(Arc::new(MemDevice::new(16))).unwrap_err();
    assert_eq!(tiny.kind, IoErrorKind::NoSpace);
}
