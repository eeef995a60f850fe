//! A memtable becomes a run of level 0.
//!
//! **Invariant: memtables are flushed in the order in which they were filled**, so that what is in
//! tables is a prefix of what was written.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use nori_env::ObjectId;
use nori_skiplist::Position;
use nori_sstable::{RangeTombstones, SeqNo};

use crate::Error;
use crate::compaction::filter_bits;
use crate::engine::{Engine, Install};
use crate::event::Event;
use crate::levels::Levels;
use crate::memtable::Memtable;
use crate::options::Options;
use crate::reconcile::{By, Reconcile};
use crate::run_writer::RunWriter;
use crate::shape::Shape;
use crate::write::count;

/// A flush under way.
#[derive(Debug)]
pub(crate) struct Flush {
    memtable: Arc<Memtable>,
    next: Option<Position>,
    /// Decides about keys; made when the work begins.
    reconcile: Option<Reconcile>,
    ranges: RangeTombstones,
    out: RunWriter,
}

impl Flush {
    /// The flush of `memtable` to level 0, cut where slots of the base level and keyspaces end.
    pub(crate) fn new(memtable: Arc<Memtable>, levels: &Levels, options: &Options) -> Self {
        let base = Shape::of(levels, options).base;
        let bits = filter_bits(levels, memtable.bytes(), options);
        let ranges = memtable.ranges().all();
        let out = RunWriter::new(u64::MAX)
            .above_level(levels, base, options)
            .with_filter(bits)
            .with_ranges(RangeTombstones::newest(ranges.iter()));
        Self {
            next: memtable.list().first(),
            memtable,
            reconcile: None,
            ranges,
            out,
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
                .get_or_insert_with(|| engine.reconcile(By::Flush, &Arc::default()));
            reconcile.begin(user, self.ranges.covering(user, SeqNo::MAX));
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
            self.out.add_kept(engine, &reconcile.end(|_| true)?)?;
        }
        let tables = self.out.finish(engine)?;
        let bytes = self.out.bytes();
        let tables_written = count(tables.len());
        engine.install(Install {
            removed: vec![],
            added: tables.into_iter().map(|table| (0, table)).collect(),
            written: None,
            flushed: Some(Arc::clone(&self.memtable)),
        })?;
        engine.counters.flushed(bytes);
        engine.counters.separated(self.out.values());
        engine.events.push(Event::Flushed {
            bytes,
            tables: tables_written,
        });
        engine.release_log(&self.memtable);
        Ok(true)
    }

    pub(crate) fn outputs(&self) -> Vec<ObjectId> {
        self.out.objects()
    }
}
