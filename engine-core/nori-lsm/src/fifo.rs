//! What goes when the oldest goes first.
//!
//! **Invariant: under what is dropped nothing lies that is older**, so that its keys read as not
//! found and never as what they were before. Only the oldest run of all is dropped from, table by
//! table; of levels that another style filled the lowest, slot by slot, with all its lanes. One such
//! job at a time is under way.
//!
//! When level 0 has more than `fresh_runs_min` runs, of all neighbours the two that are smallest
//! together become one. They are no larger than the average pair, so no run grows beyond two of
//! `fresh_runs_min` parts of the store; the more runs there may be, the less often a byte is
//! rewritten, and never where neighbours share no keys.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nori_sstable::SeqNo;
use norikv_types::{Mono, WallMs};

use crate::LEVEL_MAX;
use crate::engine::Engine;
use crate::levels::{Levels, Run};
use crate::options::{Compaction, Options};
use crate::picking::How;
use crate::table_file::TableFile;
use crate::version_edit::LiveSet;

/// What goes together.
struct Unit<'a> {
    tables: Vec<&'a Arc<TableFile>>,
}

impl Unit<'_> {
    fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.bytes()).sum()
    }

    fn newest(&self) -> Option<SeqNo> {
        self.tables.iter().map(|table| table.meta().seqno_max).max()
    }

    /// When all of it is older than `ttl`.
    fn ends(&self, levels: &Levels, ttl: Duration) -> Option<u64> {
        let born = self.tables.iter().map(|table| levels.born(table.number));
        let born = born.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Some(born.0.saturating_add(ttl))
    }
}

/// The level that holds the oldest, and what it is dropped in; the order is that of keys.
fn oldest(levels: &Levels) -> (u8, Vec<Unit<'_>>) {
    let lowest = (1..=LEVEL_MAX)
        .rev()
        .find(|level| !levels.lanes(*level).is_empty());
    let Some(level) = lowest else {
        let tables = levels.fresh.last().into_iter().flat_map(|run| &run.tables);
        let unit = |table| Unit {
            tables: [table].into(),
        };
        return (0, tables.map(unit).collect());
    };
    let slots = levels.slots(level);
    let units = (0..slots.len()).map(|slot| Unit {
        tables: levels
            .touching(level, &slots.range(slot..slot + 1))
            .collect(),
    });
    (
        level,
        units.filter(|unit| !unit.tables.is_empty()).collect(),
    )
}

/// What is to be done now, and to which tables of which level.
pub(crate) fn due(
    levels: &Levels,
    options: &Options,
    now: WallMs,
) -> Option<(u8, How, Vec<Arc<TableFile>>)> {
    let Compaction::Fifo { bytes_max, ttl } = options.compaction else {
        return None;
    };
    let (level, mut units) = oldest(levels);
    units.sort_by_key(Unit::newest);
    let tables: u64 = (0..=LEVEL_MAX).map(|level| levels.bytes(level)).sum();
    let all = tables + levels.values.stats().bytes;
    let mut over = all.saturating_sub(bytes_max);
    let mut dropped = Vec::new();
    for unit in units {
        let ends = ttl.and_then(|ttl| unit.ends(levels, ttl));
        if over > 0 || ends.is_some_and(|ends| ends <= now.0) {
            over = over.saturating_sub(unit.bytes());
            dropped.extend(unit.tables.into_iter().cloned());
        }
    }
    if !dropped.is_empty() {
        return Some((level, How::Drops, dropped));
    }
    if levels.fresh.len() as u64 <= u64::from(options.fresh_runs_min) {
        return None;
    }
    let pairs = levels.fresh.windows(2).rev();
    let tables = |pair: &[Arc<Run>]| {
        let tables = pair.iter().flat_map(|run| &run.tables);
        tables.cloned().collect::<Vec<_>>()
    };
    let bytes =
        |tables: &Vec<Arc<TableFile>>| -> u64 { tables.iter().map(|table| table.bytes()).sum() };
    let mut merged = pairs.map(tables).min_by_key(bytes)?;
    merged.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
    let is_disjoint = merged
        .windows(2)
        .all(|pair| pair[0].meta().ends_before(&pair[1].meta().smallest));
    let how = match is_disjoint {
        true => How::Moves,
        false => How::Rewrites,
    };
    Some((0, how, merged))
}

/// When the next table is old enough to go.
pub(crate) fn next_due(engine: &Engine) -> Option<Mono> {
    let ttl = ttl(&engine.options)?;
    let view = engine.view();
    let units = oldest(&view.levels).1;
    let ends = units.iter().filter_map(|unit| unit.ends(&view.levels, ttl));
    let left = ends.min()?.saturating_sub(engine.clock.wall().0);
    // What is due and yet not done, others are about to do.
    Some(engine.clock.now() + Duration::from_millis(left).clamp(LOOK_AT_MOST, LOOK_AT_LEAST))
}

/// How old tables get, where that counts.
pub(crate) const fn ttl(options: &Options) -> Option<Duration> {
    match options.compaction {
        Compaction::Fifo { ttl, .. } => ttl,
        _ => None,
    }
}

/// Tables of which nobody noted how old they are count as new.
pub(crate) fn stamp(live: &mut LiveSet, options: &Options, now: WallMs) {
    if ttl(options).is_some() {
        for table in live.tables.values_mut() {
            table.born.get_or_insert(now);
        }
    }
}

const LOOK_AT_MOST: Duration = Duration::from_secs(1);
/// The wall clock may be set meanwhile.
const LOOK_AT_LEAST: Duration = Duration::from_secs(600);
