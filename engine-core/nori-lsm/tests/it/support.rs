//! What the tests share.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockStore, Geometry, MemStore, Owner};
use nori_lsm::{Error, Iter, JobState, Log, Lsm, Options, Snapshot};
use norikv_testkit::{DiskOptions, SimDisk, SimEntropy, VirtualClock};
use norikv_types::WallMs;

/// Small figures, so that little data goes through every part.
pub(crate) fn small(log: Log) -> Options {
    Options {
        log,
        memtable_bytes: 2 << 10,
        memtables_waiting_max: 2,
        fresh_runs_min: 2,
        fresh_runs_max: 4,
        level_base_bytes: 1 << 10,
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

/// The same, smaller still: a few writes fill a memtable.
pub(crate) fn tiny(log: Log) -> Options {
    Options {
        memtable_bytes: 200,
        level_base_bytes: 256,
        table_bytes: 256,
        ..small(log)
    }
}

/// The same, with nearly every value in a value file.
pub(crate) fn separated(options: Options) -> Options {
    Options {
        value_separation: Some(4),
        ..options
    }
}

pub(crate) fn open(store: &Arc<dyn BlockStore>, options: Options, seed: u64) -> Result<Lsm, Error> {
    Lsm::open_in(
        Arc::clone(store),
        Arc::new(VirtualClock::new(WallMs(0))),
        Arc::new(SimEntropy::new(seed)),
        options,
    )
}

pub(crate) fn mem() -> Arc<dyn BlockStore> {
    // Without recycling the log sets nothing aside, which keeps small tests small.
    Arc::new(MemStore::with_geometry(Geometry {
        unit: 512,
        psow: true,
        recycle: false,
        capacity: None,
    }))
}

/// A disk that can be made to fail, and the store on it.
pub(crate) fn disk() -> (SimDisk, Arc<dyn BlockStore>) {
    let disk = SimDisk::new(DiskOptions {
        unit: 512,
        recycle: false,
        ..DiskOptions::default()
    });
    let store = Arc::new(disk.clone());
    (disk, store)
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

/// Gives `pairs` one by one, as `replace_ranges` wants them.
pub(crate) fn entries(
    pairs: Vec<(Bytes, Bytes)>,
) -> impl FnMut() -> Result<Option<(Bytes, Bytes)>, Error> {
    let mut pairs = pairs.into_iter();
    move || Ok(pairs.next())
}
