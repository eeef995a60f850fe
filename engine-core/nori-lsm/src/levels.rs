//! The live tables, by level.
//!
//! **Invariant: of two versions of a key the newer stands in the earlier run.** Level 0 is a list
//! of runs, the newest first. Each further level is a stack of lanes, each a run of its own, the
//! newest on top: a table lies on one that it overlaps in the lane below, or in lane 0. The tables
//! of a run ascend and share no key, and none crosses a guard of its level. A `Levels` never
//! changes: an edit makes a new one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_sstable::{RangeTombstones, TableMeta};
use norikv_types::{Mutant, WallMs, breaks};

use crate::guards::{self, KeyRange, Slots};
use crate::heat::HeatMap;
use crate::shape;
use crate::table_file::TableFile;
use crate::value_use::ValueUse;
use crate::version_edit::{LiveSet, LiveTable, VersionEdit};
use crate::{Damage, Error, LANES_MAX, LEVEL_COUNT, LEVEL_MAX};

/// The live tables.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    /// Counts the changes.
    pub(crate) generation: u64,
    /// Level 0, the newest run first.
    pub(crate) fresh: Vec<Arc<Run>>,
    /// The most runs of level 0 that lie over one slot of the last level.
    pub(crate) fresh_depth: u32,
    /// Levels 1 and up, each with lane 0 first.
    sorted: [Vec<Arc<Run>>; LEVEL_COUNT - 1],
    guards: Arc<BTreeMap<Bytes, u8>>,
    /// By number: when the newest entry of a table had been written, where that was noted.
    born: Arc<BTreeMap<u64, WallMs>>,
    slots: [Arc<Slots>; LEVEL_COUNT - 1],
    pub(crate) heat: Arc<HeatMap>,
    /// What the tables point to.
    pub(crate) values: Arc<ValueUse>,
}

/// Tables that ascend and share no key.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// A higher one of the same level is newer.
    pub(crate) id: u64,
    pub(crate) tables: Vec<Arc<TableFile>>,
    /// Those of all tables.
    pub(crate) range_tombstones: RangeTombstones,
}

impl Run {
    /// A run of `tables` in any order.
    ///
    /// # Panics
    /// When two of them overlap.
    pub(crate) fn new(id: u64, mut tables: Vec<Arc<TableFile>>) -> Self {
        tables.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        assert!(
            tables
                .windows(2)
                .all(|pair| pair[0].meta().ends_before(&pair[1].meta().smallest)),
            "tables of one run share no key"
        );
        let with_ranges = tables
            .iter()
            .filter(|file| file.meta().range_tombstones > 0);
        let sets = with_ranges.map(|file| file.table.range_tombstones());
        Self {
            id,
            range_tombstones: RangeTombstones::merge(sets),
            tables,
        }
    }

    /// The index of the first table that ends at or after `key`.
    pub(crate) fn locate(&self, key: &[u8]) -> usize {
        self.tables
            .partition_point(|table| table.meta().ends_before(key))
    }

    /// The table that may hold `key`.
    pub(crate) fn table_of(&self, key: &[u8]) -> Option<&Arc<TableFile>> {
        let table = self.tables.get(self.locate(key))?;
        (*table.meta().smallest <= *key).then_some(table)
    }

    /// Whether any of them overlaps `meta`.
    pub(crate) fn overlaps(&self, meta: &TableMeta) -> bool {
        !self.overlapping(meta).is_empty()
    }

    /// The tables that overlap `meta`.
    pub(crate) fn overlapping(&self, meta: &TableMeta) -> &[Arc<TableFile>] {
        let start = self.locate(&meta.smallest);
        let len =
            self.tables[start..].partition_point(|table| !meta.ends_before(&table.meta().smallest));
        &self.tables[start..start + len]
    }

