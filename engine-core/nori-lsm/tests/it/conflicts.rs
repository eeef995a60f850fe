//! What is written because of what was read, beside what goes past the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use nori_env::sync::Mutex;
use nori_env::{MemStore, ObjectKind};
use nori_lsm::{Error, JobState, Log, Lsm, Options};
use norikv_testkit::{StoreStep, WatchedStore};

use crate::support::{entries, mem, open, tiny};

fn pairs(value: &'static str) -> Vec<(Bytes, Bytes)> {
    ["r1", "r2", "r3"]
        .map(|key| (Bytes::from(key), Bytes::from(value)))
        .to_vec()
}

fn ingest(lsm: &Lsm, value: &'static str) -> nori_lsm::Ingestion {
    let mut ingestion = lsm.ingest().unwrap();
    for (key, value) in pairs(value) {
        ingestion.put(&key, &value).unwrap();
    }
    ingestion
}

#[test]
fn a_transaction_sees_a_replacement_that_was_numbered_before_it_began() {
    for log in [Log::External, Log::Own(mem())] {
        let lsm = open(&mem(), tiny(log), 1).unwrap();
        lsm.put(b"r1", b"old").unwrap();
        let mut begun = None;
        let mut new = entries(pairs("new"));
        let range = [Bytes::from("r")..Bytes::from("s")];
        lsm.replace_ranges(&range, &mut || {
            let mut transaction = lsm.transaction();
            assert_eq!(transaction.get(b"r1")?.unwrap(), "old");
            begun = Some(transaction);
            new()
        })
        .unwrap();
        let mut transaction = begun.unwrap();
        transaction.put(b"other", b"because r1 was old");
        assert_eq!(transaction.commit(), Err(Error::Conflict));
    }
}

/// A store that calls what is put here at the next sync of its manifest.
type Then = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

fn watched(log: Log) -> (Lsm, Then) {
    let then = Then::default();
    let store = WatchedStore::new(MemStore::new(), {
        let then = Arc::clone(&then);
        move |step| {
            if let StoreStep::Syncing(id) = step
                && id.kind == ObjectKind::Manifest
            {
                let now = then.lock().take();
                now.into_iter().for_each(|now| now());
            }
        }
    });
    let options = Options {
        log,
        ..tiny(Log::External)
    };
    let store: Arc<dyn nori_env::BlockStore> = store;
    (open(&store, options, 1).unwrap(), then)
}

#[test]
fn a_compare_and_set_does_not_come_between_an_ingestion_and_its_place() {
    for log in [Log::External, Log::Own(mem())] {
        let (lsm, then) = watched(log);
        let version = lsm.put(b"r2", b"old").unwrap();
        lsm.flush().unwrap();
        let ingestion = ingest(&lsm, "ingested");
        let result = Arc::new(Mutex::new(None));
        *then.lock() = Some(Box::new({
            let (lsm, result) = (lsm.clone(), Arc::clone(&result));
            move || {
                let set = lsm.compare_and_set(b"r2", Some(version), Some(b"because it was old"));
                *result.lock() = Some(set);
            }
        }));
        ingestion.finish().unwrap();
        assert_eq!(*result.lock(), Some(Err(Error::Conflict)));
        assert_eq!(lsm.get(b"r2").unwrap().unwrap(), "ingested");
        // Others are held up by nothing.
        lsm.compare_and_set(b"q", None, Some(b"1")).unwrap();
    }
}

#[test]
fn an_ingestion_stands_above_what_was_written_because_of_what_it_changes() {
    for log in [Log::External, Log::Own(mem())] {
        let lsm = open(&mem(), tiny(log), 1).unwrap();
        let version = lsm.put(b"r2", b"old").unwrap();
        let ingestion = ingest(&lsm, "ingested");
        let set = lsm.compare_and_set(b"r2", Some(version), Some(b"because it was old"));
        set.unwrap();
        ingestion.finish().unwrap();
        assert_eq!(lsm.get(b"r2").unwrap().unwrap(), "ingested");
        let mut transaction = lsm.transaction();
        assert_eq!(transaction.get(b"r1").unwrap().unwrap(), "ingested");
        transaction.put(b"r1", b"later");
        transaction.commit().unwrap();
    }
}

#[test]
fn a_snapshot_shows_every_write_up_to_the_one_that_it_names() {
    let options = Options {
        memtable_bytes: 1,
        memtables_waiting_max: 64,
        ..tiny(Log::External)
    };
    let lsm = open(&mem(), options, 1).unwrap();
    lsm.put(b"key", b"value").unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    // Whoever goes by the number, as a transaction does, relies on it.
                    let snapshot = lsm.snapshot();
                    let mut key = lsm.cursor(&snapshot);
                    assert!(key.first().unwrap());
                    assert_eq!(key.version(), snapshot.seqno());
                }
            });
        }
        // Each write begins a memtable.
        for _ in 0..20_000 {
            lsm.put(b"key", b"value").unwrap();
            if let Some(mut job) = lsm.next_job() {
                while job.step(64).unwrap() == JobState::More {}
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
}
