use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use nori_env::{BlockStore, IoErrorKind, ObjectKind};

use super::*;

mod damage;
mod full;
mod lie;
mod model;

fn disk(unit: u32, psow: bool) -> SimDisk {
    SimDisk::new(DiskOptions {
        unit,
        psow,
        ..DiskOptions::default()
    })
}

fn read_all(disk: &SimDisk, id: ObjectId) -> Option<Vec<u8>> {
    let object = disk.open(id).ok()?;
    let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
    object.read_at(0, &mut bytes).unwrap();
    Some(bytes)
}

#[test]
fn synced_bytes_length_and_existence_survive_every_crash() {
    for seed in 0..200 {
        let disk = disk(16, true);
        let object = disk.create(ObjectId::log(1), None).unwrap();
        object.append(0, &[b"0123456789", b"abcdefghij"]).unwrap();
        object.sync().unwrap();
        object.append(20, &[&[b'x'; 100]]).unwrap();
        disk.crash(&mut Prng::new(seed));
        let bytes = read_all(&disk, ObjectId::log(1)).expect("synced, so it exists");
        assert_eq!(&bytes[..20], b"0123456789abcdefghij", "seed {seed}");
        assert!(bytes.len() <= 120);
    }
}

#[test]
fn an_unsynced_append_ends_up_lost_kept_torn_and_out_of_order() {
    let (mut lost, mut kept, mut torn, mut holes) = (false, false, false, false);
    for seed in 0..300 {
        let disk = disk(16, true);
        let object = disk.create(ObjectId::log(1), Some(160)).unwrap();
        object.sync().unwrap();
        object.append(0, &[&[b'x'; 160]]).unwrap();
        let report = disk.crash(&mut Prng::new(seed));
        assert_eq!(
            report.units_kept + report.units_lost + report.units_torn,
            10
        );
        let bytes = read_all(&disk, ObjectId::log(1)).unwrap();
        assert_eq!(bytes.len(), 160, "a synced reserve keeps its extent");
        let whole: Vec<bool> = bytes.chunks(16).map(|unit| unit == [b'x'; 16]).collect();
        lost |= report.units_lost == 10;
        kept |= report.units_kept == 10;
        torn |= bytes
            .chunks(16)
            .any(|unit| unit.contains(&b'x') && unit.contains(&0));
        holes |= !whole.is_sorted_by(|a, b| a >= b);
    }
    assert!(
        lost && kept && torn && holes,
        "{lost} {kept} {torn} {holes}"
    );
}

#[test]
fn without_psow_a_crash_may_harm_synced_bytes_in_the_shared_unit_and_with_it_never() {
    let mut harmed = [0, 0];
    for seed in 0..200 {
        for psow in [false, true] {
            let disk = disk(16, psow);
            let object = disk.create(ObjectId::log(1), Some(64)).unwrap();
            object.append(0, &[b"acknowledged"]).unwrap();
            object.sync().unwrap();
            object.append(12, &[b"more"]).unwrap();
            disk.crash(&mut Prng::new(seed));
            let bytes = read_all(&disk, ObjectId::log(1)).unwrap();
            harmed[usize::from(psow)] += u32::from(!bytes.starts_with(b"acknowledged"));
        }
    }
    assert!(harmed[0] > 0);
    assert_eq!(harmed[1], 0);
}

#[test]
fn a_recycled_object_keeps_stale_bytes_where_its_new_ones_are_lost() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk(4, true);
        let old = disk.create(ObjectId::log(1), Some(8)).unwrap();
        old.append(0, &[b"oldoldol"]).unwrap();
        old.sync().unwrap();
        let new = disk.recycle(ObjectId::log(1), ObjectId::log(2)).unwrap();
        new.append(0, &[b"NEWN"]).unwrap();
        new.sync().unwrap();
        new.append(4, &[b"EWNE"]).unwrap();
        disk.crash(&mut Prng::new(seed));
        assert!(
            disk.open(ObjectId::log(1)).is_err(),
            "the new name is durable"
        );
        let bytes = read_all(&disk, ObjectId::log(2)).unwrap();
        assert!(bytes.starts_with(b"NEWN"));
        seen.insert(bytes);
    }
    assert!(seen.contains(b"NEWNldol".as_slice()));
    assert!(seen.contains(b"NEWNEWNE".as_slice()));
    assert!(seen.contains(b"NEWN\0\0\0\0".as_slice()), "torn to zero");
}