    /// The tables that may hold keys of `range`.
    pub(crate) fn touching(&self, range: &KeyRange) -> &[Arc<TableFile>] {
        let start = self.locate(&range.from);
        let len = self.tables[start..].partition_point(|table| match &range.to {
            Some(to) => table.meta().smallest < *to,
            None => true,
        });
        &self.tables[start..start + len]
    }
}

impl Levels {
    pub(crate) fn empty() -> Self {
        let slots = guards::slots(&BTreeMap::new());
        let heat = HeatMap::new(Arc::clone(&slots[usize::from(LEVEL_MAX) - 1]));
        Self {
            generation: 0,
            fresh: Vec::new(),
            fresh_depth: 0,
            sorted: core::array::from_fn(|_| Vec::new()),
            guards: Arc::default(),
            born: Arc::default(),
            slots,
            heat: Arc::new(heat),
            values: Arc::default(),
        }
    }

    /// Opens every table of `live`.
    ///
    /// # Errors
    /// Whatever `open` says of the first that fails.
    pub(crate) fn open(
        live: &LiveSet,
        mut open: impl FnMut(&LiveTable) -> Result<Arc<TableFile>, Error>,
    ) -> Result<Self, Error> {
        let opened: Vec<_> = live
            .tables
            .values()
            .map(&mut open)
            .collect::<Result<_, Error>>()?;
        Ok(Self::empty().apply(&live.as_edit(), &opened))
    }

    /// These levels after `edit`. `opened` holds the tables it adds, moved ones included.
    pub(crate) fn apply(&self, edit: &VersionEdit, opened: &[Arc<TableFile>]) -> Self {
        let find = |number: u64| {
            let table = opened.iter().find(|table| table.number == number);
            Arc::clone(table.expect("every table that is added is open"))
        };
        let removed = |level: u8, table: &TableFile| edit.removed.contains(&(level, table.number));
        let mut next = self.clone();
        next.generation += 1;
        next.values = self.values_after(edit, opened);

        for run in &mut next.fresh {
            if run.tables.iter().any(|table| removed(0, table)) {
                let kept = run.tables.iter().filter(|table| !removed(0, table));
                *run = Arc::new(Run::new(run.id, kept.cloned().collect()));
            }
        }
        next.fresh.retain(|run| !run.tables.is_empty());
        let mut added: Vec<(u64, u64)> = edit
            .added
            .iter()
            .filter(|table| table.level == 0)
            .map(|table| (table.run, table.number))
            .collect();
        added.sort_unstable();
        for group in added.chunk_by(|a, b| a.0 == b.0) {
            let tables = group.iter().map(|(_, number)| find(*number)).collect();
            next.fresh.push(Arc::new(Run::new(group[0].0, tables)));
        }
        next.fresh.sort_by_key(|run| core::cmp::Reverse(run.id));
        if breaks(Mutant::OldestRunFirst) {
            next.fresh.reverse();
        }

        for (level, lanes) in (1_u8..).zip(&mut next.sorted) {
            let added = || edit.added.iter().filter(|table| table.level == level);
            if added().next().is_none() && !edit.removed.iter().any(|(from, _)| *from == level) {
                continue;
            }
            let mut filled: [Vec<_>; LANE_COUNT] = core::array::from_fn(|_| Vec::new());
            for run in lanes.iter() {
                let kept = run.tables.iter().filter(|table| !removed(level, table));
                filled[lane_index(run.id)].extend(kept.cloned());
            }
            for table in added() {
                filled[lane_index(table.run)].push(find(table.number));
            }
            let used = filled.iter().take_while(|lane| !lane.is_empty()).count();
            assert!(
                filled[used..].iter().all(Vec::is_empty),
                "no lane is empty under another"
            );
            *lanes = (0..)
                .zip(filled)
                .take(used)
                .map(|(lane, tables)| Arc::new(Run::new(lane, tables)))
                .collect();
        }
        next.set_guards(&edit.guards);
        let noted = edit.added.iter().filter_map(|table| table.born);
        if !self.born.is_empty() || noted.count() > 0 {
            let mut born = (*self.born).clone();
            for (_, number) in &edit.removed {
                born.remove(number);
            }
            let added = edit.added.iter();
            born.extend(added.filter_map(|table| Some((table.number, table.born?))));
            next.born = Arc::new(born);
        }
        let fresh = shape::cells(&next, 0, next.slots(LEVEL_MAX));
        next.fresh_depth = count(fresh.iter().map(|cell| cell.runs).max().unwrap_or(0));
        next
    }

