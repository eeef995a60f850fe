//! Writes sorted entries as the tables of one run.
//!
//! **Invariant: until they are installed, the tables are known to nobody.** Whoever gives up
//! hands their numbers to the garbage; after a crash they are orphans, which the next open deletes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::ObjectId;
use nori_sstable::{InternalKeyRef, TableBuilder, TableMeta};

use crate::Error;
use crate::engine::Engine;
use crate::table_file::TableFile;

/// Tables under construction.
pub(crate) struct RunWriter {
    /// A table is cut once it reaches this.
    cut_bytes: u64,
    builder: Option<Box<TableBuilder>>,
    /// Of every table so far, the one under construction included.
    numbers: Vec<u64>,
    done: Vec<(u64, TableMeta)>,
}

impl RunWriter {
    pub(crate) const fn new(cut_bytes: u64) -> Self {
        Self {
            cut_bytes,
            builder: None,
            numbers: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Adds an entry; keys ascend, and no user key comes twice.
    pub(crate) fn add(
        &mut self,
        engine: &Engine,
        key: &InternalKeyRef<'_>,
        value: &[u8],
    ) -> Result<(), Error> {
        let builder = match &mut self.builder {
            Some(builder) => builder,
            None => {
                let number = engine.next_table_number();
                self.numbers.push(number);
                let object = engine.store.create(ObjectId::table(number), None)?;
                let uid = engine.entropy.draw();
                let table = engine.options.table.clone();
                let builder = TableBuilder::new(object, uid, table);
                self.builder.insert(Box::new(builder))
            }
        };
        builder.add(key, value)?;
        if builder.size_estimate() >= self.cut_bytes {
            self.cut()?;
        }
        Ok(())
    }

    /// Finishes the table under construction.
    fn cut(&mut self) -> Result<(), Error> {
        if let Some(builder) = self.builder.take() {
            let number = *self.numbers.last().expect("a builder has a number");
            self.done.push((number, builder.finish()?));
        }
        Ok(())
    }

    /// Finishes and opens all tables; they are durable now.
    pub(crate) fn finish(&mut self, engine: &Engine) -> Result<Vec<Arc<TableFile>>, Error> {
        self.cut()?;
        self.done
            .iter()
            .map(|(number, meta)| engine.open_table(*number, meta))
            .collect()
    }

    /// The numbers of all tables.
    pub(crate) fn numbers(&self) -> &[u64] {
        &self.numbers
    }
}

impl fmt::Debug for RunWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunWriter")
            .field("numbers", &self.numbers)
            .finish_non_exhaustive()
    }
}
