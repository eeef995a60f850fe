//! A position in one sorted source: a memtable or a run of tables.
//!
//! **Invariant: a valid cursor stands on an entry; moving it goes through every version of every
//! key in order.**

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_skiplist::Position;
use nori_sstable::{
    InternalKeyRef, IterOptions, RangeTombstones, SeqNo, TableIter, TableMeta, ValueKind,
};

use crate::Error;
use crate::levels::Run;
use crate::memtable::{Memtable, tag_bound};
use crate::values::Values;

/// A position in one source. Owns what it needs.
#[derive(Debug)]
pub(crate) enum Source {
    Memtable {
        memtable: Arc<Memtable>,
        at: Option<Position>,
    },
    Run(RunCursor),
}

/// A position in a run: in one table of it at a time.
#[derive(Debug)]
pub(crate) struct RunCursor {
    run: Arc<Run>,
    options: IterOptions,
    within: Option<Within>,
    /// Range tombstones of newer sources, each set as of its moment.
    covering: Vec<(RangeTombstones, SeqNo)>,
    index: usize,
    iter: Option<Box<TableIter>>,
}

/// All that is wanted begins with one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    pub(crate) prefix: Bytes,
    /// The first key behind all that begin with it.
    pub(crate) end: Bytes,
}

impl Source {
    pub(crate) const fn memtable(memtable: Arc<Memtable>) -> Self {
        Self::Memtable { memtable, at: None }
    }

    /// Keys that are not in `within` may be left out.
    pub(crate) const fn run(run: Arc<Run>, options: IterOptions, within: Option<Within>) -> Self {
        Self::Run(RunCursor {
            run,
            options,
            within,
            covering: Vec::new(),
            index: 0,
            iter: None,
        })
    }

    /// Tables that one of these sets covers whole are passed by.
    pub(crate) fn pass_by(&mut self, covering: &[(RangeTombstones, SeqNo)]) {
        if let Self::Run(run) = self {
            run.covering = covering.to_vec();
        }
    }

    /// The range tombstones of the source.
    pub(crate) fn range_tombstones(&self) -> RangeTombstones {
        match self {
            Self::Memtable { memtable, .. } => memtable.ranges().all(),
            Self::Run(run) => run.run.range_tombstones.clone(),
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Self::Memtable { at, .. } => at.is_some(),
            Self::Run(run) => run.iter.as_ref().is_some_and(|iter| iter.is_valid()),
        }
    }

    /// The entry's key.
    pub(crate) fn key(&self) -> InternalKeyRef<'_> {
        match self {
            Self::Memtable { memtable, at } => memtable.key(at.expect("the cursor is valid")),
            Self::Run(run) => run.iter().key(),
        }
    }

    pub(crate) fn value(&self) -> Bytes {
        match self {
            Self::Memtable { memtable, at } => {
                memtable.value_bytes(at.expect("the cursor is valid"))
            }
            Self::Run(run) => run.iter().value(),
        }
    }

    pub(crate) fn value_ref(&self) -> &[u8] {
        match self {
            Self::Memtable { memtable, at } => memtable.value(at.expect("the cursor is valid")),
            Self::Run(run) => run.iter().value_ref(),
        }
    }

    /// The value file that the entry's value lies in, if it lies in one.
    pub(crate) fn file_of(
        &self,
        kind: ValueKind,
        stored: &[u8],
    ) -> Result<Option<Arc<Values>>, Error> {
        match self {
            Self::Memtable { .. } => Ok(None),
            Self::Run(run) => run.run.tables[run.index].file_of(kind, stored),
        }
    }

    /// Moves to the first entry whose user key is at or after `user`.
    pub(crate) fn seek(&mut self, user: &[u8]) -> Result<(), Error> {
        match self {
            Self::Memtable { memtable, at } => {
                *at = memtable.list().lower_bound(user, tag_bound(SeqNo::MAX));
                Ok(())
            }
            Self::Run(run) => run.seek(user),
        }
    }

    /// Moves to the last entry whose user key is before `user`.
    pub(crate) fn seek_before(&mut self, user: &[u8]) -> Result<(), Error> {
        match self {
            Self::Memtable { memtable, at } => {
                *at = memtable.list().before(user, tag_bound(SeqNo::MAX));
                Ok(())
            }
            Self::Run(run) => run.seek_before(user),
        }
    }

    pub(crate) fn seek_to_first(&mut self) -> Result<(), Error> {
        match self {
            Self::Memtable { memtable, at } => {
                *at = memtable.list().first();
                Ok(())
            }
            Self::Run(run) => run.first_from(0),
        }
    }

    pub(crate) fn seek_to_last(&mut self) -> Result<(), Error> {
        match self {
            Self::Memtable { memtable, at } => {
                *at = memtable.list().last();
                Ok(())
            }
            Self::Run(run) => run.last_before(run.run.tables.len()),
        }
    }

    pub(crate) fn next(&mut self) -> Result<(), Error> {
        match self {
            Self::Memtable { memtable, at } => {
                *at = memtable.list().next(at.expect("the cursor is valid"));
                Ok(())
            }
            Self::Run(run) => run.next(),
        }
    }

    pub(crate) fn prev(&mut self) -> Result<(), Error> {
        match self {
            Self::Memtable { memtable, at } => {
                *at = memtable.list().prev(at.expect("the cursor is valid"));
                Ok(())
            }
            Self::Run(run) => run.prev(),
        }
    }
}