    fn values_after(&self, edit: &VersionEdit, opened: &[Arc<TableFile>]) -> Arc<ValueUse> {
        let removed = edit.removed.iter().filter_map(|(level, number)| {
            let mut tables = self.tables(*level);
            tables.find(|table| table.number == *number)
        });
        let points = |table: &&Arc<TableFile>| !table.refs.is_empty();
        let removed: Vec<_> = removed.filter(points).collect();
        if removed.is_empty() && !opened.iter().any(|table| points(&table)) {
            return Arc::clone(&self.values);
        }
        let mut next = (*self.values).clone();
        // First those that come: a file stays whose last table only changes its level.
        opened.iter().for_each(|table| next.add(table));
        removed.into_iter().for_each(|table| next.remove(table));
        Arc::new(next)
    }

    /// Changes the guards.
    ///
    /// # Panics
    /// When the changes do not fit.
    pub(crate) fn set_guards(&mut self, changes: &[(u8, Bytes)]) {
        if changes.is_empty() {
            return;
        }
        let mut all = (*self.guards).clone();
        guards::apply(&mut all, changes).expect("changes of our own fit the guards");
        self.slots = guards::slots(&all);
        self.guards = Arc::new(all);
        let finest = &self.slots[usize::from(LEVEL_MAX) - 1];
        self.heat = Arc::new(self.heat.resized(Arc::clone(finest)));
    }

    /// Panics where the tables break an invariant: costly.
    pub(crate) fn check(&self) {
        for level in 1..=LEVEL_MAX {
            let (lanes, slots) = (self.lanes(level), self.slots(level));
            for (index, lane) in lanes.iter().enumerate() {
                assert_eq!(lane.id, index as u64, "lanes are numbered from 0");
                for table in &lane.tables {
                    let meta = table.meta();
                    assert!(
                        !slots.cuts(meta),
                        "table {} crosses a guard of level {level}",
                        table.number
                    );
                    assert!(
                        index == 0 || lanes[index - 1].overlaps(meta),
                        "table {} hangs in the air in lane {index} of level {level}",
                        table.number
                    );
                }
            }
            let above = if level == 1 {
                &[][..]
            } else {
                self.slots(level - 1).guards()
            };
            assert!(
                above
                    .iter()
                    .all(|guard| slots.guards().binary_search(guard).is_ok()),
                "a guard of one level is one of the next"
            );
        }
    }

