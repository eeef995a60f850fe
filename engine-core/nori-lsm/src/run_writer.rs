//! Writes sorted entries as the tables of one run.
//!
//! **Invariant: until they are installed, the tables and their value files are known to nobody.**
//! Whoever gives up hands them to the garbage; after a crash they are orphans, which the next open deletes.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nori_env::ObjectId;
use nori_sstable::{InternalKeyRef, RangeTombstones, TableBuilder, TableMeta};

use crate::engine::Engine;
use crate::guards::Slots;
use crate::levels::Levels;
use crate::options::Options;
use crate::reconcile::Kept;
use crate::table_file::TableFile;
use crate::value_writer::{self, Refs, ValueWriter};
use crate::values::ValueFiles;
use crate::{Error, LEVEL_MAX, keyspace};

/// Tables under construction.
pub(crate) struct RunWriter {
    /// A table is cut once it reaches this.
    cut_bytes: u64,
    /// No table crosses one of these.
    guards: Slots,
    /// A table of `border_bytes` ends here, so that it lies over one slot of the level below; and
    /// where a keyspace ends.
    borders: Slots,
    border_bytes: u64,
    /// The first key that the table under construction may not hold, and the first border in it.
    guard: Option<Bytes>,
    border: Option<Bytes>,
    /// Bits of a filter for each key, where they differ from the options'.
    filter_bits: Option<u32>,
    /// Cut at the tables' borders.
    ranges: RangeTombstones,
    /// Where the table under construction begins: behind all that is in those before.
    from: Vec<u8>,
    values: ValueWriter,
    builder: Option<Box<TableBuilder>>,
    /// Of every table so far, the one under construction included.
    numbers: Vec<u64>,
    done: Vec<(u64, TableMeta, Refs)>,
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
            ranges: RangeTombstones::default(),
            from: Vec::new(),
            values: ValueWriter::default(),
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

    /// Cuts tables at the guards of `level`, which is not level 0, where that is worth a table.
    pub(crate) fn above_level(mut self, levels: &Levels, level: u8, options: &Options) -> Self {
        self.borders = levels.slots(level).clone();
        let least = u64::from(options.table.block_bytes);
        self.border_bytes = (options.table_bytes / BORDER_FRACTION).max(least);
        self
    }

    /// Takes `bits` for each key in the filter.
    pub(crate) const fn with_filter(mut self, bits: u32) -> Self {
        self.filter_bits = Some(bits);
        self
    }

    /// Values of the sources lie in `files`; those in `given_back` are to lie elsewhere.
    pub(crate) fn with_values(mut self, files: Arc<ValueFiles>, given_back: BTreeSet<u64>) -> Self {
        self.values = ValueWriter::new(files, given_back);
        self
    }

    /// Gives the tables these range tombstones too.
    pub(crate) fn with_ranges(mut self, ranges: RangeTombstones) -> Self {
        self.ranges = ranges;
        self
    }

    /// Adds what is kept of a key, all of it in one table; keys ascend, and none comes twice.
    pub(crate) fn add_kept(&mut self, engine: &Engine, kept: &Kept<'_>) -> Result<(), Error> {
        if kept.is_empty() {
            return Ok(());
        }
        if let Some((key, _)) = kept.iter().next() {
            self.cut_before(engine, key.user)?;
        }
        let mut last = None;
        for (key, value) in kept.iter() {
            self.put(engine, key, value)?;
            last = Some(key.user);
        }
        self.cut_if_full(last.unwrap_or_default())
    }

    /// Adds an entry; keys ascend, and no user key comes twice.
    pub(crate) fn add(
        &mut self,
        engine: &Engine,
        key: &InternalKeyRef<'_>,
        value: &[u8],
    ) -> Result<(), Error> {
        self.cut_before(engine, key.user)?;
        self.put(engine, *key, value)?;
        self.cut_if_full(key.user)
    }

    fn put(&mut self, engine: &Engine, key: InternalKeyRef<'_>, value: &[u8]) -> Result<(), Error> {
        self.builder(engine)?;
        let (key, stored) = self.values.place(engine, key, value)?;
        let builder = self.builder.as_mut().expect("it was just made");
        Ok(builder.add(&key, stored)?)
    }

