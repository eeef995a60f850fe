//! The one store of this instance.
//!
//! **Invariant: after every write all background work is done,** since nobody else would do it.

use std::cell::OnceCell;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{Clock, Entropy, MemStore};
use nori_lsm::{JobState, Log, Lsm, Options};
use norikv_types::{Mono, WallMs};

use super::{Error, other};

thread_local! {
    static STORE: OnceCell<Lsm> = const { OnceCell::new() };
}

/// Bytes of background work between two looks at how far it is.
const STEP_BYTES: u64 = 1 << 20;

pub(super) fn get(key: &[u8]) -> Result<Option<Bytes>, Error> {
    with(|lsm| lsm.get(key).map_err(failed))
}

pub(super) fn put(key: &[u8], value: &[u8]) -> Result<(), Error> {
    with(|lsm| {
        lsm.put(key, value).map_err(failed)?;
        work(lsm)
    })
}

pub(super) fn delete(key: &[u8]) -> Result<(), Error> {
    with(|lsm| {
        lsm.delete(key).map_err(failed)?;
        work(lsm)
    })
}

/// At most `limit` keys that begin with `prefix`, behind `after`, in ascending order.
pub(super) fn keys(prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>, Error> {
    let bytes = Bytes::copy_from_slice;
    let from = after.map_or_else(
        || Bound::Included(bytes(prefix)),
        |after| Bound::Excluded(bytes(after)),
    );
    with(|lsm| {
        let mut keys = Vec::new();
        let mut all = lsm.iter((from, Bound::Unbounded), &lsm.snapshot());
        while keys.len() < limit
            && let Some((key, _)) = all.next().map_err(failed)?
            && key.starts_with(prefix)
        {
            keys.push(key);
        }
        Ok(keys)
    })
}

fn work(lsm: &Lsm) -> Result<(), Error> {
    while let Some(mut job) = lsm.next_job() {
        while job.step(STEP_BYTES).map_err(failed)? == JobState::More {}
    }
    Ok(())
}

fn with<T>(use_it: impl FnOnce(&Lsm) -> Result<T, Error>) -> Result<T, Error> {
    STORE.with(|cell| match cell.get() {
        Some(lsm) => use_it(lsm),
        None => {
            let options = Options {
                // There is nothing to survive: the store is in memory.
                log: Log::External,
                memtable_bytes: 4 << 20,
                cache_bytes: 8 << 20,
                ..Options::default()
            };
            let lsm = Lsm::open_in(
                Arc::new(MemStore::new()),
                Arc::new(Ticks::default()),
                Arc::new(Counted::default()),
                options,
            );
            use_it(cell.get_or_init(|| lsm.expect("an empty store in memory opens")))
        }
    })
}

fn failed(error: nori_lsm::Error) -> Error {
    other(error.to_string())
}

/// Time that passes when someone looks. The engine uses it only to pause between failures.
#[derive(Debug, Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Mono {
        Mono::from_nanos(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }

    fn wall(&self) -> WallMs {
        WallMs(0)
    }
}

/// Numbers that differ: enough to salt checksums in memory, where nothing is recycled.
#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn draw(&self) -> u64 {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        count.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
