//! The next group is staged while one syncs.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use nori_env::{BlockObject, BlockStore, Geometry, IoError, MemStore, ObjectId, Owner};
use nori_wal::{Options, SyncPolicy};

use crate::support::{Seeded, open, small};

/// A store whose syncs say that they begin and wait until they may go on.
#[derive(Debug)]
struct Gate(MemStore, Arc<Turnstile>);

#[derive(Debug)]
struct GatedObject(Arc<dyn BlockObject>, Arc<Turnstile>);

#[derive(Debug)]
struct Turnstile {
    begun: Sender<()>,
    go_on: Mutex<Option<Receiver<()>>>,
}

impl Gate {
    fn wrap(&self, object: Arc<dyn BlockObject>) -> Arc<dyn BlockObject> {
        Arc::new(GatedObject(object, Arc::clone(&self.1)))
    }
}

impl BlockStore for Gate {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn acquire(&self, owner: Owner) -> Result<(), IoError> {
        self.0.acquire(owner)
    }
    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        self.0.list()
    }
    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        self.0.create(id, reserve).map(|object| self.wrap(object))
    }
    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        self.0.open(id).map(|object| self.wrap(object))
    }
    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        self.0.recycle(old, new).map(|object| self.wrap(object))
    }
    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        self.0.delete(id)
    }
    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        self.0.link(from, to)
    }
    fn barrier(&self) -> Result<(), IoError> {
        self.0.barrier()
    }
}

impl BlockObject for GatedObject {
    fn id(&self) -> ObjectId {
        self.0.id()
    }
    fn len(&self) -> Result<u64, IoError> {
        self.0.len()
    }
    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        self.0.append(at, bufs)
    }
    fn sync(&self) -> Result<(), IoError> {
        if let Some(go_on) = &*self.1.go_on.lock().unwrap() {
            self.1.begun.send(()).unwrap();
            go_on.recv().unwrap();
        }
        self.0.sync()
    }
    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        self.0.read_at(offset, dst)
    }
}

/// Appends of several threads while one syncs: how many syncs there were in all.
fn syncs_of(policy: SyncPolicy, threads: u8) -> usize {
    let (begun, begins) = channel();
    let (open_gate, go_on) = channel();
    let turnstile = Arc::new(Turnstile {
        begun,
        go_on: Mutex::new(None),
    });
    let store = Arc::new(Gate(MemStore::new(), Arc::clone(&turnstile)));
    let options = Options {
        sync: policy,
        ..small()
    };
    let (wal, ..) = open(store, &Seeded::new(1), &options).unwrap();
    *turnstile.go_on.lock().unwrap() = Some(go_on);
    let mut syncs = 0;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| wal.append(&[b"first"]).unwrap());
        begins.recv().unwrap();
        // The first group is being synced; everybody else stages the next one meanwhile.
        let staged = wal.end_lsn();
        let others: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn({
                    let wal = &wal;
                    move || wal.append(&[&[number; 20]]).unwrap()
                })
            })
            .collect();
        if policy == SyncPolicy::Group {
            let all = staged.0 + 40 + u64::from(threads) * 28;
            while wal.end_lsn().0 < all {
                std::thread::yield_now();
            }
            assert!(wal.durable_lsn() < staged, "none of it is durable yet");
        }
        open_gate.send(()).unwrap();
        syncs += 1;
        let expected = if policy == SyncPolicy::Group {
            1
        } else {
            usize::from(threads)
        };
        for _ in 0..expected {
            begins.recv().unwrap();
            syncs += 1;
            open_gate.send(()).unwrap();
        }
        first.join().unwrap();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(wal.durable_lsn(), wal.end_lsn());
        assert!(begins.try_recv().is_err(), "no more syncs than that");
    });
    assert_eq!(
        wal.iter_from(wal.first_lsn()).unwrap().count(),
        usize::from(threads) + 1
    );
    syncs
}

#[test]
fn whoever_comes_while_a_group_syncs_shares_the_next_sync() {
    for threads in [1, 5, 15] {
        assert_eq!(syncs_of(SyncPolicy::Group, threads), 2);
    }
}

#[test]
fn with_always_nobody_shares_a_sync() {
    assert_eq!(syncs_of(SyncPolicy::Always, 5), 6);
}
