//! What the tests share.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{BlockStore, Clock, Entropy, MemStore, Owner};
use nori_lsm::{Error, Iter, JobState, Log, Lsm, Options, Snapshot};
use norikv_types::{Mono, Prng, WallMs};

/// A clock that moves when it is told to.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> Mono {
        Mono::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> WallMs {
        WallMs(0)
    }
}

/// Seeded entropy.
#[derive(Debug)]
pub(crate) struct TestEntropy(nori_env::sync::Mutex<Prng>);

impl TestEntropy {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(nori_env::sync::Mutex::new(Prng::new(seed))))
    }
}

impl Entropy for TestEntropy {
    fn draw(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

/// Small figures, so that little data goes through every part.
pub(crate) fn small(log: Log) -> Options {
    Options {
        log,
        memtable_bytes: 2 << 10,
        memtables_waiting_max: 2,
        fresh_runs_min: 2,
        fresh_runs_max: 4,
        level_base_bytes: 4 << 10,
        level_ratio: 2,
        table_bytes: 1 << 10,
        cache_bytes: 1 << 20,
        manifest_bytes: 512,
        // The log's first segment has to hold the largest batch.
        log_segment_bytes: 16 << 20,
        owner: Some(Owner(1)),
        ..Options::default()
    }
}

pub(crate) fn open(store: &Arc<dyn BlockStore>, options: Options, seed: u64) -> Result<Lsm, Error> {
    Lsm::open_in(
        Arc::clone(store),
        Arc::new(TestClock::default()),
        TestEntropy::new(seed),
        options,
    )
}

pub(crate) fn mem() -> Arc<dyn BlockStore> {
    Arc::new(MemStore::new())
}

/// Steps jobs until there are none.
pub(crate) fn work(lsm: &Lsm) -> Result<(), Error> {
    while let Some(mut job) = lsm.next_job() {
        while job.step(256)? == JobState::More {}
    }
    Ok(())
}

pub(crate) fn forward(mut iter: Iter) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let mut all = Vec::new();
    while let Some(pair) = iter.next()? {
        all.push(pair);
    }
    Ok(all)
}

pub(crate) fn backward(mut iter: Iter) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let mut all = Vec::new();
    while let Some(pair) = iter.prev()? {
        all.push(pair);
    }
    all.reverse();
    Ok(all)
}

pub(crate) fn dump(lsm: &Lsm, snapshot: &Snapshot) -> Result<Vec<(Bytes, Bytes)>, Error> {
    forward(lsm.iter(.., snapshot))
}
