//! Writes sorted entries as the tables of one run.
//!
//! **Invariant: until they are installed, the tables are known to nobody.** Whoever gives up
//! hands their numbers to the garbage; after a crash they are orphans, which the next open deletes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nori_env::ObjectId;
use nori_sstable::{InternalKeyRef, TableBuilder, TableMeta};

use crate::engine::Engine;
use crate::guards::Slots;
use crate::levels::Levels;
use crate::reconcile::Kept;
use crate::table_file::TableFile;
use crate::{Error, LEVEL_MAX};

/// Tables under construction.
pub(crate) struct RunWriter {
    /// A table is cut once it reaches this.
    cut_bytes: u64,
    /// No table crosses one of these.
    guards: Slots,
    /// A table of some size ends here, so that it lies over one slot of the level below.
    borders: Slots,
    border_bytes: u64,
    /// The first key that the table under construction may not hold, and the first border in it.
    guard: Option<Bytes>,
    border: Option<Bytes>,
    /// Bits of a filter for each key, where they differ from the options'.
    filter_bits: Option<u32>,
    builder: Option<Box<TableBuilder>>,
    /// Of every table so far, the one under construction included.
    numbers: Vec<u64>,
    done: Vec<(u64, TableMeta)>,
}

impl RunWriter {
    pub(crate) fn new(cut_bytes: u64) -> Self {
        Self {
            cut_bytes,
            guards: Slots::default(),
            borders: Slots::default(),
            border_bytes: (cut_bytes / BORDER_FRACTION).max(1),
            guard: None,
            border: None,
            filter_bits: None,
            builder: None,
            numbers: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Cuts tables at the guards of `level`, which is not level 0, and small ones at those of the
    /// level below.
    pub(crate) fn for_level(mut self, levels: &Levels, level: u8) -> Self {
        self.guards = levels.slots(level).clone();
        if level < LEVEL_MAX {
            self.borders = levels.slots(level + 1).clone();
        }
        self
    }

    /// Cuts tables of some size at the guards of `level`, which is not level 0.
    pub(crate) fn above_level(mut self, levels: &Levels, level: u8) -> Self {
        self.borders = levels.slots(level).clone();
        self
    }

    /// Takes `bits` for each key in the filter.
    pub(crate) const fn with_filter(mut self, bits: u32) -> Self {
        self.filter_bits = Some(bits);
        self
    }

    /// Adds what is kept of a key, all of it in one table; keys ascend, and none comes twice.
    pub(crate) fn add_kept(&mut self, engine: &Engine, kept: &Kept<'_>) -> Result<(), Error> {
        if kept.is_empty() {
            return Ok(());
        }
        if let Some((key, _)) = kept.iter().next() {
            self.cut_before(key.user)?;
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
        self.cut_before(key.user)?;
        let builder = self.builder(engine)?;
        builder.add(key, value)?;
        self.cut_if_full()
    }

    /// Ends the table under construction if `key` does not belong in it.
    fn cut_before(&mut self, key: &[u8]) -> Result<(), Error> {
        let is_behind = |border: &Option<Bytes>| border.as_ref().is_some_and(|at| **at <= *key);
        if let Some(builder) = &self.builder
            && (is_behind(&self.guard)
                || (is_behind(&self.border) && builder.size_estimate() >= self.border_bytes))
        {
            self.cut()?;
        }
        if self.builder.is_none() {
            let next = |slots: &Slots| slots.guards().get(slots.of(key)).cloned();
            self.guard = next(&self.guards);
            self.border = next(&self.borders);
        }
        Ok(())
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
                let mut table = engine.options.table.clone();
                table.bits_per_key = self.filter_bits.unwrap_or(table.bits_per_key);
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

/// A table is cut at a border once it has this part of the bytes at which it is cut anyway.
const BORDER_FRACTION: u64 = 32;
