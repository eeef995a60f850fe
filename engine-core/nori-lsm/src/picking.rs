//! Which compaction is due.
//!
//! **Invariant: no two compactions under way touch the same keys of the same level**, the runs
//! apart that are added to level 0 meanwhile; and of what a compaction passes by, nothing lies
//! between the level that it reads and the one that it writes.
//!
//! The unit is a slot of the level below and whatever lies above it. Where tables cross its borders,
//! its neighbours are taken along.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_sstable::SeqNo;
use norikv_types::{Mutant, WallMs, breaks};

use crate::LEVEL_MAX;
use crate::compaction::Compaction;
use crate::fifo;
use crate::guards::{KeyRange, Slots};
use crate::levels::Levels;
use crate::options::{Compaction as Style, Options};
use crate::shape::{self, Cell, Shape};
use crate::table_file::TableFile;
use crate::value_use;

/// What compactions under way have taken.
#[derive(Debug, Default)]
pub(crate) struct Picking {
    busy: Vec<Busy>,
    next_id: u64,
    wanted: Vec<Wanted>,
    /// Somebody waits for the store to settle: space counts, not what later writes would save.
    settling: bool,
    /// The state of the levels in which nothing was due, while nothing was under way.
    calm: Option<(u64, u64)>,
}

/// Keys that somebody wants in the last level.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) range: KeyRange,
    /// Of what was written up to here.
    pub(crate) at: SeqNo,
}

/// What one compaction has taken.
#[derive(Debug)]
struct Busy {
    id: u64,
    level: u8,
    output: u8,
    range: KeyRange,
}

/// A compaction that would do good.
#[derive(Debug)]
struct Candidate {
    /// How urgent it is, [`DUE`] at least.
    score: u64,
    /// Bytes it moves down for each 1,024 it reads.
    gain: u64,
    level: u8,
    range: KeyRange,
    /// Merges the lanes of its level instead of moving anything down.
    folds: bool,
    /// It is for what the tables point to: they are written anew, come what may.
    rewrites: bool,
}

/// A compaction as it will run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) id: u64,
    pub(crate) output: u8,
    pub(crate) range: KeyRange,
    /// With their levels.
    pub(crate) inputs: Vec<(u8, Arc<TableFile>)>,
    pub(crate) how: How,
}

/// What a compaction does with its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// They become new tables.
    Rewrites,
    /// They stay as they are and only change their level or their run.
    Moves,
    /// They go, with all that is in them.
    Drops,
}

impl Wanted {
    /// The tables above the last level that hold some of it, the uppermost first, each with its
    /// level.
    pub(crate) fn left<'a>(
        &'a self,
        levels: &'a Levels,
    ) -> impl Iterator<Item = (u8, &'a Arc<TableFile>)> {
        (0..LEVEL_MAX).flat_map(|level| {
            let tables = levels.touching(level, &self.range);
            let tables = tables.filter(|table| table.meta().seqno_min <= self.at);
            tables.map(move |table| (level, table))
        })
    }
}

impl Plan {
    /// Bytes of the inputs.
    pub(crate) fn bytes(&self) -> u64 {
        self.inputs.iter().map(|(_, table)| table.meta().size).sum()
    }
}

impl Picking {
    /// The most urgent compaction that can run now, with its keys reserved.
    pub(crate) fn pick(
        &mut self,
        levels: &Arc<Levels>,
        options: &Options,
        now: WallMs,
    ) -> Option<Compaction> {
        if matches!(options.compaction, Style::Fifo { .. }) {
            return self.pick_fifo(levels, options, now);
        }
        let state = (levels.generation, levels.heat.epoch());
        if self.calm == Some(state) {
            return None;
        }
        let settled = (self.settling && options.compaction == Style::Adaptive).then(|| Options {
            compaction: Style::Leveled,
            ..options.clone()
        });
        let options = settled.as_ref().unwrap_or(options);
        let shape = Shape::of(levels, options);
        self.wanted
            .retain(|wanted| wanted.left(levels).next().is_some());
        if let Some((level, plan)) = self.pick_wanted(levels, options, &shape) {
            return Some(self.reserve(levels, options, level, plan));
        }
        let mut due = Vec::new();
        fresh_due(levels, options, &shape, &mut due);
        (1..=LEVEL_MAX).for_each(|level| level_due(levels, options, &shape, level, &mut due));
        self.garbage_due(levels, &shape, &mut due);
        if due.is_empty() && self.wanted.is_empty() {
            self.calm = Some(state);
            return None;
        }
        // The most urgent first; of equals the one that gains most, then the upper level.
        due.sort_by_key(|due| (core::cmp::Reverse((due.score, due.gain)), due.level));
        due.into_iter().find_map(|candidate| {
            let plan = self.plan(levels, options, &shape, &candidate)?;
            Some(self.reserve(levels, options, candidate.level, plan))
        })
    }

