//! Syncs and writes that did not happen.

use super::*;

const LOG: ObjectId = ObjectId::log(1);

#[test]
fn what_a_lying_sync_acknowledged_is_lost_in_some_crash_and_a_true_sync_makes_up_for_it() {
    for honest in [false, true] {
        let (mut gone, mut lost, mut kept) = (0, 0, 0);
        for seed in 0..100 {
            let disk = disk(16, true);
            disk.lie(Lie::empty_sync().always());
            let object = disk.create(LOG, None).unwrap();
            object.append(0, &[b"acknowledged"]).unwrap();
            object.sync().unwrap();
            if honest {
                disk.tell_truth();
                object.sync().unwrap();
            }
            assert_eq!(read_all(&disk, LOG).unwrap(), b"acknowledged");
            assert_eq!(disk.counters().syncs_lied, 1);
            disk.crash(&mut Prng::new(seed));
            match read_all(&disk, LOG) {
                None => gone += 1,
                Some(bytes) if bytes == b"acknowledged" => kept += 1,
                Some(_) => lost += 1,
            }
        }
        assert_eq!(honest, gone == 0 && lost == 0, "{gone} {lost} {kept}");
        assert!(kept > 0);
        assert!(honest || lost > 0);
    }
}

#[test]
fn a_lie_outlives_a_crash_and_a_fork_has_its_own() {
    let disk = disk(16, true);
    disk.lie(Lie::empty_sync().always());
    disk.crash(&mut Prng::new(0));
    disk.restart();
    disk.clear_failures();
    let fork = disk.fork();
    disk.tell_truth();
    for (disk, lied) in [(disk, 0), (fork, 1)] {
        disk.create(LOG, None).unwrap().sync().unwrap();
        assert_eq!(disk.counters().syncs_lied, lied);
    }
}

#[test]
fn a_lie_strikes_the_operation_it_counts_to_and_only_in_its_scope() {
    let disk = disk(16, true);
    let lie = Lie::lost_write().on(Scope::Kind(ObjectKind::Table));
    disk.lie(lie.after(1).times(2));
    let log = disk.create(LOG, None).unwrap();
    let table = disk.create(ObjectId::table(1), None).unwrap();
    for at in 0..4 {
        log.append(at, &[b"l"]).unwrap();
        table.append(at, &[b"t"]).unwrap();
        log.sync().unwrap();
        table.sync().unwrap();
    }
    assert_eq!(read_all(&disk, LOG).unwrap(), b"llll");
    assert_eq!(read_all(&disk, ObjectId::table(1)).unwrap(), b"t\0\0t");
    assert_eq!(disk.counters().writes_lost, 2);
    let lost = |offset| Damage {
        kind: DamageKind::LostWrite,
        object: ObjectId::table(1),
        offset,
        len: 1,
    };
    assert_eq!(disk.damage(), [lost(1), lost(2)]);
}

#[test]
fn a_lost_write_leaves_stale_bytes_in_a_recycled_object_through_every_crash() {
    for seed in 0..50 {
        let disk = disk(4, true);
        let old = disk.create(LOG, Some(12)).unwrap();
        old.append(0, &[b"oldoldoldold"]).unwrap();
        old.sync().unwrap();
        let new = disk.recycle(LOG, ObjectId::log(2)).unwrap();
        disk.lie(Lie::lost_write().after(1));
        for (at, bytes) in [(0, b"NEWN"), (4, b"EWNE"), (8, b"WNEW")] {
            new.append(at, &[bytes]).unwrap();
        }
        new.sync().unwrap();
        disk.crash(&mut Prng::new(seed));
        assert_eq!(read_all(&disk, ObjectId::log(2)).unwrap(), b"NEWNldolWNEW");
    }
}

#[test]
fn a_misdirected_write_lands_at_the_same_place_of_another_unit() {
    let mut places = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk(8, true);
        let table = disk.create(ObjectId::table(1), None).unwrap();
        table.append(0, &[&[b'.'; 20]]).unwrap();
        table.sync().unwrap();
        let log = disk.create(LOG, Some(32)).unwrap();
        log.sync().unwrap();
        disk.lie(Lie::misdirected_write(seed));
        log.append(9, &[b"abc", b"def"]).unwrap();
        log.append(15, &[b"g"]).unwrap();
        log.sync().unwrap();
        let [lost, landed] = disk.damage()[..] else {
            panic!("seed {seed}: {:?}", disk.damage());
        };
        assert_eq!(
            (lost.kind, lost.object, lost.offset, lost.len),
            (DamageKind::LostWrite, LOG, 9, 6)
        );
        assert_eq!(landed.kind, DamageKind::Overwritten);
        assert_eq!(landed.offset % 8, 1);
        assert_ne!((landed.object, landed.offset), (LOG, 9));
        places.insert((landed.object, landed.offset));
        disk.crash(&mut Prng::new(seed));
        let bytes = read_all(&disk, landed.object).unwrap();
        let from = usize::try_from(landed.offset).unwrap();
        let len = usize::try_from(landed.len).unwrap();
        assert_eq!(&bytes[from..from + len], &b"abcdef"[..len], "seed {seed}");
        assert_eq!(read_all(&disk, LOG).unwrap()[9..15], [0; 6]);
        assert_eq!(disk.counters().writes_misdirected, 1);
    }
    assert_eq!(places.len(), 6, "{places:?}");
}

#[test]
fn a_misdirected_write_without_a_place_is_lost() {
    let disk = disk(16, true);
    let object = disk.create(LOG, None).unwrap();
    disk.lie(Lie::misdirected_write(1));
    object.append(0, &[b"ab"]).unwrap();
    let counters = disk.counters();
    assert_eq!((counters.writes_lost, counters.writes_misdirected), (1, 0));
    assert_eq!(read_all(&disk, LOG).unwrap(), b"\0\0");
}

#[test]
fn no_crash_undoes_what_a_misdirected_write_put_over_unsynced_bytes() {
    for seed in 0..200 {
        let disk = disk(8, true);
        let victim = disk.create(ObjectId::table(1), Some(16)).unwrap();
        victim.append(0, &[&[b'o'; 8]]).unwrap();
        victim.sync().unwrap();
        victim.append(8, &[&[b'n'; 8]]).unwrap();
        let log = disk.create(LOG, None).unwrap();
        disk.lie(Lie::misdirected_write(seed));
        log.append(0, &[&[b'!'; 8]]).unwrap();
        disk.crash(&mut Prng::new(seed));
        let bytes = read_all(&disk, ObjectId::table(1)).unwrap();
        let landed = disk.damage()[1];
        let from = usize::try_from(landed.offset).unwrap();
        let stays = |byte: &u8| *byte == b'!' || (from == 8 && *byte == 0);
        assert!(
            bytes[from..from + 8].iter().all(stays),
            "seed {seed}: {bytes:?}"
        );
    }
}
