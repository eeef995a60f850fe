//! A memtable becomes a run of level 0.
//!
//! **Invariant: memtables are flushed in the order in which they were filled**, so that what is in
//! tables is a prefix of what was written.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use nori_skiplist::Position;

use crate::Error;
use crate::engine::{Engine, Install};
use crate::memtable::Memtable;
use crate::run_writer::RunWriter;

/// A flush under way.
#[derive(Debug)]
pub(crate) struct Flush {
    memtable: Arc<Memtable>,
    next: Option<Position>,
    /// The entry written last.
    written: Option<Position>,
    out: RunWriter,
}

impl Flush {
    pub(crate) fn new(memtable: Arc<Memtable>) -> Self {
        Self {
            next: memtable.list().first(),
            memtable,
            written: None,
            out: RunWriter::new(u64::MAX),
        }
    }

    /// Writes about `budget` bytes; true when the flush is installed.
    pub(crate) fn step(&mut self, engine: &Engine, budget: u64) -> Result<bool, Error> {
        let list = self.memtable.list();
        let mut spent = 0;
        while let Some(at) = self.next {
            if spent >= budget {
                return Ok(false);
            }
            self.next = list.next(at);
            let key = self.memtable.key(at);
            let shadowed = self
                .written
                .is_some_and(|written| self.memtable.key(written).user == key.user);
            if shadowed {
                continue;
            }
            let value = self.memtable.value(at);
            self.out.add(engine, &key, value)?;
            self.written = Some(at);
            spent += (key.user.len() + value.len()) as u64;
        }
        let tables = self.out.finish(engine)?;
        let bytes = tables.iter().map(|table| table.meta().size).sum();
        engine.install(Install {
            removed: vec![],
            added: tables.into_iter().map(|table| (0, table)).collect(),
            flushed: Some(Arc::clone(&self.memtable)),
        })?;
        engine.counters.flushed(bytes);
        engine.release_log(&self.memtable);
        Ok(true)
    }

    pub(crate) fn outputs(&self) -> Vec<u64> {
        self.out.numbers().to_vec()
    }
}