    /// What goes first in, first out; one at a time.
    fn pick_fifo(
        &mut self,
        levels: &Arc<Levels>,
        options: &Options,
        now: WallMs,
    ) -> Option<Compaction> {
        if !self.busy.is_empty() {
            return None;
        }
        let (level, how, tables) = fifo::due(levels, options, now)?;
        let plan = Plan {
            id: self.next_id,
            output: level,
            range: KeyRange {
                from: Bytes::new(),
                to: None,
            },
            inputs: tables.into_iter().map(|table| (level, table)).collect(),
            how,
        };
        Some(self.reserve(levels, options, level, plan))
    }

    /// Merges as leveled compaction would from now on, or no longer.
    pub(crate) const fn settle(&mut self, settling: bool) {
        self.settling = settling;
        self.calm = None;
    }

    /// Asks for `wanted` to be compacted before anything else.
    pub(crate) fn want(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
        self.calm = None;
    }

    /// Takes the tables of the uppermost level that is wanted further down.
    fn pick_wanted(&self, levels: &Levels, options: &Options, shape: &Shape) -> Option<(u8, Plan)> {
        self.wanted.iter().find_map(|wanted| {
            let (level, table) = wanted.left(levels).next()?;
            let slots = levels.slots(below(shape, level));
            let candidate = Candidate {
                score: DUE,
                gain: 0,
                level,
                range: slots.range(slots.of_table(table.meta())),
                folds: false,
                rewrites: false,
            };
            Some((level, self.plan(levels, options, shape, &candidate)?))
        })
    }

    /// Gives back what `compaction` reserved.
    pub(crate) fn release(&mut self, compaction: &Compaction) {
        self.busy.retain(|busy| busy.id != compaction.id());
        self.calm = None;
    }

    fn plan(
        &self,
        levels: &Levels,
        options: &Options,
        shape: &Shape,
        candidate: &Candidate,
    ) -> Option<Plan> {
        let level = candidate.level;
        let mut range = candidate.range.clone();
        let output = loop {
            let output = match candidate.folds {
                true => level,
                // Never past a level that holds older versions.
                false => (level + 1..below(shape, level))
                    .find(|level| levels.touching(*level, &range).next().is_some())
                    .unwrap_or_else(|| below(shape, level)),
            };
            let wider = closure(levels, level, levels.slots(output), &range);
            if wider == range {
                break output;
            }
            range = wider;
        };
        if self.is_busy(level, output, &range) {
            return None;
        }
        let newest_only = |tables: &mut Vec<Arc<TableFile>>| {
            let newest = levels
                .fresh
                .iter()
                .find(|run| !run.touching(&range).is_empty());
            if let Some(newest) = newest
                && level == 0
                && breaks(Mutant::NewestRunCompactedAlone)
            {
                *tables = newest.touching(&range).to_vec();
            }
        };
        let mut above: Vec<_> = levels.touching(level, &range).cloned().collect();
        newest_only(&mut above);
        let mut merged = Vec::new();
        if !candidate.folds {
            let slots = levels.slots(output);
            for slot in slots.of_range(&range) {
                let slot = slots.range(slot..slot + 1);
                let bytes = |tables: &[Arc<TableFile>]| -> u64 {
                    let touching = tables.iter().filter(|table| slot.touches(table.meta()));
                    touching.map(|table| table.meta().size).sum()
                };
                let comes = bytes(&above);
                let lanes = levels.lanes(output).iter();
                let lanes: Vec<_> = lanes.map(|lane| bytes(lane.touching(&slot))).collect();
                let filled = lanes.iter().filter(|bytes| **bytes > 0).count() as u64;
                let there = lanes.into_iter().sum();
                let most = shape::lanes_max(levels, options, output, &slot, comes, there);
                if comes > 0 && filled >= most {
                    merged.extend(levels.touching(output, &slot).cloned());
                }
            }
        }
        let moves = !candidate.folds
            && !candidate.rewrites
            && merged.is_empty()
            && is_movable(levels, &above, output, levels.slots(output));
        let with = |level| move |table| (level, table);
        let inputs: Vec<_> = above.into_iter().map(with(level)).collect();
        let merged = merged.into_iter().map(with(output));
        Some(Plan {
            id: self.next_id,
            output,
            range,
            inputs: inputs.into_iter().chain(merged).collect(),
            how: match moves {
                true => How::Moves,
                false => How::Rewrites,
            },
        })
    }

