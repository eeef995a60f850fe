//! redb 4: a copy-on-write B-tree in Rust.

use std::path::Path;

use anyhow::Result;
use redb::{Database, Durability as Commit, ReadableDatabase, TableDefinition, WriteTransaction};

use crate::embedded::engine::{Durability, Engine, Sizes};

struct Redb {
    database: Database,
    commit: Commit,
}

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

pub(in crate::embedded) fn open(
    folder: &Path,
    durability: Durability,
    sizes: &Sizes,
) -> Result<Box<dyn Engine>> {
    let mut builder = Database::builder();
    builder.set_cache_size(usize::try_from(sizes.cache_bytes)?);
    let database = builder.create(folder.join("redb"))?;
    let commit = match durability {
        Durability::Unsynced => Commit::None,
        Durability::Synced => Commit::Immediate,
    };
    let engine = Redb { database, commit };
    // So that readers find a table.
    engine.write(Commit::Immediate, |_transaction| Ok(()))?;
    Ok(Box::new(engine))
}

impl Redb {
    fn write(
        &self,
        commit: Commit,
        work: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>) -> Result<()>,
    ) -> Result<()> {
        let mut transaction: WriteTransaction = self.database.begin_write()?;
        transaction.set_durability(commit)?;
        work(&mut transaction.open_table(TABLE)?)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(self.commit, |table| {
            table.insert(key, value)?;
            Ok(())
        })
    }

    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.write(self.commit, |table| {
            for (key, value) in entries {
                table.insert(key.as_slice(), value.as_slice())?;
            }
            Ok(())
        })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.write(self.commit, |table| {
            table.remove(key)?;
            Ok(())
        })
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let found = table.get(key)?;
        Ok(found.inspect(|value| seen(value.value())).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        for entry in table.range(from..)?.take(usize::try_from(limit)?) {
            let (key, value) = entry?;
            seen(key.value(), value.value());
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        self.write(Commit::Immediate, |_table| Ok(()))
    }
}