#[test]
fn an_unsynced_create_and_a_delete_may_or_may_not_survive() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let disk = disk(16, true);
        let gone = disk.create(ObjectId::table(1), None).unwrap();
        gone.sync().unwrap();
        disk.delete(ObjectId::table(1)).unwrap();
        disk.create(ObjectId::table(2), None).unwrap();
        disk.crash(&mut Prng::new(seed));
        seen.insert(disk.list().unwrap());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_barrier_orders_a_delete_behind_the_create_before_it() {
    let mut deleted = 0;
    for seed in 0..200 {
        let disk = disk(16, true);
        let old = disk.create(ObjectId::manifest(1), None).unwrap();
        old.sync().unwrap();
        disk.create(ObjectId::manifest(2), None).unwrap();
        disk.barrier().unwrap();
        disk.delete(ObjectId::manifest(1)).unwrap();
        disk.crash(&mut Prng::new(seed));
        let left = disk.list().unwrap();
        if !left.contains(&ObjectId::manifest(1)) {
            deleted += 1;
            assert_eq!(left, [ObjectId::manifest(2)], "seed {seed}");
        }
    }
    assert!(deleted > 0);
}

#[test]
fn syncing_an_object_makes_what_a_barrier_put_before_it_durable() {
    for seed in 0..100 {
        let disk = disk(16, true);
        disk.create(ObjectId::table(1), None).unwrap();
        disk.barrier().unwrap();
        let later = disk.create(ObjectId::table(2), None).unwrap();
        later.sync().unwrap();
        disk.crash(&mut Prng::new(seed));
        assert_eq!(
            disk.list().unwrap(),
            [ObjectId::table(1), ObjectId::table(2)]
        );
    }
}

#[test]
fn a_restart_keeps_unsynced_bytes_and_a_later_power_cut_may_still_take_them() {
    let mut lost = false;
    for seed in 0..50 {
        let disk = disk(16, true);
        let object = disk.create(ObjectId::log(1), None).unwrap();
        object.sync().unwrap();
        object.append(0, &[b"cached"]).unwrap();
        disk.restart();
        assert_eq!(read_all(&disk, ObjectId::log(1)).unwrap(), b"cached");
        disk.crash(&mut Prng::new(seed));
        lost |= read_all(&disk, ObjectId::log(1)).unwrap().is_empty();
    }
    assert!(lost);
}

#[test]
fn a_handle_and_an_owner_from_before_a_crash_are_fenced_and_freed() {
    let disk = disk(16, true);
    disk.acquire(Owner(1)).unwrap();
    let object = disk.create(ObjectId::log(1), None).unwrap();
    let refused = disk.acquire(Owner(2)).unwrap_err();
    assert_eq!(refused.kind, IoErrorKind::Fenced);
    disk.crash(&mut Prng::new(0));
    assert_eq!(object.sync().unwrap_err().kind, IoErrorKind::Fenced);
    disk.acquire(Owner(2)).unwrap();
}

#[test]
fn a_failed_sync_poisons_its_object_and_no_other() {
    let disk = disk(16, true);
    let poisoned = disk.create(ObjectId::log(1), None).unwrap();
    let fine = disk.create(ObjectId::log(2), None).unwrap();
    disk.fail(FailPoint::next(IoOp::Sync, IoErrorKind::SyncFailed));
    poisoned.append(0, &[b"a"]).unwrap();
    assert_eq!(poisoned.sync().unwrap_err().kind, IoErrorKind::SyncFailed);
    assert_eq!(poisoned.sync().unwrap_err().kind, IoErrorKind::SyncFailed);
    let append = poisoned.append(1, &[b"b"]).unwrap_err();
    assert_eq!(append.kind, IoErrorKind::SyncFailed);
    fine.append(0, &[b"a"]).unwrap();
    fine.sync().unwrap();
    assert_eq!(disk.counters().injected_failures, 1);
}