    fn is_busy(&self, level: u8, output: u8, range: &KeyRange) -> bool {
        self.busy
            .iter()
            .any(|busy| level <= busy.output && busy.level <= output && range.overlaps(&busy.range))
    }

    fn reserve(
        &mut self,
        levels: &Arc<Levels>,
        options: &Options,
        level: u8,
        plan: Plan,
    ) -> Compaction {
        self.next_id += 1;
        self.busy.push(Busy {
            id: plan.id,
            level,
            output: plan.output,
            range: plan.range.clone(),
        });
        let given_back = levels.values.due(self.garbage_one_in());
        Compaction::new(plan, Arc::clone(levels), options, given_back)
    }

    /// The slot that points to most of the values in files with much garbage, once these are many.
    fn garbage_due(&self, levels: &Levels, shape: &Shape, due: &mut Vec<Candidate>) {
        let one_in = self.garbage_one_in();
        let percent = levels.values.garbage_percent(one_in);
        if percent == 0 || (percent < GARBAGE_PERCENT && !self.settling) {
            return;
        }
        let files = levels.values.due(one_in);
        let tables =
            (0..=LEVEL_MAX).flat_map(|level| levels.tables(level).map(move |t| (level, t)));
        let tables =
            tables.map(|(level, table)| (value_use::due_bytes(table, &files), level, table));
        // Of equals the lowest level, where values lie longest.
        let most = tables.max_by_key(|(bytes, level, _)| (*bytes, *level));
        if let Some((bytes, level, table)) = most
            && bytes > 0
        {
            let folds = level > 0;
            let slots = levels.slots(if folds { level } else { shape.base });
            due.push(Candidate {
                score: DUE,
                gain: 0,
                level,
                range: slots.range(slots.of_table(table.meta())),
                folds,
                rewrites: true,
            });
        }
    }

    /// A file goes once this part of it is garbage.
    const fn garbage_one_in(&self) -> u64 {
        match self.settling {
            true => GARBAGE_ONE_IN_SETTLED,
            false => GARBAGE_ONE_IN,
        }
    }
}

/// Where `level` is compacted into, if nothing lies in between.
fn below(shape: &Shape, level: u8) -> u8 {
    shape.base.max(level + 1)
}

/// `range`, widened to slots of `slots` until no table of `level` crosses its borders.
fn closure(levels: &Levels, level: u8, slots: &Slots, range: &KeyRange) -> KeyRange {
    let mut touched = slots.of_range(range);
    loop {
        let range = slots.range(touched.clone());
        let tables = levels.touching(level, &range);
        let wider = tables.fold(touched.clone(), |wider, table| {
            let of = slots.of_table(table.meta());
            wider.start.min(of.start)..wider.end.max(of.end)
        });
        if wider == touched {
            return range;
        }
        touched = wider;
    }
}

/// Whether the inputs may just change their level: they overlap nothing that they are not laid
/// upon, nor each other, cross no guard, and carry no tombstone to a place below which nothing
/// lies, where it would stay for ever.
fn is_movable(levels: &Levels, above: &[Arc<TableFile>], output: u8, slots: &Slots) -> bool {
    let mut metas: Vec<_> = above.iter().map(|table| table.meta()).collect();
    metas.sort_by(|a, b| a.smallest.cmp(&b.smallest));
    let disjoint = metas
        .windows(2)
        .all(|pair| pair[0].ends_before(&pair[1].smallest));
    let fits = metas.iter().all(|meta| !slots.cuts(meta));
    let tombstones_stay = metas.iter().all(|meta| {
        let lanes = (output..=LEVEL_MAX).flat_map(|level| levels.lanes(level));
        meta.tombstones + meta.range_tombstones == 0
            || lanes.into_iter().any(|lane| lane.overlaps(meta))
    });
    disjoint && fits && tombstones_stay
}