impl RunCursor {
    fn iter(&self) -> &TableIter {
        self.iter.as_deref().expect("the cursor is valid")
    }

    /// Enters table `index`, if there is one.
    fn enter(&mut self, index: usize) -> Option<&mut TableIter> {
        if self.index != index || self.iter.is_none() {
            let file = self.run.tables.get(index);
            self.iter = file.map(|file| Box::new(file.table.iter_with(self.options.clone())));
            self.index = index;
        }
        self.iter.as_deref_mut()
    }

    /// Whether nothing in table `index` is wanted: all of it is deleted, or its filter says so.
    fn is_passed_by(&self, index: usize) -> bool {
        let Some(file) = self.run.tables.get(index) else {
            return false;
        };
        let mut covering = self.covering.iter();
        covering.any(|(set, at)| is_covered(file.meta(), set, *at))
            || (self.within.as_ref())
                .is_some_and(|within| !file.table.may_contain_prefix(&within.prefix))
    }

    /// Whether what is wanted ends before table `index`, or begins behind it.
    fn is_outside(&self, index: usize) -> bool {
        let table = self.run.tables.get(index);
        let within = self.within.as_ref().zip(table);
        within.is_some_and(|(within, file)| {
            file.meta().smallest >= within.end || file.meta().ends_before(&within.prefix)
        })
    }

    // A table may reach beyond its entries, or have none: range tombstones count for its bounds.

    fn seek(&mut self, user: &[u8]) -> Result<(), Error> {
        let index = self.run.locate(user);
        if self.is_outside(index) || self.is_passed_by(index) {
            return self.first_from(index);
        }
        let Some(iter) = self.enter(index) else {
            return Ok(());
        };
        iter.seek(user, SeqNo::MAX)?;
        match iter.is_valid() {
            true => Ok(()),
            false => self.first_from(index + 1),
        }
    }

    fn seek_before(&mut self, user: &[u8]) -> Result<(), Error> {
        let index = self.run.locate(user);
        if self.is_outside(index) || self.is_passed_by(index) {
            return self.last_before(index);
        }
        let Some(iter) = self.enter(index) else {
            return self.last_before(index);
        };
        iter.seek_before(user, SeqNo::MAX)?;
        if iter.is_valid() {
            return Ok(());
        }
        self.last_before(index)
    }

    fn first_from(&mut self, mut index: usize) -> Result<(), Error> {
        while !self.is_outside(index) {
            if self.is_passed_by(index) {
                index += 1;
                continue;
            }
            let Some(iter) = self.enter(index) else {
                return Ok(());
            };
            iter.seek_to_first()?;
            if iter.is_valid() {
                return Ok(());
            }
            index += 1;
        }
        self.iter = None;
        Ok(())
    }

    fn last_before(&mut self, mut index: usize) -> Result<(), Error> {
        while let Some(before) = index.checked_sub(1) {
            if self.is_outside(before) {
                break;
            }
            if !self.is_passed_by(before)
                && let Some(iter) = self.enter(before)
            {
                iter.seek_to_last()?;
                if iter.is_valid() {
                    return Ok(());
                }
            }
            index = before;
        }
        self.iter = None;
        Ok(())
    }

    fn next(&mut self) -> Result<(), Error> {
        let iter = self.iter.as_mut().expect("the cursor is valid");
        iter.next()?;
        if iter.is_valid() {
            return Ok(());
        }
        self.first_from(self.index + 1)
    }

    fn prev(&mut self) -> Result<(), Error> {
        let iter = self.iter.as_mut().expect("the cursor is valid");
        iter.prev()?;
        if iter.is_valid() {
            return Ok(());
        }
        self.last_before(self.index)
    }
}

/// Whether everything in a table is older than the tombstones over it at `at`.
pub(crate) fn is_covered(meta: &TableMeta, ranges: &RangeTombstones, at: SeqNo) -> bool {
    let covering = ranges.covering_range(&meta.smallest, &meta.largest, at);
    covering.is_some_and(|covering| meta.seqno_max < covering)
}
