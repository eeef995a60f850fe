//! What is not read because nothing in it can count: every first block is damaged, so that whoever
//! reads one fails.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockStore, ObjectId, ObjectKind};
use nori_lsm::{Error, Lsm, Options};
use nori_sstable::{PrefixExtractor, TableOptions};
use norikv_testkit::CrashDisk;

use crate::support::{backward, dump, forward, open, small, work};

fn options() -> Options {
    Options {
        cache_bytes: 0,
        ..small(nori_lsm::Log::External)
    }
}

fn key(number: u32) -> Bytes {
    Bytes::from(format!("key {number:05}"))
}

fn tables(store: &Arc<dyn BlockStore>) -> Vec<ObjectId> {
    let listed = store.list().unwrap().into_iter();
    listed.filter(|id| id.kind == ObjectKind::Table).collect()
}

/// A store with tables in the last level, whose first blocks are damaged now.
fn damaged(options: Options, keys: impl Iterator<Item = Bytes>) -> (Lsm, Arc<dyn BlockStore>) {
    let disk = CrashDisk::new(512, true, false);
    let store: Arc<dyn BlockStore> = Arc::new(disk.clone());
    let lsm = open(&store, options, 1).unwrap();
    for key in keys {
        lsm.put(&key, &[7; 60]).unwrap();
    }
    lsm.compact_range(b"", None).unwrap();
    work(&lsm).unwrap();
    let all = tables(&store);
    assert!(all.len() > 3, "{all:?}");
    all.iter().for_each(|id| assert!(disk.flip_bit(*id, 100)));
    (lsm, store)
}

#[test]
fn a_table_that_a_range_tombstone_covers_whole_is_read_by_nobody() {
    let (lsm, store) = damaged(options(), (0..400).map(key));
    let old = lsm.snapshot();
    assert!(matches!(dump(&lsm, &old), Err(Error::Table(_))));
    let before = tables(&store);
    lsm.delete_range(b"key", b"kez").unwrap();
    lsm.put(&key(7), b"later").unwrap();
    let check = |what: &str| {
        let snapshot = lsm.snapshot();
        let expected = [(key(7), Bytes::from("later"))];
        assert_eq!(dump(&lsm, &snapshot).unwrap(), expected, "{what}");
        let all = backward(lsm.iter(.., &snapshot)).unwrap();
        assert_eq!(all, expected, "{what}");
        let mut cursor = lsm.cursor(&snapshot);
        assert!(cursor.seek_back(&key(200)).unwrap(), "{what}");
        assert!(!cursor.seek(&key(8)).unwrap(), "{what}");
        for number in [0, 8, 399] {
            assert_eq!(lsm.get(&key(number)).unwrap(), None, "{what}");
        }
    };
    check("in the memtable");
    lsm.flush().unwrap();
    check("in level 0");
    lsm.compact_range(b"", None).unwrap();
    check("compacted");
    drop(old);
    work(&lsm).unwrap();
    let left = tables(&store);
    assert!(before.iter().all(|id| !left.contains(id)), "{left:?}");
}

#[test]
fn a_table_of_which_only_a_part_is_covered_is_read() {
    let (lsm, _) = damaged(options(), (0..400).map(key));
    lsm.delete_range(&key(1), b"kez").unwrap();
    let snapshot = lsm.snapshot();
    assert!(dump(&lsm, &snapshot).is_err(), "key 0 is there");
    assert!(backward(lsm.iter(.., &snapshot)).is_err());
    lsm.flush().unwrap();
    assert!(lsm.compact_range(b"", None).is_err());
}

#[test]
fn an_iterator_over_a_prefix_passes_by_tables_whose_filters_do_not_know_it() {
    let extracting = |extractor| Options {
        table: TableOptions {
            prefix_extractor: Some(extractor),
            bits_per_key: 20,
            ..TableOptions::default()
        },
        ..options()
    };
    // Every fourth user is not there, and all keys begin alike.
    let keys = || {
        (0..400_u32)
            .filter(|it| it % 4 > 0)
            .map(|it| Bytes::from(format!("user {it:05}/a")))
    };
    for extractor in [
        PrefixExtractor::Fixed(11),
        PrefixExtractor::Separator {
            byte: b'/',
            skip: 0,
        },
    ] {
        let (lsm, _) = damaged(extracting(extractor), keys());
        let snapshot = lsm.snapshot();
        let (mut passed, mut read) = (0, 0);
        for user in 0..400_u32 {
            let prefix = format!("user {user:05}/");
            let both = [
                forward(lsm.iter_prefix(prefix.as_bytes(), &snapshot)),
                backward(lsm.iter_prefix(prefix.as_bytes(), &snapshot)),
            ];
            for found in both {
                match found {
                    Ok(found) if user % 4 == 0 => {
                        assert_eq!(found, []);
                        passed += 1;
                    }
                    // In a block that is not damaged.
                    Ok(found) => assert_eq!(found.len(), 1, "{user}"),
                    Err(_) => read += 1,
                }
            }
        }
        assert!(passed > 190 && read > 5, "{extractor:?}: {passed}, {read}");
        // Of all prefixes without an extract something is read.
        assert!(forward(lsm.iter_prefix(b"user", &snapshot)).is_err());
        let mut none = lsm.iter_prefix(b"user 00004/", &snapshot);
        assert_eq!(none.next().unwrap(), None);
        assert_eq!(none.behind().unwrap(), "user 000040");
    }
}