/// What is due in level 0.
fn fresh_due(levels: &Levels, options: &Options, shape: &Shape, due: &mut Vec<Candidate>) {
    let slots = levels.slots(shape.base);
    let fresh = shape::cells(levels, 0, slots);
    let below = shape::cells(levels, shape.base, slots);
    for (slot, (cell, below)) in fresh.into_iter().zip(below).enumerate() {
        let range = slots.range(slot..slot + 1);
        let most = shape::fresh_max(levels, options, &range, cell, below.bytes);
        if cell.runs >= most {
            due.push(Candidate {
                score: cell.runs * DUE / most,
                gain: gain(cell, below),
                level: 0,
                range,
                folds: false,
                rewrites: false,
            });
        }
    }
    // Runs that share no keys are many without being due anywhere; the oldest goes.
    if let Some(oldest) = levels.fresh.last()
        && levels.fresh.len() as u64 >= u64::from(options.fresh_runs_max)
        && let Some(table) = oldest.tables.first()
    {
        due.push(Candidate {
            score: levels.fresh.len() as u64 * DUE / u64::from(options.fresh_runs_max),
            gain: 0,
            level: 0,
            range: slots.range(slots.of_table(table.meta())),
            folds: false,
            rewrites: false,
        });
    }
}

/// What is due in `level`, which is not level 0.
fn level_due(
    levels: &Levels,
    options: &Options,
    shape: &Shape,
    level: u8,
    due: &mut Vec<Candidate>,
) {
    if levels.lanes(level).is_empty() {
        return;
    }
    let is_last = level == LEVEL_MAX;
    let slots = levels.slots(if is_last { level } else { below(shape, level) });
    let above = shape::cells(levels, level, slots);
    let below = match is_last {
        true => alloc::vec![Cell::default(); slots.len()],
        false => shape::cells(levels, below(shape, level), slots),
    };
    let candidate = |slot: usize, score: u64, folds: bool| Candidate {
        score,
        gain: gain(above[slot], below[slot]),
        level,
        range: slots.range(slot..slot + 1),
        folds,
        rewrites: false,
    };
    for (slot, cell) in above.iter().enumerate().filter(|(_, cell)| cell.runs > 1) {
        let range = slots.range(slot..slot + 1);
        let most = shape::lanes_max(levels, options, level, &range, 0, 0);
        match options.compaction {
            Style::Tiered { .. } if cell.runs >= most => {
                due.push(candidate(slot, DUE + cell.runs, is_last));
            }
            Style::Adaptive if !is_last && !shape::is_worth_folding(levels, &range, *cell) => {}
            Style::Tiered { .. } => {}
            _ => due.push(candidate(slot, DUE, true)),
        }
    }
    if is_last {
        return;
    }
    let tombs = levels.tables(level).filter(|table| {
        let meta = table.meta();
        meta.tombstones.saturating_mul(TOMBSTONES_ONE_IN) >= meta.entries
    });
    for table in tombs {
        let slot = slots.of_table(table.meta()).start;
        due.push(candidate(slot, DUE, false));
    }
    let (bytes, budget) = (levels.bytes(level), shape.budget(level));
    if bytes > budget {
        // A level above the base is emptied, but not before others.
        let score = if level < shape.base {
            DUE
        } else {
            bytes.saturating_mul(DUE) / budget.max(1)
        };
        let filled = (0..slots.len()).filter(|slot| above[*slot].bytes > 0);
        due.extend(filled.map(|slot| candidate(slot, score, false)));
    }
}

/// Bytes moved down for each 1,024 read.
fn gain(above: Cell, below: Cell) -> u64 {
    (above.bytes << 10) / (above.bytes + below.bytes).max(1)
}

const DUE: u64 = 1_000;
/// A value file of which half is garbage is to be given back; by whoever settles, an eighth.
const GARBAGE_ONE_IN: u64 = 2;
const GARBAGE_ONE_IN_SETTLED: u64 = 8;
/// Tables are written anew for the sake of their values once such files hold so much garbage for a
/// hundred bytes of values.
const GARBAGE_PERCENT: u64 = 30;
/// A table of which half are tombstones is due.
const TOMBSTONES_ONE_IN: u64 = 2;
