//! `nori-lsm` over files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use nori_env::{DirStore, OsEntropy, SystemClock};
use nori_lsm::{Log, Lsm, Options};

use super::jobs::JobThreads;
use super::{Durability, Engine, Sizes};

/// `nori-lsm` over a [`DirStore`], with threads of its own for background work.
#[derive(Debug)]
pub struct Nori {
    lsm: Lsm,
    jobs: JobThreads,
    /// Bytes written since the jobs' threads were last told.
    written: AtomicU64,
}

impl Engine for Nori {
    const NAME: &str = "nori-lsm";

    fn open(folder: &Path, durability: Durability, sizes: &Sizes) -> Result<Self> {
        let store = DirStore::open(folder.join("data")).context("opening the tables' folder")?;
        let log = match durability {
            Durability::Unsynced => Log::External,
            Durability::Synced => {
                let log = DirStore::open(folder.join("log")).context("opening the log's folder")?;
                Log::Own(Arc::new(log))
            }
        };
        let options = Options {
            log,
            memtable_bytes: sizes.memtable_bytes,
            cache_bytes: sizes.cache_bytes,
            ..Options::default()
        };
        let lsm = Lsm::open_in(
            Arc::new(store),
            Arc::new(SystemClock),
            Arc::new(OsEntropy),
            options,
        )?;
        let jobs = JobThreads::start(&lsm, JOB_THREADS)?;
        Ok(Self {
            lsm,
            jobs,
            written: AtomicU64::new(0),
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.lsm.put(key, value)?;
        // The store does not call when it has work, so it is asked now and then.
        let bytes = (key.len() + value.len()) as u64;
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / NUDGE_BYTES != (before + bytes) / NUDGE_BYTES {
            self.jobs.nudge();
        }
        Ok(())
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.lsm.get(key)?;
        Ok(found.inspect(|value| seen(value)).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let snapshot = self.lsm.snapshot();
        let mut iter = self.lsm.iter(Bytes::copy_from_slice(from).., &snapshot);
        for _ in 0..limit {
            let Some((key, value)) = iter.next()? else {
                break;
            };
            seen(&key, &value);
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        self.lsm.rotate();
        self.jobs.wait_until_idle()
    }
}

/// Threads for flushes and compactions, as RocksDB has by default.
const JOB_THREADS: u32 = 2;
/// Bytes of writes after which the jobs' threads look for a job.
const NUDGE_BYTES: u64 = 256 << 10;
