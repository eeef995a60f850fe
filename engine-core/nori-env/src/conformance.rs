//! The suite that every store passes: what the engine relies on, checked from outside.
//!
//! **Invariant: a store that passes behaves like every other store that passes**, as far as that
//! can be seen without a crash. A failed check panics and says what it expected.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::{BlockObject, BlockStore, IoErrorKind, ObjectId, Owner, ReadRequest};

/// Runs every check, each on a new store from `make`.
///
/// # Panics
/// At the first thing that a store does differently.
pub fn run(make: &dyn Fn() -> Arc<dyn BlockStore>) {
    let checks: [fn(&dyn BlockStore); 12] = [
        a_new_store_is_empty_and_has_a_sane_geometry,
        one_owner_at_a_time,
        appended_bytes_are_read_back,
        ranges_beyond_the_end_are_refused_whole,
        a_reserve_is_readable_zero_and_does_not_move,
        the_list_is_sorted_and_current,
        names_are_unique_and_must_exist,
        an_object_outlives_its_name,
        a_link_is_a_second_name_for_the_same_bytes,
        recycling_keeps_space_and_starts_over,
        reopened_objects_go_on_at_their_length,
        a_reader_does_not_disturb_the_writer,
    ];
    for check in checks {
        check(make().as_ref());
    }
    an_append_that_goes_back_is_a_bug(make().as_ref());
}

fn a_new_store_is_empty_and_has_a_sane_geometry(store: &dyn BlockStore) {
    let geometry = store.geometry();
    assert!(geometry.unit.is_power_of_two(), "unit {}", geometry.unit);
    assert_eq!(store.list(), Ok(Vec::new()));
}

fn one_owner_at_a_time(store: &dyn BlockStore) {
    assert_eq!(store.acquire(Owner(1)), Ok(()));
    assert_eq!(store.acquire(Owner(1)), Ok(()), "asking again is fine");
    let other = store.acquire(Owner(2)).map_err(|error| error.kind);
    assert_eq!(other, Err(IoErrorKind::Fenced));
}

fn appended_bytes_are_read_back(store: &dyn BlockStore) {
    let object = create(store, ObjectId::table(1), None);
    assert_eq!(object.id(), ObjectId::table(1));
    assert_eq!(object.is_empty(), Ok(true));
    object.append(0, &[b"one", b"", b"two"]).expect("append");
    object.append(6, &[b"three"]).expect("append");
    object.sync().expect("sync");
    object.append(20, &[b"far"]).expect("append behind a gap");
    object.sync().expect("sync");
    assert_eq!(object.len(), Ok(23));
    assert_eq!(read(object.as_ref(), 0, 11), b"onetwothree");
    assert_eq!(read(object.as_ref(), 11, 12), b"\0\0\0\0\0\0\0\0\0far");
    let mut requests = [(20, 3), (2, 4)].map(|(offset, len)| ReadRequest {
        offset,
        buffer: vec![0; len],
    });
    object.read_many(&mut requests).expect("read_many");
    let buffers = requests.map(|request| request.buffer);
    assert_eq!(buffers, [b"far".to_vec(), b"etwo".to_vec()]);
}

fn ranges_beyond_the_end_are_refused_whole(store: &dyn BlockStore) {
    let object = create(store, ObjectId::table(1), None);
    object.append(0, &[b"abc"]).expect("append");
    for (offset, len) in [(0, 4), (3, 1), (9, 1), (u64::MAX, 1), (u64::MAX - 1, 9)] {
        let got = object.read_at(offset, &mut vec![0; len]);
        let kind = got.map_err(|error| error.kind);
        assert_eq!(kind, Err(IoErrorKind::ShortRead), "{len} bytes at {offset}");
    }
    assert_eq!(object.read_at(3, &mut []), Ok(()), "nothing at the end");
}

fn a_reserve_is_readable_zero_and_does_not_move(store: &dyn BlockStore) {
    let object = create(store, ObjectId::log(1), Some(10_000));
    assert_eq!(object.len(), Ok(10_000));
    assert!(
        read(object.as_ref(), 0, 10_000)
            .iter()
            .all(|&byte| byte == 0)
    );
    object.append(0, &[b"head"]).expect("append");
    object.append(5_000, &[b"body"]).expect("append");
    object.sync().expect("sync");
    assert_eq!(object.len(), Ok(10_000));
    assert_eq!(read(object.as_ref(), 0, 6), b"head\0\0");
    assert_eq!(read(object.as_ref(), 4_999, 6), b"\0body\0");
}

fn the_list_is_sorted_and_current(store: &dyn BlockStore) {
    let mut ids = [
        ObjectId::manifest(3),
        ObjectId::log(10),
        ObjectId::log(u64::MAX),
        ObjectId::table(2),
        ObjectId::meta(0),
        ObjectId::log(9),
    ];
    for id in ids {
        create(store, id, None).sync().expect("sync");
    }
    ids.sort_unstable();
    assert_eq!(store.list(), Ok(ids.to_vec()));
    store.delete(ObjectId::table(2)).expect("delete");
    store.barrier().expect("barrier");
    let left: Vec<_> = (ids.into_iter())
        .filter(|id| *id != ObjectId::table(2))
        .collect();
    assert_eq!(store.list(), Ok(left));
}

