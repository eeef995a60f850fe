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
use crate::reconcile::Kept;
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

    /// Adds what is kept of a key, all of it in one table; keys ascend, and none comes twice.
    pub(crate) fn add_kept(&mut self, engine: &Engine, kept: &Kept<'_>) -> Result<(), Error> {
        if kept.is_empty() {
            return Ok(());
        }
        let builder = self.builder(engine)?;
        for (key, value) in kept.iter() {
            builder.add(&key, value)?;
        }
        self.cut_if_full()
    }

    /// Adds an entry; keys ascend, and no user key comes twice.
    pub(crate) fn add(
        &mut self,
        engine: &Engine,
        key: &InternalKeyRef<'_>,
        value: &[u8],
    ) -> Result<(), Error> {
        let builder = self.builder(engine)?;
        builder.add(key, value)?;
        self.cut_if_full()
    }

    fn cut_if_full(&mut self) -> Result<(), Error> {
        let size = self.builder.as_ref().map(|builder| builder.size_estimate());
        match size.is_some_and(|size| size >= self.cut_bytes) {
            true => self.cut(),
            false => Ok(()),
        }
    }

    /// The table under construction.
    fn builder(&mut self, engine: &Engine) -> Result<&mut TableBuilder, Error> {
        let builder = match self.builder.take() {
            Some(builder) => builder,
            None => {
                let number = engine.next_table_number();
                self.numbers.push(number);
                let object = engine.store.create(ObjectId::table(number), None)?;
                let uid = engine.entropy.draw();
                let table = engine.options.table.clone();
                Box::new(TableBuilder::new(object, uid, table))
            }
        };
        Ok(self.builder.insert(builder))
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
