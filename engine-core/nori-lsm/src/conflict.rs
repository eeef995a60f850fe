//! Whether what was read is still so when something is to be written because of it.
//!
//! **Invariant: between the last look and the place of the new batch in the order of writes no
//! other batch takes a place.** That look happens under the staging lock, and it sees batches that
//! are staged but not visible yet. Reading blocks there would hold up every writer, so a first look
//! without the lock goes up to what is visible; the second one only at the batches since.
//!
//! What becomes tables past log and memtables is no batch: it is announced under that lock, and until
//! it is there, whoever reads what it changes has a conflict. A write that came before and could not
//! see it stands below it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Included, Unbounded};

use bytes::Bytes;
use nori_sstable::SeqNo;

use crate::Error;
use crate::batch::{self, WriteKind};
use crate::cursor::Cursor;
use crate::engine::Engine;
use crate::snapshot::Snapshot;
use crate::view::{OWN_SEQNO_MIN, View};
use crate::write::Staging;

/// The keys and ranges of the tree that were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadSet {
    keys: BTreeSet<Bytes>,
    /// Ends by starts; disjoint.
    ranges: BTreeMap<Bytes, Bytes>,
}

impl ReadSet {
    pub(crate) fn add_key(&mut self, key: Bytes) {
        if !self.is_in_range(&key) {
            self.keys.insert(key);
        }
    }

    /// Adds the keys from `start` on and before `end`.
    pub(crate) fn add_range(&mut self, mut start: Bytes, mut end: Bytes) {
        if start >= end {
            return;
        }
        // Those that it touches become one with it.
        while let Some((from, to)) = self.ranges.range(..=end.clone()).next_back()
            && *to >= start
        {
            let from = from.clone();
            let to = self.ranges.remove(&from).expect("it was just found");
            start = start.min(from);
            end = end.max(to);
        }
        self.ranges.insert(start, end);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }

    fn is_in_range(&self, key: &[u8]) -> bool {
        let mut before = self.ranges.range::<[u8], _>((Unbounded, Included(key)));
        before.next_back().is_some_and(|(_, end)| *key < **end)
    }

    fn holds(&self, key: &[u8]) -> bool {
        self.keys.contains(key) || self.is_in_range(key)
    }

    /// Whether any key of it lies at or behind `start` and before `end`.
    fn meets(&self, start: &[u8], end: &[u8]) -> bool {
        let key = self
            .keys
            .range::<[u8], _>((Included(start), Unbounded))
            .next();
        let range = self
            .ranges
            .range::<[u8], _>((Unbounded, Excluded(end)))
            .next_back();
        key.is_some_and(|key| **key < *end) || range.is_some_and(|(_, to)| *start < **to)
    }

