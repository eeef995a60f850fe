//! How large levels may be, and of how many lanes.
//!
//! The last level holds nearly everything; each level above may hold a `level_ratio`th of the one
//! below, times its lanes. Levels that would be smaller than `level_base_bytes` stay empty: level 0
//! goes straight to the first that is not, the *base*.
//!
//! **The cost model.** If a slot is merged whenever it has K runs, each byte that comes to it is
//! rewritten about F / K times on its way down, where F is the fan: how many bytes below meet one
//! of a run. And a read finds (K - 1) / 2 runs more on average than if there were one. So K costs
//! `written × F / K + (gets × GET + scans × SCAN) × (K - 1) / 2`, all in bytes, which is least at
//! `K = √(2 × written × F / (gets × GET + scans × SCAN))`. GET is what a run more costs a look-up:
//! its filter, and in one of a hundred cases a block. SCAN is the search for a first block, most of
//! which are in the cache.

use alloc::vec::Vec;

use crate::guards::{KeyRange, Slots};
use crate::heat::Heat;
use crate::levels::Levels;
use crate::options::{Compaction, Options};
use crate::{LANES_MAX, LEVEL_COUNT, LEVEL_MAX};

/// What levels should look like, given what is in the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The level that level 0 is compacted into.
    pub(crate) base: u8,
    /// Bytes at which a level is compacted into the next; of the levels from `base` to the last
    /// but one.
    budgets: [u64; LEVEL_COUNT],
}

/// What lies in one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) bytes: u64,
    pub(crate) runs: u64,
}

impl Shape {
    pub(crate) fn of(levels: &Levels, options: &Options) -> Self {
        let ratio = u64::from(options.level_ratio);
        let mut shape = Self {
            base: LEVEL_MAX,
            budgets: [0; LEVEL_COUNT],
        };
        let last = levels.bytes(LEVEL_MAX);
        let mut target = last;
        for level in (1..LEVEL_MAX).rev() {
            target /= ratio;
            // One that is in use stays so a little longer.
            let least = match levels.lanes(level).is_empty() {
                true => options.level_base_bytes,
                false => options.level_base_bytes / 2,
            };
            if target < least.max(1) {
                break;
            }
            shape.base = level;
            shape.budgets[usize::from(level)] = budget(levels, options, level, target, last);
        }
        shape
    }

    /// Bytes at which `level` is compacted into the next.
    pub(crate) fn budget(&self, level: u8) -> u64 {
        self.budgets[usize::from(level)]
    }
}

/// `target` for each lane, weighted by what lies below.
fn budget(levels: &Levels, options: &Options, level: u8, target: u64, last: u64) -> u64 {
    let ratio = u64::from(options.level_ratio);
    if !matches!(options.compaction, Compaction::Adaptive) {
        return match options.compaction {
            Compaction::Tiered { .. } => target.saturating_mul(LANES_MAX),
            _ => target,
        };
    }
    let slots = levels.slots(level);
    let below = cells(levels, LEVEL_MAX, slots);
    let mut sum = 0_u128;
    for (slot, cell) in below.iter().enumerate() {
        let range = slots.range(slot..slot + 1);
        let lanes = lanes(
            &heat(levels, &range),
            ratio,
            (ratio * SPACE_PERCENT / 100).max(1),
        );
        sum += u128::from(lanes) * u128::from(cell.bytes);
    }
    let budget = u128::from(target) * sum / u128::from(last.max(1));
    u64::try_from(budget).unwrap_or(u64::MAX).max(target)
}

/// Lanes that `range` of `level`, which is not level 0, may have when `comes` bytes come to it and
/// `there` bytes are there.
pub(crate) fn lanes_max(
    levels: &Levels,
    options: &Options,
    level: u8,
    range: &KeyRange,
    comes: u64,
    there: u64,
) -> u64 {
    let ratio = u64::from(options.level_ratio);
    match options.compaction {
        Compaction::Leveled => 1,
        Compaction::Tiered { last } if level < LEVEL_MAX || last => ratio.clamp(2, LANES_MAX),
        Compaction::Adaptive if level < LEVEL_MAX => {
            lanes(&heat(levels, range), there / comes.max(1), LANES_MAX)
        }
        Compaction::Tiered { .. } | Compaction::Adaptive | Compaction::Fifo { .. } => 1,
    }
}

/// Whether the lanes of `cell` in `range` cost readers more than it takes to merge them.
pub(crate) fn is_worth_folding(levels: &Levels, range: &KeyRange, cell: Cell) -> bool {
    let runs = cell.runs.saturating_sub(1);
    reading(&heat(levels, range)).saturating_mul(runs) > cell.bytes.saturating_mul(FOLDING_PAYS)
}

/// Runs of level 0 at which a slot below it, of `range`, takes them in: `fresh` meets `below`.
pub(crate) fn fresh_max(
    levels: &Levels,
    options: &Options,
    range: &KeyRange,
    fresh: Cell,
    below: u64,
) -> u64 {
    let least = u64::from(options.fresh_runs_min);
    if !matches!(options.compaction, Compaction::Adaptive) || fresh.bytes == 0 {
        return least;
    }
    let most = u64::from(options.fresh_runs_min.midpoint(options.fresh_runs_max));
    // As many as the space allows.
    let run = (fresh.bytes / fresh.runs.max(1)).max(1);
    let most = most
        .min(below.saturating_mul(SPACE_PERCENT) / 100 / run)
        .max(least);
    lanes(&heat(levels, range), below / run, most).max(least.div_ceil(2))
}

/// The K of the cost model.
fn lanes(heat: &Heat, fan: u64, most: u64) -> u64 {
    let rewriting = heat.written.saturating_mul(fan.max(1));
    // Rounded: half of the root of four times as much.
    let root = (rewriting.saturating_mul(8) / reading(heat).max(1)).isqrt();
    root.div_ceil(2).clamp(1, most)
}

/// What a run more costs the reads of `heat`.
fn reading(heat: &Heat) -> u64 {
    let gets = heat.gets.saturating_mul(GET_BYTES);
    gets.saturating_add(heat.scans.saturating_mul(SCAN_BYTES))
}

fn heat(levels: &Levels, range: &KeyRange) -> Heat {
    levels.heat.of(levels.heat.slots().of_range(range))
}

/// What lies in `level`, by the slots `slots`. A table over several counts in each for its share.
pub(crate) fn cells(levels: &Levels, level: u8, slots: &Slots) -> Vec<Cell> {
    let mut cells = alloc::vec![Cell::default(); slots.len()];
    let mut seen = alloc::vec![0_usize; slots.len()];
    for (run, lane) in (1..).zip(levels.lanes(level)) {
        for table in &lane.tables {
            let touched = slots.of_table(table.meta());
            let share = table.meta().size / touched.len() as u64;
            for slot in touched {
                cells[slot].bytes += share;
                cells[slot].runs += u64::from(seen[slot] != run);
                seen[slot] = run;
            }
        }
    }
    cells
}

/// Bytes that may lie above the last level, for a hundred in it, to save rewriting.
const SPACE_PERCENT: u64 = 30;
const GET_BYTES: u64 = 16;
const SCAN_BYTES: u64 = 256;
/// What is read in the time that heat remembers is this many times what is read before more comes.
const FOLDING_PAYS: u64 = 8;
