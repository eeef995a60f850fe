//! Tables of one level, and of those in their way below, become new tables of the lower one.
//!
//! **Invariant: of two versions of a key the newer wins, and a tombstone is dropped only where no
//! older version can lie below.** Of the upper level everything in a range of keys is an input, so
//! that nothing older is left above a newer version. Of the lower level a slot is an input whole, or
//! not at all: then the new tables are laid upon it.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::ObjectId;
use nori_sstable::{IterOptions, RangeTombstones, SeqNo};
use norikv_types::{Mutant, breaks};

use crate::engine::{Engine, Install};
use crate::event::Event;
use crate::levels::{Levels, Run};
use crate::merge::Merge;
use crate::options::{Compaction as Style, Options};
use crate::picking::{How, Plan};
use crate::reconcile::{By, Reconcile};
use crate::run_writer::RunWriter;
use crate::source::{self, Source};
use crate::table_file::TableFile;
use crate::values::ValueFiles;
use crate::{Error, LEVEL_MAX};

/// A compaction under way.
#[derive(Debug)]
pub(crate) struct Compaction {
    plan: Plan,
    inputs: BTreeSet<u64>,
    /// The levels as they were when the inputs were chosen: what lies below then is all that can.
    levels: Arc<Levels>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// The inputs stay as they are and only change their level.
    Move,
    /// The inputs go.
    Drop,
    Rewrite(Box<Rewrite>),
}

#[derive(Debug)]
struct Rewrite {
    merge: Merge,
    started: bool,
    /// Decides about the key that the merge stands on; made when the work begins.
    reconcile: Option<Reconcile>,
    /// The newest range tombstones of all inputs.
    ranges: RangeTombstones,
    out: RunWriter,
    /// Those that the inputs point into.
    files: Arc<ValueFiles>,
}

impl Compaction {
    /// What `plan` says, made out of `levels`.
    /// Values in the files `given_back` are to lie elsewhere afterwards.
    pub(crate) fn new(
        plan: Plan,
        levels: Arc<Levels>,
        options: &Options,
        given_back: BTreeSet<u64>,
    ) -> Self {
        let inputs = plan.inputs.iter().map(|(_, table)| table.number).collect();
        let work = match plan.how {
            How::Moves => Work::Move,
            How::Drops => Work::Drop,
            How::Rewrites => {
                let ranges = range_tombstones(&plan);
                // A tombstone goes where it can cover nothing any more.
                let kept = ranges.iter().filter(|tombstone| {
                    let (start, end) = (&tombstone.start, &tombstone.end);
                    levels.is_any_below(plan.output, start, end, &inputs)
                        && !breaks(Mutant::TombstoneDroppedEarly)
                });
                let out = RunWriter::new(options.table_bytes);
                let out = match plan.output {
                    0 => out,
                    level => out.for_level(&levels, level),
                };
                let tables = plan.inputs.iter();
                let refs = tables.flat_map(|(_, table)| &table.refs);
                let files = Arc::new(ValueFiles::of(refs));
                Work::Rewrite(Box::new(Rewrite {
                    merge: Merge::new(cursors(&levels, &inputs, &ranges)),
                    started: false,
                    reconcile: None,
                    out: out
                        .with_filter(filter_bits(&levels, plan.bytes(), options))
                        .with_ranges(RangeTombstones::newest(kept))
                        .with_values(Arc::clone(&files), given_back),
                    ranges,
                    files,
                }))
            }
        };
        Self {
            plan,
            inputs,
            levels,
            work,
        }
    }

    /// Reads about `budget` bytes; true when the compaction is installed.
    pub(crate) fn step(&mut self, engine: &Engine, budget: u64) -> Result<bool, Error> {
        let Some(tables) = self.outputs_if_ready(engine, budget)? else {
            return Ok(false);
        };
        let is_move = !matches!(self.work, Work::Rewrite(_));
        let bytes = match &self.work {
            Work::Rewrite(rewrite) => rewrite.out.bytes(),
            Work::Move | Work::Drop => 0,
        };
        let level = self.plan.output;
        engine.install(Install {
            removed: self.plan.inputs.clone(),
            added: tables.into_iter().map(|table| (level, table)).collect(),
            written: (level > 0 && self.plan.how != How::Drops)
                .then(|| (level, self.plan.range.clone())),
            flushed: None,
        })?;
        engine.counters.compacted(level, bytes, is_move);
        if let Work::Rewrite(rewrite) = &self.work {
            engine.counters.separated(rewrite.out.values());
        }
        let mut read_bytes = 0;
        let mut top = level;
        for (from, table) in &self.plan.inputs {
            top = top.min(*from);
            if !is_move {
                engine.counters.merged(*from, table.meta().size);
                read_bytes += table.meta().size;
            }
        }
        engine.events.push(Event::Compacted {
            from: top,
            to: level,
            read_bytes,
            written_bytes: bytes,
        });
        Ok(true)
    }

