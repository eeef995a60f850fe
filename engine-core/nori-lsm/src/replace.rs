//! Ranges that get a whole new content at once.
//!
//! **Invariant: the old content and the new one are never mixed, for no reader and after no crash.**
//! The new tables carry one seqno above everything that the ranges held, with tombstones for the
//! keys that are gone; one manifest edit makes them live.

use alloc::sync::Arc;
use core::ops::{Bound, Range};

use bytes::Bytes;
use nori_sstable::{InternalKeyRef, SeqNo, ValueKind};
use norikv_types::{Mutant, breaks};

use crate::Error;
use crate::engine::{Engine, Install};
use crate::iter::Iter;
use crate::run_writer::RunWriter;
use crate::snapshot::Snapshot;

/// Gives the entries that a range is to hold, ascending; `None` behind the last.
pub(crate) type Entries<'a> = dyn FnMut() -> Result<Option<(Bytes, Bytes)>, Error> + 'a;

impl Engine {
    pub(crate) fn replace_ranges(
        self: &Arc<Self>,
        ranges: &[Range<Bytes>],
        entries: &mut Entries<'_>,
    ) -> Result<SeqNo, Error> {
        assert!(
            ranges.iter().all(|range| range.start < range.end),
            "a range to replace is not empty"
        );
        assert!(
            ranges.windows(2).all(|pair| pair[0].end <= pair[1].start),
            "ranges to replace ascend and share no key"
        );
        self.flush_all()?;
        let seqno = self.reserve_seqno()?;
        let snapshot = Snapshot {
            view: self.view(),
            seqno,
        };
        let mut out = RunWriter::new(self.options.table_bytes);
        let installed = self
            .write_replacement(&snapshot, ranges, entries, &mut out)
            .and_then(|()| out.finish(self))
            .and_then(|tables| match tables.is_empty() {
                true => Ok(()),
                false => self.install(Install {
                    removed: [].into(),
                    added: tables.into_iter().map(|table| (0, table)).collect(),
                    written: None,
                    flushed: None,
                }),
            });
        if installed.is_err() && !self.is_failed() {
            self.garbage.add(out.numbers());
        }
        installed.map(|()| seqno)
    }

    /// Merges what the ranges hold with what they are to hold.
    fn write_replacement(
        &self,
        snapshot: &Snapshot,
        ranges: &[Range<Bytes>],
        entries: &mut Entries<'_>,
        out: &mut RunWriter,
    ) -> Result<(), Error> {
        let seqno = snapshot.seqno;
        let mut index = 0;
        let mut entry = entries()?;
        for range in ranges {
            let from = Bound::Included(range.start.clone());
            let to = Bound::Excluded(range.end.clone());
            let mut held = Iter::new(snapshot, from, to);
            let mut old = held.next()?.map(|(key, _)| key);
            loop {
                let new = entry.as_ref().filter(|(key, _)| *key < range.end);
                match (&old, new) {
                    (None, None) => break,
                    (Some(gone), new) if new.is_none_or(|(key, _)| gone < key) => {
                        let key = InternalKeyRef::new(gone, seqno, ValueKind::Tombstone);
                        if !breaks(Mutant::ReplacedRangeKeepsKeys) {
                            out.add(self, &key, &[])?;
                        }
                        old = held.next()?.map(|(key, _)| key);
                    }
                    (_, Some((user, value))) => {
                        if *user < range.start {
                            return Err(Error::BadEntry { index });
                        }
                        let key = InternalKeyRef::new(user, seqno, ValueKind::Put);
                        out.add(self, &key, value)?;
                        if old.as_ref() == Some(user) {
                            old = held.next()?.map(|(key, _)| key);
                        }
                        let next = entries()?;
                        index += 1;
                        if next.as_ref().is_some_and(|(next, _)| next <= user) {
                            return Err(Error::BadEntry { index });
                        }
                        entry = next;
                    }
                    (Some(_), None) => unreachable!("a key without a new value is gone"),
                }
            }
        }
        match entry {
            Some(_) => Err(Error::BadEntry { index }),
            None => Ok(()),
        }
    }

    /// Flushes everything that was written before the call.
    pub(crate) fn flush_all(self: &Arc<Self>) -> Result<(), Error> {
        self.check_writable()?;
        let newest = {
            let writer = self.writer.lock();
            let active = Arc::clone(&self.view().active);
            if !active.is_empty() {
                self.rotate(&writer);
            }
            active.id
        };
        self.work_until(|view| view.waiting.iter().all(|memtable| memtable.id > newest))
    }
}
