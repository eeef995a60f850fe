//! Which compaction is due.
//!
//! **Invariant: no two compactions under way share an input, and none has outputs that overlap
//! another's.** Level 0 is compacted by one at a time; further down, inputs are reserved by table,
//! and everything that overlaps in the output level is an input.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{Mutant, breaks};

use crate::compaction::Compaction;
use crate::levels::Levels;
use crate::options::Options;
use crate::table_file::TableFile;
use crate::{LEVEL_COUNT, LEVEL_MAX};

/// What compactions under way have taken, and where the next one of each level begins.
#[derive(Debug, Default)]
pub(crate) struct Picking {
    /// Tables that are inputs.
    pub(crate) reserved: BTreeSet<u64>,
    /// Whether level 0 is being compacted.
    pub(crate) fresh_busy: bool,
    /// The largest key of the last input of each level.
    cursors: [Bytes; LEVEL_COUNT],
}

impl Picking {
    /// The most urgent compaction that can run now, with its inputs reserved.
    pub(crate) fn pick(&mut self, levels: &Arc<Levels>, options: &Options) -> Option<Compaction> {
        let mut due: Vec<(u64, u8)> = (0..LEVEL_MAX)
            .map(|level| (score(levels, options, level), level))
            .filter(|(score, _)| *score >= DUE)
            .collect();
        // The most urgent first; of equals the upper level.
        due.sort_by_key(|(score, level)| (core::cmp::Reverse(*score), *level));
        due.into_iter().find_map(|(_, level)| {
            let inputs = match level {
                0 => self.pick_fresh(levels)?,
                _ => self.pick_sorted(levels, level)?,
            };
            Some(self.reserve(levels, level, inputs, options))
        })
    }

    /// Gives back what `compaction` reserved.
    pub(crate) fn release(&mut self, compaction: &Compaction) {
        for number in compaction.input_numbers() {
            self.reserved.remove(&number);
        }
        if compaction.is_fresh() {
            self.fresh_busy = false;
        }
    }

    /// All of level 0 and what it overlaps in level 1.
    fn pick_fresh(&self, levels: &Levels) -> Option<Vec<(u8, Arc<TableFile>)>> {
        if self.fresh_busy {
            return None;
        }
        let newest = levels.fresh.first().map(|run| run.tables.clone());
        let chosen = match newest.filter(|_| breaks(Mutant::NewestRunCompactedAlone)) {
            Some(tables) => tables,
            None => levels.tables(0).cloned().collect(),
        };
        self.with_overlap(levels, 0, chosen)
    }

    /// The next table of `level` in turn that is free.
    fn pick_sorted(&self, levels: &Levels, level: u8) -> Option<Vec<(u8, Arc<TableFile>)>> {
        let tables = &levels.sorted[usize::from(level) - 1].tables;
        let cursor = &self.cursors[usize::from(level)];
        let turn = tables.partition_point(|table| table.meta().smallest <= *cursor);
        let (before, after) = tables.split_at(turn);
        after
            .iter()
            .chain(before)
            .find_map(|table| self.with_overlap(levels, level, [Arc::clone(table)].into()))
    }

    /// `chosen` of `level` and all that overlaps them in the level below, if all of it is free.
    fn with_overlap(
        &self,
        levels: &Levels,
        level: u8,
        chosen: Vec<Arc<TableFile>>,
    ) -> Option<Vec<(u8, Arc<TableFile>)>> {
        let from = chosen.iter().map(|t| &t.meta().smallest).min()?.clone();
        let to = chosen.iter().map(|t| &t.meta().largest).max()?.clone();
        let below = levels.sorted[usize::from(level)].overlapping(&from, &to);
        let inputs: Vec<_> = chosen
            .into_iter()
            .map(|table| (level, table))
            .chain(below.iter().map(|table| (level + 1, Arc::clone(table))))
            .collect();
        let is_free = |(_, table): &(u8, Arc<TableFile>)| !self.reserved.contains(&table.number);
        inputs.iter().all(is_free).then_some(inputs)
    }

    fn reserve(
        &mut self,
        levels: &Arc<Levels>,
        level: u8,
        inputs: Vec<(u8, Arc<TableFile>)>,
        options: &Options,
    ) -> Compaction {
        let chosen = || inputs.iter().filter(|(from, _)| *from == level);
        let largest = chosen().map(|(_, table)| &table.meta().largest).max();
        self.cursors[usize::from(level)] = largest.cloned().unwrap_or_default();
        self.reserved
            .extend(inputs.iter().map(|(_, table)| table.number));
        self.fresh_busy |= level == 0;

        let output = level + 1;
        let levels = Arc::clone(levels);
        match is_movable(&levels, &inputs, output) {
            true => Compaction::moving(inputs, output, levels),
            false => Compaction::rewriting(inputs, output, levels, options.table_bytes),
        }
    }
}

/// Whether the inputs may just change their level: they overlap nothing there, nor each other, and
/// carry no tombstone to a place below which nothing lies, where it would stay for ever.
fn is_movable(levels: &Levels, inputs: &[(u8, Arc<TableFile>)], output: u8) -> bool {
    if inputs.iter().any(|(level, _)| *level == output) {
        return false;
    }
    let mut ranges: Vec<_> = inputs.iter().map(|(_, table)| table.meta()).collect();
    ranges.sort_by(|a, b| a.smallest.cmp(&b.smallest));
    let disjoint = ranges
        .windows(2)
        .all(|pair| pair[0].ends_before(&pair[1].smallest));
    let tombstones_stay = ranges.iter().all(|meta| {
        meta.tombstones + meta.range_tombstones == 0
            || levels.sorted[usize::from(output)..]
                .iter()
                .any(|run| !run.overlapping(&meta.smallest, &meta.largest).is_empty())
    });
    disjoint && tombstones_stay
}

/// How far `level` is over its bound, in thousandths.
fn score(levels: &Levels, options: &Options, level: u8) -> u64 {
    if level == 0 {
        return levels.fresh.len() as u64 * DUE / u64::from(options.fresh_runs_min);
    }
    let mut bound = options.level_base_bytes;
    for _ in 1..level {
        bound = bound.saturating_mul(u64::from(options.level_ratio));
    }
    match levels.sorted[usize::from(level) - 1].bytes() {
        bytes if bytes > bound => bytes.saturating_mul(DUE) / bound.max(1),
        _ => 0,
    }
}

const DUE: u64 = 1_000;