    /// Every run, the newest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        let sorted = self.sorted.iter().flat_map(|lanes| lanes.iter().rev());
        self.fresh.iter().chain(sorted)
    }

    /// The runs of `level`: of level 0 the newest first, below lane 0 first.
    pub(crate) fn lanes(&self, level: u8) -> &[Arc<Run>] {
        match level {
            0 => &self.fresh,
            _ => &self.sorted[usize::from(level) - 1],
        }
    }

    /// The slots of `level`, which is not level 0.
    pub(crate) fn slots(&self, level: u8) -> &Slots {
        &self.slots[usize::from(level) - 1]
    }

    /// The lane of `level` that lies on everything that `meta` overlaps there, `removed` apart.
    pub(crate) fn lane_for(&self, level: u8, meta: &TableMeta, removed: &BTreeSet<u64>) -> u64 {
        let lanes = self.lanes(level).iter().rev();
        let below = lanes.clone().find(|lane| {
            let under = lane.overlapping(meta);
            under.iter().any(|table| !removed.contains(&table.number))
        });
        below.map_or(0, |lane| lane.id + 1)
    }

    /// The tables of `level` that may hold keys of `range`.
    pub(crate) fn touching(
        &self,
        level: u8,
        range: &KeyRange,
    ) -> impl Iterator<Item = &Arc<TableFile>> {
        let lanes = self.lanes(level).iter();
        lanes.flat_map(|lane| lane.touching(range))
    }

    /// The tables of `level`.
    pub(crate) fn tables(&self, level: u8) -> impl Iterator<Item = &Arc<TableFile>> {
        self.lanes(level).iter().flat_map(|run| &run.tables)
    }

    /// When the newest entry of the table had been written, if that was noted.
    pub(crate) fn born(&self, number: u64) -> Option<WallMs> {
        self.born.get(&number).copied()
    }

    pub(crate) fn bytes(&self, level: u8) -> u64 {
        self.tables(level).map(|table| table.meta().size).sum()
    }

    /// Calls `visit` with each table that may say something about `key`, the newest first, until it
    /// is true.
    pub(crate) fn search(
        &self,
        key: &[u8],
        mut visit: impl FnMut(&TableFile) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let over = || {
            self.runs()
                .filter(|run| run.table_of(key).is_some())
                .count()
        };
        self.heat.note_get(key, over);
        let searched = match breaks(Mutant::LowerLevelsNotSearched) {
            true => self.fresh.len() + 1,
            false => usize::MAX,
        };
        for run in self.runs().take(searched) {
            if let Some(file) = run.table_of(key)
                && visit(file)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Whether a table of `level` or below may hold a key at or behind `start` and before `end`,
    /// apart from `inputs`.
    pub(crate) fn is_any_below(
        &self,
        level: u8,
        start: &[u8],
        end: &[u8],
        inputs: &BTreeSet<u64>,
    ) -> bool {
        (level..=LEVEL_MAX)
            .flat_map(|level| self.lanes(level))
            .any(|run| {
                let mut tables = run.tables[run.locate(start)..]
                    .iter()
                    .take_while(|table| *table.meta().smallest < *end);
                tables.any(|table| !inputs.contains(&table.number))
            })
    }

    /// Whether a table of `level` or below may hold `key`, apart from `inputs`.
    pub(crate) fn is_below(&self, level: u8, key: &[u8], inputs: &BTreeSet<u64>) -> bool {
        (level..=LEVEL_MAX)
            .flat_map(|level| self.lanes(level))
            .any(|run| {
                let table = run.table_of(key);
                table.is_some_and(|table| !inputs.contains(&table.number))
            })
    }
}

fn count(runs: u64) -> u32 {
    u32::try_from(runs).unwrap_or(u32::MAX)
}

fn lane_index(lane: u64) -> usize {
    assert!(lane < LANES_MAX, "a level has at most {LANES_MAX} lanes");
    usize::try_from(lane).expect("a small number")
}

const LANE_COUNT: usize = 8;
const _: () = assert!(LANE_COUNT as u64 == LANES_MAX);

/// Whether `live` fulfils what [`Levels`] relies on.
pub(crate) fn check(live: &LiveSet) -> Result<(), Damage> {
    let mut tables: Vec<_> = live.tables.values().collect();
    tables.sort_unstable_by_key(|t| (t.level, t.run, &t.meta.smallest));
    let slots = guards::slots(&live.guards);
    let mut before: Option<&LiveTable> = None;
    for table in tables {
        let first_run = match before.filter(|before| before.level == table.level) {
            Some(before) if before.run == table.run => {
                if !before.meta.ends_before(&table.meta.smallest) {
                    return Err(Damage::Overlap);
                }
                table.run
            }
            Some(before) => before.run + 1,
            None => 0,
        };
        before = Some(table);
        let Some(below) = table.level.checked_sub(1) else {
            continue;
        };
        if table.run != first_run || slots[usize::from(below)].cuts(&table.meta) {
            return Err(Damage::Misplaced);
        }
    }
    Ok(())
}
