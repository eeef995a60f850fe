//! Several tables of two neighbouring levels become new tables of the lower one.
//!
//! **Invariant: of two versions of a key the newer wins, and a tombstone is dropped only where no
//! older version can lie below.** Inputs of level 0 are all its runs, so that no older run
//! is left above a newer version.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_sstable::IterOptions;
use norikv_types::{Mutant, breaks};

use crate::Error;
use crate::cursor::Cursor;
use crate::engine::{Engine, Install};
use crate::levels::{Levels, Run};
use crate::merge::Merge;
use crate::reconcile::{By, Reconcile};
use crate::run_writer::RunWriter;
use crate::table_file::TableFile;

/// A compaction under way.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// With their levels.
    inputs: Vec<(u8, Arc<TableFile>)>,
    output_level: u8,
    /// The levels as they were when the inputs were chosen: what lies below then is all that can.
    levels: Arc<Levels>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// The inputs stay as they are and only change their level.
    Move,
    Rewrite {
        merge: Merge,
        started: bool,
        /// Decides about the key that the merge stands on; made when the work begins.
        reconcile: Option<Box<Reconcile>>,
        out: RunWriter,
    },
}

impl Compaction {
    /// Moves `inputs`, which share no key with each other or the output level.
    pub(crate) fn moving(
        inputs: Vec<(u8, Arc<TableFile>)>,
        output_level: u8,
        levels: Arc<Levels>,
    ) -> Self {
        Self {
            inputs,
            output_level,
            levels,
            work: Work::Move,
        }
    }

    /// Merges `inputs`: all that overlaps them in the output level is among them.
    pub(crate) fn rewriting(
        inputs: Vec<(u8, Arc<TableFile>)>,
        output_level: u8,
        levels: Arc<Levels>,
        cut_bytes: u64,
    ) -> Self {
        let options = IterOptions {
            fill_cache: false,
            ..IterOptions::default()
        };
        // Tables of one run share a cursor.
        let mut runs: Vec<Vec<Arc<TableFile>>> = Vec::new();
        for run in levels.runs() {
            let chosen = run.tables.iter();
            let chosen: Vec<_> = chosen
                .filter(|table| inputs.iter().any(|(_, input)| input.number == table.number))
                .cloned()
                .collect();
            if !chosen.is_empty() {
                runs.push(chosen);
            }
        }
        let cursors = runs
            .into_iter()
            .map(|tables| Cursor::run(Arc::new(Run::new(0, tables)), options.clone()));
        Self {
            work: Work::Rewrite {
                merge: Merge::new(cursors.collect()),
                started: false,
                reconcile: None,
                out: RunWriter::new(cut_bytes),
            },
            inputs,
            output_level,
            levels,
        }
    }

    /// Reads about `budget` bytes; true when the compaction is installed.
    pub(crate) fn step(&mut self, engine: &Engine, budget: u64) -> Result<bool, Error> {
        let Some(tables) = self.outputs_if_ready(engine, budget)? else {
            return Ok(false);
        };
        let is_move = matches!(self.work, Work::Move);
        let bytes = match is_move {
            true => 0,
            false => tables.iter().map(|table| table.meta().size).sum(),
        };
        let level = self.output_level;
        engine.install(Install {
            removed: self.inputs.clone(),
            added: tables.into_iter().map(|table| (level, table)).collect(),
            flushed: None,
        })?;
        engine.counters.compacted(bytes, is_move);
        Ok(true)
    }

    fn outputs_if_ready(
        &mut self,
        engine: &Engine,
        budget: u64,
    ) -> Result<Option<Vec<Arc<TableFile>>>, Error> {
        let Work::Rewrite {
            merge,
            started,
            reconcile,
            out,
        } = &mut self.work
        else {
            let moved = self.inputs.iter().map(|(_, table)| Arc::clone(table));
            return Ok(Some(moved.collect()));
        };
        if !*started {
            merge.seek(None)?;
            *started = true;
        }
        let is_below = |key: &[u8]| {
            self.levels.is_below(self.output_level, key) && !breaks(Mutant::TombstoneDroppedEarly)
        };
        let mut spent = 0;
        while let Some(cursor) = merge.current() {
            let key = cursor.key();
            let reconcile = reconcile.get_or_insert_with(|| {
                let mut first = engine.reconcile(By::Compaction);
                first.begin(key.user, None);
                Box::new(first)
            });
            if reconcile.key() != key.user {
                out.add_kept(engine, &reconcile.end(is_below))?;
                reconcile.begin(key.user, None);
                if spent >= budget {
                    return Ok(None);
                }
            }
            spent += (key.user.len() + cursor.value_ref().len()) as u64;
            if reconcile.wants(key.seqno) {
                reconcile.add(key.seqno, key.kind, cursor.value_ref());
            }
            merge.next()?;
        }
        if let Some(reconcile) = reconcile {
            out.add_kept(engine, &reconcile.end(is_below))?;
        }
        out.finish(engine).map(Some)
    }

    /// The numbers of the inputs.
    pub(crate) fn input_numbers(&self) -> impl Iterator<Item = u64> {
        self.inputs.iter().map(|(_, table)| table.number)
    }

    /// Whether level 0 is among the inputs.
    pub(crate) fn is_fresh(&self) -> bool {
        self.inputs.iter().any(|(level, _)| *level == 0)
    }

    /// The numbers of the tables written so far.
    pub(crate) fn outputs(&self) -> Vec<u64> {
        match &self.work {
            Work::Move => Vec::new(),
            Work::Rewrite { out, .. } => out.numbers().to_vec(),
        }
    }
}
