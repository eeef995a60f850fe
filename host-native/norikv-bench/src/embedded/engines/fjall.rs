//! fjall 3: a log-structured merge tree in Rust.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fjall::compaction::Leveled;
use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::{BACKGROUND_THREADS, BLOCK_BYTES, FILTER_BITS, FRESH_RUNS};
use crate::embedded::engine::{Durability, Engine, Sizes};

struct Fjall {
    database: Database,
    keyspace: Keyspace,
    synced: bool,
}

pub(in crate::embedded) fn open(
    folder: &Path,
    durability: Durability,
    sizes: &Sizes,
) -> Result<Box<dyn Engine>> {
    let synced = durability == Durability::Synced;
    let database = Database::builder(folder)
        .cache_size(sizes.cache_bytes)
        .worker_threads(usize::try_from(BACKGROUND_THREADS)?)
        .open()?;
    let memtable_bytes = sizes.memtable_bytes;
    let table_bytes = sizes.table_bytes;
    let keyspace = database.keyspace("bench", || {
        let bits = BloomConstructionPolicy::BitsPerKey(FILTER_BITS);
        let leveled = Leveled::default()
            .with_l0_threshold(FRESH_RUNS)
            .with_table_target_size(table_bytes);
        KeyspaceCreateOptions::default()
            .max_memtable_size(memtable_bytes)
            // Otherwise each insert is handed to the system before the sync does it again.
            .manual_journal_persist(synced)
            .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(bits)))
            .compaction_strategy(Arc::new(leveled))
    })?;
    Ok(Box::new(Fjall {
        database,
        keyspace,
        synced,
    }))
}

impl Fjall {
    fn persist(&self) -> Result<()> {
        if self.synced {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Engine for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        self.persist()
    }

    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut batch = self.database.batch();
        for (key, value) in entries {
            batch.insert(&self.keyspace, key.as_slice(), value.as_slice());
        }
        batch.commit()?;
        self.persist()
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.keyspace.remove(key)?;
        self.persist()
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let found = self.keyspace.get(key)?;
        Ok(found.inspect(|value| seen(value)).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let snapshot = self.database.snapshot();
        let range = snapshot.range(&self.keyspace, from..);
        for entry in range.take(usize::try_from(limit)?) {
            let (key, value) = entry.into_inner()?;
            seen(&key, &value);
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        // It tells of compactions that run, not of those that will: so it must be quiet for a while.
        let mut quiet = 0;
        while quiet < QUIET_POLLS {
            std::thread::sleep(POLL);
            let busy =
                self.database.active_compactions() > 0 || self.database.outstanding_flushes() > 0;
            quiet = if busy { 0 } else { quiet + 1 };
        }
        Ok(())
    }
}

const POLL: Duration = Duration::from_millis(5);
const QUIET_POLLS: u32 = 10;