    /// Ends the table under construction if `key` does not belong in it.
    fn cut_before(&mut self, engine: &Engine, key: &[u8]) -> Result<(), Error> {
        let is_behind = |border: &Option<Bytes>| border.as_ref().is_some_and(|at| **at <= *key);
        if let Some(builder) = &self.builder {
            if is_behind(&self.guard) {
                self.end_slots(engine, Some(key))?;
            } else if is_behind(&self.border) {
                if builder.size_estimate() >= self.border_bytes {
                    // What is deleted behind it belongs to the next.
                    let border = self.border.take();
                    self.cut(border.as_deref())?;
                } else {
                    self.border = self.border_behind(key);
                }
            }
        } else {
            self.end_slots(engine, Some(key))?;
        }
        if self.builder.is_none() {
            self.guard = self.guards.guards().get(self.guards.of(key)).cloned();
            self.border = self.border_behind(key);
        }
        Ok(())
    }

    /// The first border behind `key`: of a slot below, or of its keyspace.
    fn border_behind(&self, key: &[u8]) -> Option<Bytes> {
        let end = keyspace::end_of(keyspace::id_of(key));
        let slot = self.borders.guards().get(self.borders.of(key));
        slot.into_iter().cloned().chain([end]).min()
    }

    /// Ends the table under construction, and every slot before that of `to` in which there are
    /// range tombstones gets its own.
    fn end_slots(&mut self, engine: &Engine, to: Option<&[u8]>) -> Result<(), Error> {
        if self.ranges.is_empty() {
            return self.cut(None);
        }
        loop {
            let guard = self.guards.guards().get(self.guards.of(&self.from));
            let guard = guard.filter(|guard| to.is_none_or(|to| **guard <= *to));
            let guard = guard.cloned();
            let bound = guard.as_deref().or(to);
            let is_empty = self.ranges.clip(Some(&self.from), bound).is_empty();
            match guard {
                Some(guard) => {
                    if !is_empty {
                        self.builder(engine)?;
                    }
                    self.cut(Some(&guard))?;
                    self.from.clear();
                    self.from.extend_from_slice(&guard);
                }
                None if to.is_some() => return Ok(()),
                None => {
                    if !is_empty {
                        self.builder(engine)?;
                    }
                    return self.cut(None);
                }
            }
        }
    }

    fn cut_if_full(&mut self, last: &[u8]) -> Result<(), Error> {
        let size = self.builder.as_ref().map(|builder| builder.size_estimate());
        match size.is_some_and(|size| size >= self.cut_bytes) {
            true => self.cut(Some(&[last, &[0]].concat())),
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
                let extractor = table.prefix_extractor;
                table.prefix_extractor = extractor.map(|it| it.behind(keyspace::ID_LENGTH));
                Box::new(TableBuilder::new(object, uid, table))
            }
        };
        Ok(self.builder.insert(builder))
    }

    /// Finishes the table under construction; all that is in it lies before `to`.
    fn cut(&mut self, to: Option<&[u8]>) -> Result<(), Error> {
        if let Some(mut builder) = self.builder.take() {
            for tombstone in self.ranges.clip(Some(&self.from), to).iter() {
                builder.add_range_tombstone(&tombstone)?;
            }
            if let Some(to) = to {
                self.from.clear();
                self.from.extend_from_slice(to);
            }
            let number = *self.numbers.last().expect("a builder has a number");
            self.done
                .push((number, builder.finish()?, self.values.take_refs()));
        }
        Ok(())
    }

    /// Finishes and opens all tables; they are durable now.
    pub(crate) fn finish(&mut self, engine: &Engine) -> Result<Vec<Arc<TableFile>>, Error> {
        self.end_slots(engine, None)?;
        let files = self.values.finish(engine)?;
        self.done
            .iter()
            .map(|(number, meta, refs)| {
                engine.open_table(*number, meta, value_writer::resolve(refs, &files))
            })
            .collect()
    }

    /// All tables and value files.
    pub(crate) fn objects(&self) -> Vec<ObjectId> {
        let tables = self.numbers.iter().map(|number| ObjectId::table(*number));
        tables.chain(self.values.objects()).collect()
    }

    /// Bytes of all tables and value files that are finished.
    pub(crate) fn bytes(&self) -> u64 {
        let tables = self.done.iter().map(|(_, meta, _)| meta.size);
        tables.sum::<u64>() + self.values.bytes()
    }

    /// What was written to value files.
    pub(crate) const fn values(&self) -> &ValueWriter {
        &self.values
    }

    /// One for the same entries in other tables: it owns the value files of `tables`, which this one
    /// has written.
    pub(crate) fn successor(&mut self, tables: &[Arc<TableFile>]) -> Self {
        let refs = tables.iter().flat_map(|table| table.refs.iter().cloned());
        let values = self.values.successor(refs);
        Self {
            values,
            ..Self::new(self.cut_bytes)
        }
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