    fn outputs_if_ready(
        &mut self,
        engine: &Engine,
        budget: u64,
    ) -> Result<Option<Vec<Arc<TableFile>>>, Error> {
        let rewrite = match &mut self.work {
            Work::Rewrite(rewrite) => rewrite,
            Work::Move => {
                let moved = self.plan.inputs.iter().map(|(_, table)| Arc::clone(table));
                return Ok(Some(moved.collect()));
            }
            Work::Drop => return Ok(Some(Vec::new())),
        };
        let Rewrite {
            merge,
            started,
            reconcile,
            ranges,
            out,
            files,
        } = &mut **rewrite;
        if !*started {
            merge.seek(None)?;
            *started = true;
        }
        let is_below = |key: &[u8]| {
            self.levels.is_below(self.plan.output, key, &self.inputs)
                && !breaks(Mutant::TombstoneDroppedEarly)
        };
        let moved_before = out.values().relocated_bytes();
        let mut spent = 0;
        while let Some(cursor) = merge.current() {
            let key = cursor.key();
            let reconcile = reconcile.get_or_insert_with(|| {
                let mut first = engine.reconcile(By::Compaction, files);
                first.begin(key.user, ranges.covering(key.user, SeqNo::MAX));
                first
            });
            if reconcile.key() != key.user {
                out.add_kept(engine, &reconcile.end(is_below)?)?;
                reconcile.begin(key.user, ranges.covering(key.user, SeqNo::MAX));
                if spent + out.values().relocated_bytes() - moved_before >= budget {
                    engine.rate.charge(engine.clock.now(), spent);
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
            out.add_kept(engine, &reconcile.end(is_below)?)?;
        }
        engine.rate.charge(engine.clock.now(), spent);
        out.finish(engine).map(Some)
    }

    /// What its keys are reserved under.
    pub(crate) const fn id(&self) -> u64 {
        self.plan.id
    }

    /// The tables and value files written so far.
    pub(crate) fn outputs(&self) -> Vec<ObjectId> {
        match &self.work {
            Work::Move | Work::Drop => Vec::new(),
            Work::Rewrite(rewrite) => rewrite.out.objects(),
        }
    }
}

/// Over each key the newest range tombstone of the inputs.
fn range_tombstones(plan: &Plan) -> RangeTombstones {
    let tables = plan.inputs.iter().map(|(_, file)| file);
    let tables = tables.filter(|file| file.meta().range_tombstones > 0);
    let all = tables.flat_map(|file| file.table.range_tombstones().iter());
    RangeTombstones::newest(all)
}

/// A source for each run that has inputs. Nothing would be kept of a table that `ranges` cover whole:
/// it is not read.
fn cursors(levels: &Levels, inputs: &BTreeSet<u64>, ranges: &RangeTombstones) -> Vec<Source> {
    let options = IterOptions {
        fill_cache: false,
        ..IterOptions::default()
    };
    let runs = levels.runs().filter_map(|run| {
        let tables = run.tables.iter();
        let chosen: Vec<_> = tables
            .filter(|table| {
                inputs.contains(&table.number)
                    && !source::is_covered(table.meta(), ranges, SeqNo::MAX)
            })
            .cloned()
            .collect();
        let run = (!chosen.is_empty()).then(|| Arc::new(Run::new(run.id, chosen)));
        run.map(|run| Source::run(run, options.clone(), None))
    });
    runs.collect()
}

/// Filter bits for each key of a run of `bytes`: every halving of a run's share of the store halves
/// how often its filter may be wrong, which makes the sum over all runs least (Monkey). Bits are
/// paid for where the keys are few.
pub(crate) fn filter_bits(levels: &Levels, bytes: u64, options: &Options) -> u32 {
    let bits = options.table.bits_per_key;
    if bits == 0 || !matches!(options.compaction, Style::Adaptive) {
        return bits;
    }
    let all = levels.bytes(LEVEL_MAX).max(1);
    // Each halving of the rate takes 1.44 bits.
    let halvings = (all / bytes.max(1)).max(1).ilog2();
    bits + (halvings * 3 / 2).min(FILTER_BITS_MORE)
}

const FILTER_BITS_MORE: u32 = 8;
