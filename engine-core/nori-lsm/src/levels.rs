//! The live tables, by level.
//!
//! **Invariant: of two versions of a key the newer stands in the earlier run.** Level 0 is a list
//! of runs, the newest first; each further level is one run. The tables of a run ascend and share
//! no key. A `Levels` never changes: an edit makes a new one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_sstable::{Found, SeqNo};
use norikv_types::{Mutant, breaks};

use crate::table_file::TableFile;
use crate::version_edit::{LiveSet, VersionEdit};
use crate::{Damage, Error, LEVEL_COUNT};

/// The live tables.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    /// Level 0, the newest run first.
    pub(crate) fresh: Vec<Arc<Run>>,
    /// Levels 1 and up.
    pub(crate) sorted: [Arc<Run>; LEVEL_COUNT - 1],
}

/// Tables that ascend and share no key.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Of level 0: a higher one is newer.
    pub(crate) id: u64,
    pub(crate) tables: Vec<Arc<TableFile>>,
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
        Self { id, tables }
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

    /// The tables that overlap `from..=to`.
    pub(crate) fn overlapping(&self, from: &[u8], to: &[u8]) -> &[Arc<TableFile>] {
        let start = self.locate(from);
        let len = self.tables[start..].partition_point(|table| *table.meta().smallest <= *to);
        &self.tables[start..start + len]
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.meta().size).sum()
    }
}

impl Levels {
    pub(crate) fn empty() -> Self {
        Self {
            fresh: Vec::new(),
            sorted: core::array::from_fn(|_| Arc::new(Run::default())),
        }
    }

    /// Opens every table of `live`.
    ///
    /// # Errors
    /// Whatever `open` says of the first that fails.
    pub(crate) fn open(
        live: &LiveSet,
        mut open: impl FnMut(&crate::version_edit::LiveTable) -> Result<Arc<TableFile>, Error>,
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

        for (level, run) in (1_u8..).zip(&mut next.sorted) {
            let added: Vec<_> = edit
                .added
                .iter()
                .filter(|table| table.level == level)
                .map(|table| find(table.number))
                .collect();
            if added.is_empty() && !edit.removed.iter().any(|(from, _)| *from == level) {
                continue;
            }
            let kept = run.tables.iter().filter(|table| !removed(level, table));
            *run = Arc::new(Run::new(0, kept.cloned().chain(added).collect()));
        }
        next
    }

    /// Every run, the newest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.fresh.iter().chain(&self.sorted)
    }

    /// The tables of `level`.
    pub(crate) fn tables(&self, level: u8) -> impl Iterator<Item = &Arc<TableFile>> {
        let runs = match level {
            0 => &self.fresh[..],
            _ => core::slice::from_ref(&self.sorted[usize::from(level) - 1]),
        };
        runs.iter().flat_map(|run| &run.tables)
    }

    pub(crate) fn bytes(&self, level: u8) -> u64 {
        self.tables(level).map(|table| table.meta().size).sum()
    }

    /// The newest version of `key` at or below `at`.
    pub(crate) fn get(&self, key: &[u8], at: SeqNo) -> Result<Option<Found>, Error> {
        let searched = match breaks(Mutant::LowerLevelsNotSearched) {
            true => self.fresh.len() + 1,
            false => usize::MAX,
        };
        for run in self.runs().take(searched) {
            if let Some(file) = run.table_of(key)
                && let Some(found) = match file.table.get(key, at) {
                    Err(_) if breaks(Mutant::DamagedReadAsAbsent) => None,
                    read => read?,
                }
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether a level below `level` may hold `key`.
    pub(crate) fn is_below(&self, level: u8, key: &[u8]) -> bool {
        self.sorted[usize::from(level)..]
            .iter()
            .any(|run| run.table_of(key).is_some())
    }
}

/// Whether the tables of each run share no key.
pub(crate) fn check_disjoint(live: &LiveSet) -> Result<(), Damage> {
    let mut tables: Vec<_> = live.tables.values().collect();
    tables.sort_unstable_by_key(|t| (t.level, t.run, &t.meta.smallest));
    let overlap = tables.windows(2).any(|pair| {
        let (a, b) = (pair[0], pair[1]);
        (a.level, a.run) == (b.level, b.run) && !a.meta.ends_before(&b.meta.smallest)
    });
    match overlap {
        true => Err(Damage::Overlap),
        false => Ok(()),
    }
}
