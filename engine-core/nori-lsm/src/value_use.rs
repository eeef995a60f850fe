//! How much of each value file tables still point to, and which files are to be given back.
//!
//! **Invariant: a file is here as long as a live table points into it**, with the sum of what they
//! point to. The rest of it is garbage, which takes space until the last pointer into the file is gone.
//! A file with much garbage is *due*: whatever compaction meets a pointer into it writes the value anew
//! elsewhere. Where that gives back too little too late, the slot that points to most of what is due is
//! compacted for its sake.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use crate::stats::ValueStats;
use crate::table_file::TableFile;
use crate::values::Values;
use crate::version_edit::LiveValues;
use crate::write::count;

/// The value files of the live tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueUse {
    by_number: BTreeMap<u64, Used>,
    /// Bytes of the values in all files.
    bytes: u64,
    /// Of these, what tables point to.
    referenced: u64,
}

#[derive(Debug, Clone)]
struct Used {
    values: Arc<Values>,
    referenced: u64,
    tables: u64,
}

impl Used {
    fn garbage(&self) -> u64 {
        self.values
            .meta()
            .data_bytes
            .saturating_sub(self.referenced)
    }

    fn is_due(&self, one_in: u64) -> bool {
        let garbage = self.garbage();
        garbage > 0 && garbage.saturating_mul(one_in) >= self.values.meta().data_bytes
    }
}

impl ValueUse {
    /// A table came.
    pub(crate) fn add(&mut self, table: &TableFile) {
        for known in &table.refs {
            let used = self
                .by_number
                .entry(known.values.number)
                .or_insert_with(|| {
                    self.bytes += known.values.meta().data_bytes;
                    Used {
                        values: Arc::clone(&known.values),
                        referenced: 0,
                        tables: 0,
                    }
                });
            used.referenced += known.bytes;
            used.tables += 1;
            self.referenced += known.bytes;
        }
    }

    /// A table went.
    pub(crate) fn remove(&mut self, table: &TableFile) {
        for known in &table.refs {
            let number = known.values.number;
            let used = self.by_number.get_mut(&number);
            let used = used.expect("a table that goes has come");
            used.referenced -= known.bytes;
            used.tables -= 1;
            self.referenced -= known.bytes;
            if used.tables == 0 {
                self.bytes -= known.values.meta().data_bytes;
                self.by_number.remove(&number);
            }
        }
    }

    /// Uids of the files of which one byte in `one_in` or more is garbage.
    pub(crate) fn due(&self, one_in: u64) -> BTreeSet<u64> {
        let due = self.by_number.values().filter(|used| used.is_due(one_in));
        due.map(|used| used.values.meta().uid).collect()
    }

    /// Garbage in these files for a hundred bytes that tables point to in all.
    pub(crate) fn garbage_percent(&self, one_in: u64) -> u64 {
        let due = self.by_number.values().filter(|used| used.is_due(one_in));
        let garbage: u64 = due.map(Used::garbage).sum();
        garbage.saturating_mul(100) / self.referenced.max(1)
    }

    /// Panics where the manifest counts otherwise: costly.
    pub(crate) fn check(&self, live: &BTreeMap<u64, LiveValues>) {
        let counted = self.by_number.iter();
        let counted = counted.map(|(number, used)| (*number, used.referenced));
        let stated = live.iter();
        let stated = stated.map(|(number, known)| (*number, known.referenced));
        assert!(counted.eq(stated), "the manifest counts as the levels do");
    }

    /// Every file, by number.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<Values>> {
        self.by_number.values().map(|used| &used.values)
    }

    pub(crate) fn stats(&self) -> ValueStats {
        ValueStats {
            files: count(self.by_number.len()),
            bytes: self.bytes,
            referenced_bytes: self.referenced,
            ..ValueStats::default()
        }
    }
}

/// Bytes of `table`'s values in the files `due`.
pub(crate) fn due_bytes(table: &TableFile, due: &BTreeSet<u64>) -> u64 {
    let refs = table.refs.iter();
    let due = refs.filter(|known| due.contains(&known.values.meta().uid));
    due.map(|known| known.bytes).sum()
}
