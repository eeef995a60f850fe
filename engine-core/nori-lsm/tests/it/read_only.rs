//! Stores that are opened to be read.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockStore, Owner};
use nori_lsm::{Error, Log, Lsm, OpenMode, Options, WriteBatch};

use norikv_types::Prng;

use crate::support::{disk, dump, entries, open, tiny, work};

fn own(store: &Arc<dyn BlockStore>) -> Options {
    tiny(Log::Own(Arc::clone(store)))
}

fn to_read(store: &Arc<dyn BlockStore>) -> Options {
    Options {
        mode: OpenMode::ReadOnly,
        ..own(store)
    }
}

#[test]
fn a_store_opened_to_be_read_shows_tables_and_log_and_changes_nothing() {
    for cut in (0..200).step_by(7) {
        let (sim, store) = disk();
        let lsm = open(&store, own(&store), cut).unwrap();
        for number in 0..8_u8 {
            lsm.put(&[number], b"first").unwrap();
        }
        sim.power_off_after(cut);
        for number in 0..40_u8 {
            if lsm
                .put(&[number], &[number; 40])
                .and_then(|_| work(&lsm))
                .is_err()
            {
                break;
            }
        }
        drop(lsm);
        sim.crash(&mut Prng::new(cut));
        // A writer's lock is nothing to a reader, and a reader's is nothing to a writer.
        store.acquire(Owner(9)).unwrap();
        let before = sim.counters().mutations;
        let reader = open(&store, to_read(&store), 1).unwrap();
        let read = dump(&reader, &reader.snapshot()).unwrap();
        assert!(read.len() >= 8, "cut {cut}");
        assert!(reader.next_job().is_none());
        assert_eq!(
            sim.counters().mutations,
            before,
            "cut {cut}: nothing is written"
        );
        sim.restart();
        let lsm = open(&store, own(&store), 2).unwrap();
        assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), read, "cut {cut}");
    }
}

#[test]
fn whatever_would_write_is_refused() {
    let store = crate::support::mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    lsm.keyspace("users").unwrap();
    for number in 0..60_u8 {
        lsm.put(&[number], &[number; 40]).unwrap();
    }
    drop(lsm);
    let before = store.list().unwrap();
    let options = Options {
        // More memtables than a writer would be let go on with.
        memtable_bytes: 100,
        ..to_read(&store)
    };
    let lsm = open(&store, options, 2).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(b"key", b"value");
    let range = [Bytes::from("a")..Bytes::from("b")];
    lsm.rotate();
    for refused in [
        lsm.write(batch.clone()).map(|_| ()),
        lsm.try_write(batch).map(|_| ()),
        lsm.delete(b"key").map(|_| ()),
        lsm.keyspace("new").map(|_| ()),
        lsm.drop_keyspace("users").map(|_| ()),
        lsm.compare_and_set(b"key", None, Some(b"value"))
            .map(|_| ()),
        lsm.flush(),
        lsm.settle(),
        lsm.replace_ranges(&range, &mut entries(Vec::new()))
            .map(|_| ()),
    ] {
        assert!(matches!(refused, Err(Error::ReadOnly)), "{refused:?}");
    }
    lsm.close().unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap().len(), 60);
    assert_eq!(store.list().unwrap(), before);
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let store = crate::support::mem();
    let refused = open(&store, to_read(&store), 1).unwrap_err();
    assert_eq!(refused, Error::NoStore);
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        mode: OpenMode::ReadOnly,
        ..Options::default()
    };
    assert!(Lsm::open(dir.path().join("missing"), options()).is_err());
    assert_eq!(
        Lsm::open(dir.path(), options()).unwrap_err(),
        Error::NoStore
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn several_readers_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let lsm = Lsm::open(dir.path(), Options::default()).unwrap();
    lsm.put(b"key", b"value").unwrap();
    drop(lsm);
    let options = || Options {
        mode: OpenMode::ReadOnly,
        ..Options::default()
    };
    let readers = [0; 3].map(|_| Lsm::open(dir.path(), options()).unwrap());
    for reader in readers {
        assert_eq!(reader.get(b"key").unwrap().unwrap(), "value");
    }
}
