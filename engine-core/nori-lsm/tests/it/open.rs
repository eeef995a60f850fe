//! A store in a directory, with threads of its own.

use std::sync::Arc;
use std::thread;

use nori_env::{IoErrorKind, ObjectId};
use nori_lsm::{Error, Log, Lsm, Options};
use tempfile::TempDir;

use crate::support::{dump, small};

fn options() -> Options {
    Options {
        owner: None,
        ..small(Log::Inside)
    }
}

fn count(dir: &TempDir, word: &str) -> usize {
    let entries = std::fs::read_dir(dir.path()).unwrap();
    entries
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|it| it == word)
        })
        .count()
}

#[test]
fn what_was_written_to_a_directory_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3_u8 {
        let lsm = Lsm::open(dir.path(), options()).unwrap();
        for number in 0..200_u32 {
            lsm.put(format!("key {number:03}").as_bytes(), &[round; 40])
                .unwrap();
        }
        let all = dump(&lsm, &lsm.snapshot()).unwrap();
        assert_eq!(all.len(), 200);
        assert!(all.iter().all(|(_, value)| value[..] == [round; 40]));
    }
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap().len(), 200);
}

#[test]
fn the_threads_do_all_work_that_comes_up_and_nobody_asks_them() {
    let dir = tempfile::tempdir().unwrap();
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    for number in 0..2_000_u32 {
        lsm.put(&(number % 300).to_be_bytes(), &[7; 40]).unwrap();
    }
    lsm.rotate();
    while lsm.stats().memtables_waiting > 0 {
        thread::yield_now();
    }
    lsm.settle().unwrap();
    let stats = lsm.stats();
    assert!(stats.flushes > 1 && stats.compactions > 1, "{stats:?}");
    assert!(lsm.next_job().is_none());
    let live: u32 = stats.levels.iter().map(|level| level.tables).sum();
    assert_eq!(
        count(&dir, "sst"),
        live as usize,
        "what is obsolete is deleted"
    );
}

#[test]
fn a_directory_that_is_open_cannot_be_opened_again_until_its_last_handle_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    let another = lsm.clone();
    for _ in 0..2 {
        let refused = Lsm::open(dir.path(), options()).unwrap_err();
        assert!(
            matches!(&refused, Error::Io(error) if error.kind == IoErrorKind::Fenced),
            "{refused:?}"
        );
    }
    lsm.put(b"key", b"value").unwrap();
    drop(lsm);
    assert!(
        Lsm::open(dir.path(), options()).is_err(),
        "one handle is left"
    );
    another.put(b"key", b"another").unwrap();
    drop(another);
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    assert_eq!(lsm.get(b"key").unwrap().unwrap(), "another");
}

#[test]
fn the_last_handle_may_be_dropped_by_any_thread_while_there_is_work() {
    let dir = tempfile::tempdir().unwrap();
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    thread::scope(|scope| {
        for writer in 0..4_u8 {
            let lsm = lsm.clone();
            scope.spawn(move || {
                for number in 0..300_u32 {
                    let key = [&[writer][..], &number.to_be_bytes()].concat();
                    lsm.put(&key, &[writer; 40]).unwrap();
                }
            });
        }
        drop(lsm);
    });
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap().len(), 1_200);
}

#[test]
fn without_threads_a_writer_does_the_work_itself() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        threads: 0,
        ..options()
    };
    let lsm = Lsm::open(dir.path(), options).unwrap();
    for number in 0..1_000_u32 {
        lsm.put(&number.to_be_bytes(), &[7; 40]).unwrap();
    }
    assert!(lsm.stats().flushes > 0);
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap().len(), 1_000);
}

#[test]
fn a_path_that_is_a_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "something else").unwrap();
    let refused = Lsm::open(&path, options()).unwrap_err();
    assert!(matches!(refused, Error::Io(_)), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}

#[test]
fn a_log_elsewhere_is_opened_with_the_store() {
    let (dir, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = || Options {
        log: Log::Own(Arc::new(nori_env::DirStore::open(log.path()).unwrap())),
        ..options()
    };
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    lsm.put(b"key", b"value").unwrap();
    drop(lsm);
    assert_eq!(count(&dir, "log"), 0);
    assert!(log.path().join(ObjectId::log(1).to_string()).exists() || count(&log, "log") > 0);
    let lsm = Lsm::open(dir.path(), options()).unwrap();
    assert_eq!(lsm.get(b"key").unwrap().unwrap(), "value");
}
