//! `nori-lsm`, as a program that embeds it opens it.

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use nori_lsm::{Lsm, Options, SyncPolicy, WriteBatch};

use super::BACKGROUND_THREADS;
use crate::embedded::engine::{Durability, Engine, Sizes};

struct Nori(Lsm);

pub(in crate::embedded) fn open(
    folder: &Path,
    durability: Durability,
    sizes: &Sizes,
) -> Result<Box<dyn Engine>> {
    let options = options(durability, sizes);
    Ok(Box::new(Nori(Lsm::open(folder, options)?)))
}

/// With values of a KiB and more in value files.
pub(in crate::embedded) fn open_separated(
    folder: &Path,
    durability: Durability,
    sizes: &Sizes,
) -> Result<Box<dyn Engine>> {
    let options = Options {
        value_separation: Some(1 << 10),
        ..options(durability, sizes)
    };
    Ok(Box::new(Nori(Lsm::open(folder, options)?)))
}

fn options(durability: Durability, sizes: &Sizes) -> Options {
    Options {
        sync: match durability {
            Durability::Unsynced => SyncPolicy::Never,
            Durability::Synced => SyncPolicy::Group,
        },
        memtable_bytes: sizes.memtable_bytes,
        cache_bytes: sizes.cache_bytes,
        table_bytes: sizes.table_bytes,
        level_base_bytes: 4 * sizes.table_bytes,
        // As others begin a log with each memtable: what is flushed can go soon.
        log_segment_bytes: sizes.memtable_bytes,
        threads: BACKGROUND_THREADS,
        ..Options::default()
    }
}

impl Engine for Nori {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.put(key, value)?;
        Ok(())
    }

    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut batch = WriteBatch::new();
        for (key, value) in entries {
            batch.put(key, value);
        }
        self.0.write(batch)?;
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.0.delete(key)?;
        Ok(())
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.0.get(key)?;
        Ok(found.inspect(|value| seen(value)).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let snapshot = self.0.snapshot();
        let mut iter = self.0.iter(Bytes::copy_from_slice(from).., &snapshot);
        for _ in 0..limit {
            let Some((key, value)) = iter.next()? else {
                break;
            };
            seen(&key, &value);
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        self.0.flush()?;
        Ok(self.0.settle()?)
    }
}
