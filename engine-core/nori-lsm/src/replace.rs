//! Ranges that get a whole new content at once.
//!
//! **Invariant: the old content and the new one are never mixed, for no reader and after no crash.**
//! The new tables carry one seqno above everything that the ranges held, with a tombstone over each
//! range, which covers what is older than it; one manifest edit makes them live.

use alloc::sync::Arc;
use core::ops::Range;

use bytes::Bytes;
use nori_sstable::{InternalKeyRef, RangeTombstone, SeqNo, ValueKind};
use norikv_types::{Mutant, breaks};

use crate::conflict::ReadSet;
use crate::engine::{Engine, Install};
use crate::run_writer::RunWriter;
use crate::{Error, keyspace};

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
        let gone = ranges.iter().map(|range| RangeTombstone {
            start: keyspace::tree_key(keyspace::DEFAULT, &range.start),
            end: keyspace::tree_key(keyspace::DEFAULT, &range.end),
            seqno,
        });
        let gone = gone.filter(|_| !breaks(Mutant::ReplacedRangeKeepsKeys));
        let mut out = RunWriter::new(self.options.table_bytes).with_ranges(gone.collect());
        let installed = self
            .write_entries(seqno, ranges, entries, &mut out)
            .and_then(|()| out.finish(self))
            .and_then(|tables| match tables.is_empty() {
                true => Ok(()),
                false => {
                    let mut reach = ReadSet::default();
                    for range in ranges {
                        let tree = |key| keyspace::tree_key(keyspace::DEFAULT, key);
                        reach.add_range(tree(&range.start), tree(&range.end));
                    }
                    let _announced = self.announce(keyspace::DEFAULT, reach, SeqNo::MAX)?;
                    self.install(Install {
                        removed: [].into(),
                        added: tables.into_iter().map(|table| (0, table)).collect(),
                        written: None,
                        flushed: None,
                    })
                }
            });
        if installed.is_err() && !self.is_failed() {
            self.garbage.add(&out.objects());
        }
        installed.map(|()| seqno)
    }

    /// Writes what the ranges are to hold.
    fn write_entries(
        &self,
        seqno: SeqNo,
        ranges: &[Range<Bytes>],
        entries: &mut Entries<'_>,
        out: &mut RunWriter,
    ) -> Result<(), Error> {
        let mut ranges = ranges.iter().peekable();
        let mut last: Option<Bytes> = None;
        let mut index = 0;
        while let Some((key, value)) = entries()? {
            while ranges.next_if(|range| range.end <= key).is_some() {}
            let is_inside = ranges.peek().is_some_and(|range| range.start <= key);
            if !is_inside || last.is_some_and(|last| key <= last) {
                return Err(Error::BadEntry { index });
            }
            let tree_key = keyspace::tree_key(keyspace::DEFAULT, &key);
            let internal = InternalKeyRef::new(&tree_key, seqno, ValueKind::Put);
            out.add(self, &internal, &value)?;
            last = Some(key);
            index += 1;
        }
        Ok(())
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
