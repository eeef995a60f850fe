//! RocksDB: the log-structured merge tree that others are measured by.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteBatch, WriteOptions};

use super::{BACKGROUND_THREADS, BLOCK_BYTES, FILTER_BITS, FRESH_RUNS};
use crate::embedded::engine::{Durability, Engine, Sizes};

struct RocksDb {
    db: DB,
    synced: bool,
}

pub(in crate::embedded) fn open(
    folder: &Path,
    durability: Durability,
    sizes: &Sizes,
) -> Result<Box<dyn Engine>> {
    let mut table = BlockBasedOptions::default();
    table.set_block_size(usize::try_from(BLOCK_BYTES)?);
    table.set_block_cache(&Cache::new_lru_cache(usize::try_from(sizes.cache_bytes)?)?);
    table.set_bloom_filter(f64::from(FILTER_BITS), false);
    table.set_format_version(5);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(usize::try_from(sizes.memtable_bytes)?);
    // The same as ours: one is filled while four wait.
    options.set_max_write_buffer_number(5);
    options.set_level_zero_file_num_compaction_trigger(i32::from(FRESH_RUNS));
    options.set_target_file_size_base(sizes.table_bytes);
    options.set_max_bytes_for_level_base(4 * sizes.table_bytes);
    options.set_max_background_jobs(i32::try_from(BACKGROUND_THREADS)?);
    let db = DB::open(&options, folder)?;
    let synced = durability == Durability::Synced;
    Ok(Box::new(RocksDb { db, synced }))
}

impl RocksDb {
    fn write_options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.synced);
        options
    }

    fn number(&self, property: &str) -> Result<u64> {
        Ok(self.db.property_int_value(property)?.unwrap_or(0))
    }
}

impl Engine for RocksDb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.write_options())?)
    }

    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in entries {
            batch.put(key, value);
        }
        Ok(self.db.write_opt(batch, &self.write_options())?)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        Ok(self.db.delete_opt(key, &self.write_options())?)
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.db.get_pinned(key)?;
        Ok(found.inspect(|value| seen(value)).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let mut iter = self.db.raw_iterator();
        iter.seek(from);
        for _ in 0..limit {
            let Some((key, value)) = iter.item() else {
                break;
            };
            seen(key, value);
            iter.next();
        }
        Ok(iter.status()?)
    }

    fn settle(&self) -> Result<()> {
        self.db.flush()?;
        let mut quiet = 0;
        while quiet < QUIET_POLLS {
            std::thread::sleep(POLL);
            let busy = self.number("rocksdb.num-running-compactions")?
                + self.number("rocksdb.num-running-flushes")?
                + self.number("rocksdb.compaction-pending")?
                + self.number("rocksdb.mem-table-flush-pending")?;
            quiet = if busy > 0 { 0 } else { quiet + 1 };
        }
        Ok(())
    }
}

const POLL: Duration = Duration::from_millis(5);
const QUIET_POLLS: u32 = 10;
