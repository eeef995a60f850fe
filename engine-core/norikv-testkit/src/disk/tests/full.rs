//! A disk whose room changes.

use super::*;

#[test]
fn room_taken_away_refuses_growth_and_nothing_else() {
    let disk = disk(16, true);
    let reserved = disk.create(ObjectId::log(1), Some(100)).unwrap();
    let grows = disk.create(ObjectId::table(1), None).unwrap();
    grows.append(0, &[&[1; 50]]).unwrap();
    disk.set_capacity(Some(120));
    assert_eq!(disk.geometry().capacity, Some(120));
    reserved.append(0, &[&[1; 100]]).unwrap();
    reserved.sync().unwrap();
    let full = grows.append(50, &[b"x"]).unwrap_err();
    assert_eq!(full.kind, IoErrorKind::NoSpace);
    disk.create(ObjectId::table(2), None).unwrap();
    assert!(disk.create(ObjectId::table(3), Some(1)).is_err());
    assert_eq!(disk.counters().refused_full, 2);
    let fork = disk.fork();
    disk.set_capacity(None);
    grows.append(50, &[b"x"]).unwrap();
    assert_eq!(fork.geometry().capacity, Some(120));
}

#[test]
fn a_wiped_disk_is_empty_truthful_and_whole_and_keeps_its_size() {
    let disk = disk(16, true);
    let object = disk.create(ObjectId::log(1), None).unwrap();
    object.append(0, &[b"gone"]).unwrap();
    assert!(disk.flip_bit(ObjectId::log(1), 0));
    disk.lie(Lie::lost_write().always());
    disk.set_capacity(Some(9));
    disk.wipe();
    assert!(disk.list().unwrap().is_empty() && disk.damage().is_empty());
    let object = disk.create(ObjectId::log(1), None).unwrap();
    object.append(0, &[b"truth"]).unwrap();
    assert_eq!(read_all(&disk, ObjectId::log(1)).unwrap(), b"truth");
    assert!(object.append(5, &[b"12345"]).is_err());
    assert_eq!(disk.counters().wipes, 1);
}
