use super::*;
use crate::conformance;

#[test]
fn memory_keeps_the_contract() {
    conformance::run(&|| Arc::new(MemStore::new()));
}

#[test]
fn memory_of_another_geometry_keeps_the_contract() {
    conformance::run(&|| {
        Arc::new(MemStore::with_geometry(Geometry {
            unit: 4096,
            psow: false,
            recycle: false,
            capacity: Some(1 << 20),
        }))
    });
}

#[test]
fn a_clone_is_fenced_until_the_holder_and_its_objects_are_gone() {
    let disk = MemStore::new();
    let first = disk.clone();
    first.acquire(Owner(1)).unwrap();
    let object = first.create(ObjectId::log(1), None).unwrap();
    let fenced = IoError::store(IoErrorKind::Fenced, IoOp::Acquire);
    assert_eq!(disk.acquire(Owner(1)), Err(fenced.clone()));
    drop(first);
    assert_eq!(disk.acquire(Owner(2)), Err(fenced));
    drop(object);
    assert_eq!(disk.acquire(Owner(2)), Ok(()));
    assert_eq!(disk.list().unwrap(), [ObjectId::log(1)]);
}

#[test]
fn a_full_store_refuses_and_deleting_makes_room() {
    let store = MemStore::with_capacity(100);
    let log = store.create(ObjectId::log(1), Some(60)).unwrap();
    let full = store.create(ObjectId::log(2), Some(41)).unwrap_err();
    assert_eq!(full.kind, IoErrorKind::NoSpace);
    assert_eq!(store.list().unwrap(), [ObjectId::log(1)]);
    log.append(0, &[&[7; 60]]).unwrap();
    let table = store.create(ObjectId::table(1), None).unwrap();
    assert_eq!(
        table.append(0, &[&[8; 41]]).unwrap_err().kind,
        IoErrorKind::NoSpace
    );
    assert_eq!(table.len(), Ok(0));
    store.link(ObjectId::log(1), ObjectId::log(3)).unwrap();
    store.delete(ObjectId::log(1)).unwrap();
    assert_eq!(store.used(), 60, "the second name keeps the bytes");
    store.delete(ObjectId::log(3)).unwrap();
    table.append(0, &[&[8; 41]]).unwrap();
    assert_eq!(store.used(), 41);
}
