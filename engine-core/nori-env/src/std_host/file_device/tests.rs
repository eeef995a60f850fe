use alloc::sync::Arc;

use super::*;
use crate::{BlockStore, ExtentStore, ObjectId, conformance};

#[test]
fn extents_in_a_file_keep_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let made = core::cell::Cell::new(0);
    conformance::run(&|| {
        made.set(made.get() + 1);
        let path = root.path().join(alloc::format!("{}", made.get()));
        let device = FileDevice::create(path, 256).unwrap();
        Arc::new(ExtentStore::format(Arc::new(device)).unwrap())
    });
}

#[test]
fn a_second_opening_is_fenced_until_the_first_and_its_objects_are_gone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("device");
    let device = FileDevice::create(&path, 64).unwrap();
    assert_eq!(
        FileDevice::open(&path).unwrap_err().kind,
        IoErrorKind::Fenced
    );
    let store = ExtentStore::open_or_format(Arc::new(device)).unwrap();
    let object = store.create(ObjectId::meta(1), None).unwrap();
    object.append(0, &[b"fact"]).unwrap();
    object.sync().unwrap();
    drop(store);
    assert!(FileDevice::open(&path).is_err());
    drop(object);
    let device = FileDevice::open(&path).unwrap();
    assert_eq!(device.blocks(), 64);
    let store = ExtentStore::open_or_format(Arc::new(device)).unwrap();
    assert_eq!(store.list().unwrap(), [ObjectId::meta(1)]);
    assert_eq!(
        FileDevice::create(&path, 64).unwrap_err().kind,
        IoErrorKind::Exists
    );
}
