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
use crate::reconcile::{By, Reconcile};
use crate::run_writer::RunWriter;

/// A flush under way.
#[derive(Debug)]
pub(crate) struct Flush {
    memtable: Arc<Memtable>,
    next: Option<Position>,
    /// Decides about keys; made when the work begins.
    reconcile: Option<Reconcile>,
    out: RunWriter,
}

impl Flush {
    pub(crate) fn new(memtable: Arc<Memtable>) -> Self {
        Self {
            next: memtable.list().first(),
            memtable,
            reconcile: None,
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
            let user = self.memtable.key(at).user;
            let reconcile = self
                .reconcile
                .get_or_insert_with(|| engine.reconcile(By::Flush));
            reconcile.begin(user, None);
            while let Some(at) = self.next {
                let key = self.memtable.key(at);
                if key.user != user {
                    break;
                }
                if reconcile.wants(key.seqno) {
                    let value = self.memtable.value(at);
                    spent += (user.len() + value.len()) as u64;
                    reconcile.add(key.seqno, key.kind, value);
                }
                self.next = list.next(at);
            }
            self.out.add_kept(engine, &reconcile.end(|_| true))?;
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
