use super::*;
use crate::conformance;

#[test]
fn a_directory_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let made = core::cell::Cell::new(0);
    conformance::run(&|| {
        made.set(made.get() + 1);
        let path = root.path().join(alloc::format!("stores/{}", made.get()));
        Arc::new(DirStore::open(path).unwrap())
    });
}

#[test]
fn a_second_opening_is_fenced_until_the_first_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let first = DirStore::open(root.path()).unwrap();
    let second = DirStore::open(root.path()).unwrap();
    first.acquire(Owner(1)).unwrap();
    assert_eq!(
        second.acquire(Owner(1)).unwrap_err().kind,
        IoErrorKind::Fenced
    );
    drop(first);
    second.acquire(Owner(1)).unwrap();
}

#[test]
fn other_files_are_not_objects() {
    let root = tempfile::tempdir().unwrap();
    let store = DirStore::open(root.path()).unwrap();
    store.acquire(Owner(1)).unwrap();
    for name in [
        "1.log",
        "00000000000000000001.tmp",
        "+0000000000000000001.log",
    ] {
        fs::write(root.path().join(name), b"x").unwrap();
    }
    drop(store.create(ObjectId::log(1), None).unwrap());
    assert_eq!(store.list().unwrap(), [ObjectId::log(1)]);
}

#[test]
fn a_reserved_file_keeps_its_length_and_blocks() {
    let root = tempfile::tempdir().unwrap();
    let store = DirStore::open(root.path()).unwrap();
    let object = store.create(ObjectId::log(1), Some(3 << 20)).unwrap();
    let file = root.path().join("00000000000000000001.log");
    let before = fs::metadata(&file).unwrap();
    object.append(0, &[&[1; 100_000]]).unwrap();
    object.sync().unwrap();
    let after = fs::metadata(&file).unwrap();
    assert_eq!(
        (before.len(), before.blocks()),
        (after.len(), after.blocks())
    );
    assert!(after.blocks() * 512 >= 3 << 20);
}

#[test]
fn a_directory_opened_to_be_read_is_not_changed_and_needs_no_lock() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("missing");
    let refused = DirStore::open_read_only(&missing).unwrap_err();
    assert_eq!(refused.kind, IoErrorKind::NotFound);
    assert!(!missing.exists());

    let writer = DirStore::open(root.path()).unwrap();
    writer.acquire(Owner(1)).unwrap();
    let (one, two) = (ObjectId::log(1), ObjectId::log(2));
    writer
        .create(one, None)
        .unwrap()
        .append(0, &[b"bytes"])
        .unwrap();
    let reader = DirStore::open_read_only(root.path()).unwrap();
    assert_eq!(reader.list().unwrap(), [one]);
    let object = reader.open(one).unwrap();
    let mut bytes = [0; 5];
    object.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"bytes");
    assert!(object.append(5, &[b"more"]).is_err());
    let refused = [
        reader.acquire(Owner(2)),
        reader.create(two, None).map(|_| ()),
        reader.recycle(one, two).map(|_| ()),
        reader.delete(one),
        reader.link(one, two),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind, IoErrorKind::Unsupported);
    }
    assert_eq!(writer.list().unwrap(), [one]);
}