#[test]
fn a_fail_point_strikes_the_operation_it_counts_to_and_only_its_kind() {
    let disk = disk(16, true);
    let log = disk.create(ObjectId::log(1), None).unwrap();
    let table = disk.create(ObjectId::table(1), None).unwrap();
    disk.fail(FailPoint::nth(IoOp::Append, 1, IoErrorKind::NoSpace).on(ObjectKind::Table));
    log.append(0, &[b"a"]).unwrap();
    table.append(0, &[b"a"]).unwrap();
    log.append(1, &[b"b"]).unwrap();
    assert_eq!(
        table.append(1, &[b"b"]).unwrap_err().kind,
        IoErrorKind::NoSpace
    );
    table.append(1, &[b"b"]).unwrap();
    assert_eq!(read_all(&disk, ObjectId::table(1)).unwrap(), b"ab");
}

#[test]
fn a_full_disk_refuses_and_takes_the_same_range_again_after_a_delete() {
    let disk = SimDisk::new(DiskOptions {
        capacity: Some(100),
        ..DiskOptions::default()
    });
    disk.create(ObjectId::table(1), Some(60)).unwrap();
    let object = disk.create(ObjectId::table(2), None).unwrap();
    let full = object.append(0, &[&[1; 50]]).unwrap_err();
    assert_eq!(full.kind, IoErrorKind::NoSpace);
    disk.delete(ObjectId::table(1)).unwrap();
    object.append(0, &[&[1; 50]]).unwrap();
    assert_eq!(disk.used(), 50);
    assert!(disk.create(ObjectId::table(3), Some(51)).is_err());
}

#[test]
fn the_power_goes_in_the_middle_of_the_mutation_it_was_told() {
    let disk = disk(16, true);
    let object = disk.create(ObjectId::log(1), None).unwrap();
    object.sync().unwrap();
    disk.power_off_after(1);
    object.append(0, &[b"before"]).unwrap();
    assert!(object.sync().is_err());
    assert!(disk.is_off());
    assert!(disk.list().is_err());
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let fork = disk.fork();
        fork.crash(&mut Prng::new(seed));
        seen.insert(read_all(&fork, ObjectId::log(1)).unwrap());
    }
    assert!(seen.contains(b"before".as_slice()) && seen.contains(b"".as_slice()));
}

#[test]
fn rot_and_bad_sectors_are_where_they_were_put() {
    let disk = disk(16, true);
    let object = disk.create(ObjectId::table(1), None).unwrap();
    object.append(0, &[&[0; 64]]).unwrap();
    assert!(disk.flip_bit(ObjectId::table(1), 8 * 5 + 1));
    assert!(!disk.flip_bit(ObjectId::table(1), 8 * 64));
    assert_eq!(read_all(&disk, ObjectId::table(1)).unwrap()[5], 2);
    assert!(disk.break_sector(ObjectId::table(1), 20));
    let mut byte = [0];
    object.read_at(15, &mut byte).unwrap();
    assert_eq!(
        object.read_at(16, &mut byte).unwrap_err().kind,
        IoErrorKind::Media
    );
}

#[test]
fn the_digest_tells_a_changed_byte_and_a_missing_object() {
    let write = |byte: u8| {
        let disk = disk(16, true);
        let object = disk.create(ObjectId::log(1), None).unwrap();
        object.append(0, &[&[byte; 10]]).unwrap();
        disk
    };
    assert_eq!(write(1).digest(), write(1).digest());
    assert_ne!(write(1).digest(), write(2).digest());
    let emptied = write(1);
    emptied.delete(ObjectId::log(1)).unwrap();
    assert_ne!(emptied.digest(), write(1).digest());
}

#[test]
#[should_panic(expected = "written once")]
fn writing_an_offset_twice_is_a_bug_of_the_caller() {
    let disk = disk(16, true);
    let object = disk.create(ObjectId::log(1), None).unwrap();
    object.append(0, &[b"ab"]).unwrap();
    object.append(1, &[b"c"]).unwrap();
}