fn names_are_unique_and_must_exist(store: &dyn BlockStore) {
    let (here, there) = (ObjectId::log(1), ObjectId::log(2));
    drop(create(store, here, None));
    let kind = |result: Result<(), crate::IoError>| result.map_err(|error| error.kind);
    assert_eq!(
        kind(store.create(here, None).map(drop)),
        Err(IoErrorKind::Exists)
    );
    assert_eq!(
        kind(store.open(there).map(drop)),
        Err(IoErrorKind::NotFound)
    );
    assert_eq!(kind(store.delete(there)), Err(IoErrorKind::NotFound));
    for result in [store.link(there, ObjectId::log(3)), store.link(here, here)] {
        let expected = [
            IoErrorKind::NotFound,
            IoErrorKind::Exists,
            IoErrorKind::Unsupported,
        ];
        assert!(result.is_err_and(|error| expected.contains(&error.kind)));
    }
    if store.geometry().recycle {
        let missing = store.recycle(there, ObjectId::log(3)).map(drop);
        assert_eq!(kind(missing), Err(IoErrorKind::NotFound));
        drop(create(store, there, None));
        let taken = store.recycle(here, there).map(drop);
        assert_eq!(kind(taken), Err(IoErrorKind::Exists));
        assert_eq!(store.list(), Ok(vec![here, there]));
    }
}

fn an_object_outlives_its_name(store: &dyn BlockStore) {
    let id = ObjectId::table(1);
    let writer = create(store, id, None);
    writer.append(0, &[b"still here"]).expect("append");
    let reader = store.open(id).expect("open");
    store.delete(id).expect("delete");
    assert_eq!(read(reader.as_ref(), 6, 4), b"here");
    let anew = create(store, id, None);
    assert_eq!(anew.len(), Ok(0));
    assert_eq!(read(reader.as_ref(), 0, 5), b"still");
}

fn a_link_is_a_second_name_for_the_same_bytes(store: &dyn BlockStore) {
    let (first, second) = (ObjectId::log(1), ObjectId::log(2));
    let object = create(store, first, None);
    object.append(0, &[b"sealed"]).expect("append");
    object.sync().expect("sync");
    match store.link(first, second).map_err(|error| error.kind) {
        Ok(()) => {}
        Err(IoErrorKind::Unsupported) => return,
        Err(kind) => panic!("link: {kind}"),
    }
    let recycled = store.recycle(first, ObjectId::log(3)).map(drop);
    let kind = recycled.map_err(|error| error.kind);
    assert_eq!(
        kind,
        Err(IoErrorKind::Unsupported),
        "a linked object is never recycled"
    );
    store.delete(first).expect("delete");
    let linked = store.open(second).expect("open");
    assert_eq!(read(linked.as_ref(), 0, 6), b"sealed");
}

fn recycling_keeps_space_and_starts_over(store: &dyn BlockStore) {
    let (old, new) = (ObjectId::log(1), ObjectId::log(7));
    let object = create(store, old, Some(4_096));
    object.append(0, &[b"old old old"]).expect("append");
    object.sync().expect("sync");
    drop(object);
    let recycled = store.recycle(old, new);
    if !store.geometry().recycle {
        let kind = recycled.map(drop).map_err(|error| error.kind);
        assert_eq!(kind, Err(IoErrorKind::Unsupported));
        return;
    }
    let recycled = recycled.expect("recycle");
    assert_eq!(recycled.id(), new);
    assert_eq!(recycled.len(), Ok(4_096));
    recycled.append(0, &[b"new"]).expect("append at 0");
    recycled.sync().expect("sync");
    assert_eq!(store.list(), Ok(vec![new]));
    assert_eq!(read(recycled.as_ref(), 0, 3), b"new");
}

fn reopened_objects_go_on_at_their_length(store: &dyn BlockStore) {
    let id = ObjectId::manifest(1);
    let object = create(store, id, None);
    object.append(0, &[b"first"]).expect("append");
    object.sync().expect("sync");
    drop(object);
    let object = store.open(id).expect("open");
    assert_eq!(object.len(), Ok(5));
    object.append(5, &[b"second"]).expect("append");
    object.sync().expect("sync");
    assert_eq!(read(object.as_ref(), 0, 11), b"firstsecond");
}

fn a_reader_does_not_disturb_the_writer(store: &dyn BlockStore) {
    let id = ObjectId::log(1);
    let writer = create(store, id, Some(1_000));
    writer.append(0, &[b"one"]).expect("append");
    let reader = store.open(id).expect("open");
    writer
        .append(3, &[b"two"])
        .expect("append after someone opened it");
    assert_eq!(read(reader.as_ref(), 0, 6), b"onetwo");
}

/// Left out where a panic ends the process.
fn an_append_that_goes_back_is_a_bug(store: &dyn BlockStore) {
    #[cfg(any(test, feature = "std"))]
    {
        let object = create(store, ObjectId::log(1), None);
        object.append(0, &[b"abc"]).expect("append");
        let back = std::panic::AssertUnwindSafe(|| object.append(2, &[b"x"]));
        assert!(
            std::panic::catch_unwind(back).is_err(),
            "appending before the end must panic"
        );
    }
    #[cfg(not(any(test, feature = "std")))]
    let _ = store;
}

fn create(store: &dyn BlockStore, id: ObjectId, reserve: Option<u64>) -> Arc<dyn BlockObject> {
    store.create(id, reserve).expect("create")
}

fn read(object: &dyn BlockObject, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xAA; len];
    object.read_at(offset, &mut bytes).expect("read");
    bytes
}
