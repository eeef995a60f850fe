//! LMDB: a memory-mapped copy-on-write B-tree.
#![expect(
    unsafe_code,
    reason = "heed marks opening as unsafe: the file is mapped, and nobody else may cut it short"
)]

use std::path::Path;

use anyhow::Result;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RwTxn};

use crate::embedded::engine::{Durability, Engine, Sizes};

struct Lmdb {
    env: Env,
    database: Database<'static, Bytes, Bytes>,
}

pub(in crate::embedded) fn open(
    folder: &Path,
    durability: Durability,
    _sizes: &Sizes,
) -> Result<Box<dyn Engine>> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES);
    if durability == Durability::Unsynced {
        // SAFETY: only a crash of the machine can harm the file, and it is thrown away then.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the folder is this process' own, and the file is opened once.
    let env = unsafe { options.open(folder)? };
    let transaction = env.write_txn()?;
    let opened = env.create_databases_and_commit(transaction, |opener, transaction| {
        let database = opener.create_database::<Bytes, Bytes>(transaction, None)?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(database))
    })?;
    let database = opened.unwrap_commit();
    Ok(Box::new(Lmdb { env, database }))
}

impl Lmdb {
    fn write(&self, work: impl FnOnce(&mut RwTxn<'_>) -> heed::Result<()>) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        work(&mut transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Lmdb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|transaction| self.database.put(transaction, key, value))
    }

    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.write(|transaction| {
            let mut entries = entries.iter();
            entries.try_for_each(|(key, value)| self.database.put(transaction, key, value))
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(|transaction| self.database.delete(transaction, key).map(|_existed| ()))
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let transaction = self.env.read_txn()?;
        let found = self.database.get(&transaction, key)?;
        Ok(found.inspect(|value| seen(value)).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let transaction = self.env.read_txn()?;
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let range = self.database.range(&transaction, &bounds)?;
        for entry in range.take(usize::try_from(limit)?) {
            let (key, value) = entry?;
            seen(key, value);
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }
}

/// Addresses reserved for the map; the file grows as it is written.
const MAP_BYTES: usize = 16 << 30;
