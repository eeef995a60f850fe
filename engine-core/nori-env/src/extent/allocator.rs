//! The free blocks of a device.
//!
//! **Invariant: runs are disjoint and do not touch**: neighbours are one run.

use alloc::collections::BTreeMap;

/// A run of blocks on the device, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) blocks: u64,
}

/// Free runs by where they start.
#[derive(Debug, Default)]
pub(super) struct FreeMap {
    runs: BTreeMap<u64, u64>,
}

impl Extent {
    pub(super) const fn end(self) -> u64 {
        self.start + self.blocks
    }
}

impl FreeMap {
    /// Takes up to `want` blocks in one run: where `after` ends if that is free, else the first run
    /// that is long enough, else the longest. `None` when nothing is free.
    pub(super) fn take(&mut self, after: Option<Extent>, want: u64) -> Option<Extent> {
        let next = after.and_then(|extent| self.runs.get_key_value(&extent.end()));
        let fit = || self.runs.iter().find(|(_, blocks)| **blocks >= want);
        // Of the longest the first, so that what is taken never depends on what came before.
        let longest = || {
            let by_length = |(start, blocks): &(&u64, &u64)| (**blocks, u64::MAX - **start);
            self.runs.iter().max_by_key(by_length)
        };
        let (&start, &blocks) = next.or_else(fit).or_else(longest)?;
        let taken = blocks.min(want);
        self.runs.remove(&start);
        if taken < blocks {
            self.runs.insert(start + taken, blocks - taken);
        }
        Some(Extent {
            start,
            blocks: taken,
        })
    }

    /// Takes exactly this run; `false`, and nothing is taken, when not all of it is free.
    pub(super) fn claim(&mut self, extent: Extent) -> bool {
        let Some((&start, &blocks)) = self.runs.range(..=extent.start).next_back() else {
            return false;
        };
        if start + blocks < extent.end() {
            return false;
        }
        self.runs.remove(&start);
        if start < extent.start {
            self.runs.insert(start, extent.start - start);
        }
        if extent.end() < start + blocks {
            self.runs
                .insert(extent.end(), start + blocks - extent.end());
        }
        true
    }

    /// Gives a run back.
    ///
    /// # Panics
    /// When some of it is free already: two objects would share blocks.
    pub(super) fn give(&mut self, extent: Extent) {
        let Extent { mut start, .. } = extent;
        let mut end = extent.end();
        if let Some((&before, &blocks)) = self.runs.range(..=start).next_back() {
            assert!(before + blocks <= start, "blocks are given back once");
            if before + blocks == start {
                start = before;
            }
        }
        if let Some((&behind, &blocks)) = self.runs.range(extent.start..).next() {
            assert!(end <= behind, "blocks are given back once");
            if behind == end {
                self.runs.remove(&behind);
                end = behind + blocks;
            }
        }
        self.runs.insert(start, end - start);
    }

    /// Blocks in all runs.
    pub(super) fn blocks(&self) -> u64 {
        self.runs.values().sum()
    }
}

#[cfg(test)]
mod tests;