    /// Whether `later` reads something else here than `earlier`.
    pub(crate) fn differs(&self, earlier: &Snapshot, later: &Snapshot) -> Result<bool, Error> {
        // While no table came or went, all that is new lies in memtables. Tables may come without
        // anything later: what is ingested was numbered long before.
        if is_in_memtables(earlier, later) {
            return Ok(self.is_written_in(&later.view, earlier.seqno));
        }
        for key in &self.keys {
            if earlier.version(key)? != later.version(key)? {
                return Ok(true);
            }
        }
        for (start, end) in &self.ranges {
            let range = || (start.clone(), end.clone());
            let mut before = Cursor::new(earlier, range());
            let mut after = Cursor::new(later, range());
            let (mut is_before, mut is_after) = (before.first()?, after.first()?);
            while is_before && is_after {
                if before.tree_key() != after.tree_key() || before.version() != after.version() {
                    return Ok(true);
                }
                (is_before, is_after) = (before.next()?, after.next()?);
            }
            if is_before || is_after {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a range of `ranges` holds anything of it.
    fn meets_any(&self, ranges: &Self) -> bool {
        let mut ranges = ranges.ranges.iter();
        ranges.any(|(start, end)| self.meets(start, end))
    }

    /// Whether the memtables of `view` hold a write of it behind `since`.
    fn is_written_in(&self, view: &View, since: SeqNo) -> bool {
        let memtables = || view.memtables().filter(|memtable| memtable.last() > since);
        let is_new = |seqno: Option<SeqNo>| seqno.is_some_and(|seqno| seqno > since);
        memtables().any(|memtable| {
            let covering = |key: &[u8]| memtable.ranges().covering(key, SeqNo::MAX);
            let newest = |key: &[u8]| memtable.newest(key);
            self.keys
                .iter()
                .any(|key| is_new(newest(key)) || is_new(covering(key)))
                || self
                    .ranges
                    .iter()
                    .any(|(start, end)| memtable.is_written_in(start, end, since))
        })
    }

    /// Whether a staged batch writes in it.
    fn is_written_by(&self, sealed: &Bytes) -> bool {
        let mut is_written = false;
        batch::for_each(sealed, |_, kind, key, value| {
            is_written |= match kind {
                WriteKind::Version(_) => self.holds(key),
                WriteKind::RangeDelete => self.meets(key, value),
            };
        });
        is_written
    }
}

impl Engine {
    /// The last look, under the staging lock: whether nothing of `reads` was written after
    /// `snapshot`, visible or not.
    ///
    /// # Errors
    /// `Conflict`, or a failed read.
    pub(crate) fn check_unchanged(
        &self,
        staging: &Staging,
        snapshot: &Snapshot,
        reads: &ReadSet,
    ) -> Result<(), Error> {
        let mut announced = staging.announced.iter();
        if announced.any(|ranges| reads.meets_any(ranges)) {
            return Err(Error::Conflict);
        }
        // A batch leaves the staged ones after it came into a memtable: looked for in this order,
        // it is found in one of them.
        let is_staged = self
            .staged
            .lock()
            .iter()
            .any(|staged| reads.is_written_by(&staged.sealed));
        let latest = Snapshot {
            view: self.view(),
            seqno: SeqNo(OWN_SEQNO_MIN.0 - 1),
            ..snapshot.clone()
        };
        if is_staged || reads.differs(snapshot, &latest)? {
            return Err(Error::Conflict);
        }
        Ok(())
    }

    /// Announces that `ranges` are about to change by what is numbered `seqno` and in no batch; dropping
    /// what this returns says that it has happened. `None`: whoever was there between may have read
    /// what was to change, and something later was written there because of that.
    ///
    /// # Errors
    /// `KeyspaceDropped`
    pub(crate) fn announce(
        &self,
        keyspace: u16,
        ranges: ReadSet,
        seqno: SeqNo,
    ) -> Result<Option<Announced<'_>>, Error> {
        let ranges = Arc::new(ranges);
        let mut staging = self.staging.lock();
        // A number that is given later would stand above the end of the keyspace.
        if self.view().rules.closing.contains(&keyspace) {
            return Err(Error::KeyspaceDropped { keyspace });
        }
        if staging.last_checked > seqno {
            let mut staged = Vec::new();
            staged.extend(self.staged.lock().iter().map(|it| it.sealed.clone()));
            let is_written = staged.iter().any(|sealed| ranges.is_written_by(sealed))
                || ranges.is_written_in(&self.view(), seqno);
            if is_written {
                return Ok(None);
            }
        }
        staging.announced.push(Arc::clone(&ranges));
        drop(staging);
        Ok(Some(Announced {
            engine: self,
            ranges,
        }))
    }
}

/// A change that is announced.
pub(crate) struct Announced<'a> {
    engine: &'a Engine,
    ranges: Arc<ReadSet>,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        let mut staging = self.engine.staging.lock();
        let announced = &mut staging.announced;
        announced.retain(|ranges| !Arc::ptr_eq(ranges, &self.ranges));
    }
}

/// Whether all that was written between the snapshots lies in memtables of the later.
fn is_in_memtables(earlier: &Snapshot, later: &Snapshot) -> bool {
    // Memtables leave with their flush, the oldest first; tables also change by other ways.
    Arc::ptr_eq(&earlier.view.levels, &later.view.levels)
}
