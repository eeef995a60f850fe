//! The newest entries of a log, in memory.
//!
//! **Invariant: the batches follow on one another without a gap, and what was appended since the
//! last of them lies open behind them.** A batch is what was appended or arrived at once. It is
//! written, sent, stored and applied as it is: as long as nobody asks for other pieces of the log
//! than these no entry is copied, however many replicas and outputs hold it. Batches leave as
//! wholes, the oldest first.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::LogIndex;

use crate::entries::{Buffers, Entries};
use crate::entry::Entry;

/// Consecutive entries up to the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    batches: VecDeque<Batch>,
    /// Appended here and in no batch yet.
    open: Vec<Entry>,
    /// What the open ones count against limits.
    open_bytes: u64,
    /// What all of them count against limits.
    bytes: u64,
    buffers: Buffers,
}

/// Entries that came at once, one at least.
#[derive(Debug)]
struct Batch {
    first: LogIndex,
    last: LogIndex,
    bytes: u64,
    entries: Entries,
    /// Whether the buffer is one of `buffers`.
    own: bool,
}

impl Batch {
    fn new(entries: Entries, bytes: u64, own: bool) -> Self {
        let (first, last) = match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => (first.index, last.index),
            _ => unreachable!("a batch has an entry"),
        };
        Self {
            first,
            last,
            bytes,
            entries,
            own,
        }
    }

    /// Its entries from `from` to `to`, as far as it has them.
    fn part(&self, from: LogIndex, to: LogIndex) -> &[Entry] {
        part(&self.entries, self.first, from, to)
    }
}

impl Recent {
    /// The entries that a log begins with.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        let mut recent = Self::default();
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(RESTORED_BATCH));
            recent.append(entries.into(), false);
            entries = rest;
        }
        recent
    }

    /// Appends one entry.
    pub(crate) fn push(&mut self, entry: Entry) {
        let size = entry.size();
        self.open_bytes += size;
        self.bytes += size;
        self.open.push(entry);
    }

    /// Appends a batch.
    fn append(&mut self, entries: Entries, own: bool) {
        let bytes = entries.iter().map(Entry::size).sum();
        self.bytes += bytes;
        self.batches.push_back(Batch::new(entries, bytes, own));
    }

    /// Appends entries as they arrived, one at least.
    pub(crate) fn extend(&mut self, entries: Entries) {
        self.close();
        self.append(entries, false);
    }

    /// Drops the entries above `keep`.
    pub(crate) fn truncate(&mut self, keep: LogIndex) {
        self.close();
        while let Some(batch) = self.batches.pop_back_if(|batch| batch.last > keep) {
            self.bytes -= batch.bytes;
            let kept = batch.part(batch.first, keep);
            if !kept.is_empty() {
                let kept = self.buffers.fill(kept.len(), kept.iter().cloned());
                self.append(kept, true);
            }
            self.let_go(batch);
        }
    }

    /// Lets batches go, the oldest first, while there are more than `bytes_max` and their last
    /// entry is at or below `settled`.
    pub(crate) fn evict(&mut self, settled: LogIndex, bytes_max: u64) {
        while self.bytes > bytes_max
            && let Some(batch) = self.batches.pop_front_if(|batch| batch.last <= settled)
        {
            self.bytes -= batch.bytes;
            self.let_go(batch);
        }
    }

    /// Drops the batches that end at or below `index`.
    pub(crate) fn compact(&mut self, index: LogIndex) {
        self.close();
        self.evict(index, 0);
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.open.clear();
        (self.open_bytes, self.bytes) = (0, 0);
    }

    /// Keeps no room for more.
    pub(crate) fn trim(&mut self) {
        self.batches.shrink_to_fit();
        self.open.shrink_to_fit();
        self.buffers = Buffers::default();
    }

    /// Lets go of what buffers hold that nobody reads any more.
    pub(crate) fn sweep(&mut self) {
        self.buffers.sweep();
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<LogIndex> {
        match self.batches.front() {
            Some(batch) => Some(batch.first),
            None => self.open.first().map(|entry| entry.index),
        }
    }

    /// Those of `from..=to`.
    pub(crate) fn iter(&self, from: LogIndex, to: LogIndex) -> impl Iterator<Item = &Entry> {
        let batches = self.batches.range(self.position(from)..);
        let open_from = self.open.first().map_or(from, |entry| entry.index);
        batches
            .take_while(move |batch| batch.first <= to)
            .flat_map(move |batch| batch.part(from, to))
            .chain(part(&self.open, open_from, from, to))
    }

    /// Bytes of the commands in `from..=to`.
    pub(crate) fn command_bytes(&self, from: LogIndex, to: LogIndex) -> u64 {
        match self.batches.get(self.position(from)) {
            Some(batch) if batch.first == from && batch.last == to => {
                batch.bytes - batch.entries.len() as u64 * Entry::OVERHEAD
            }
            _ => self.iter(from, to).map(|entry| entry.payload.size()).sum(),
        }
    }

    /// The entries `from..=to`, which are here.
    pub(crate) fn share(&mut self, from: LogIndex, to: LogIndex) -> Entries {
        self.close();
        match self.batches.get(self.position(from)) {
            Some(batch) if batch.first == from && batch.last == to => batch.entries.clone(),
            _ => self.gather(from, to),
        }
    }

    /// The entries `from..=to`, which are here and settled. Their batches are let go, and all
    /// before them.
    pub(crate) fn release(&mut self, from: LogIndex, to: LogIndex) -> Entries {
        let whole = |batch: &mut Batch| batch.first == from && batch.last == to && !batch.own;
        if let Some(batch) = self.batches.pop_front_if(whole) {
            self.bytes -= batch.bytes;
            return batch.entries;
        }
        let entries = self.share(from, to);
        self.evict(to, 0);
        entries
    }

    /// As many of the entries `from..=to`, which are here, as `bytes_max` allows, one at least, and
    /// what they count against limits.
    pub(crate) fn share_some(
        &mut self,
        from: LogIndex,
        to: LogIndex,
        bytes_max: u64,
    ) -> (Entries, u64) {
        self.close();
        if let Some(batch) = self.batches.get(self.position(from))
            && batch.first == from
            && batch.last == to
            && batch.bytes <= bytes_max
        {
            return (batch.entries.clone(), batch.bytes);
        }
        let (mut bytes, mut end) = (0, from.prev());
        for entry in self.iter(from, to) {
            if bytes > 0 && bytes + entry.size() > bytes_max {
                break;
            }
            bytes += entry.size();
            end = entry.index;
        }
        (self.share(from, end), bytes)
    }

    /// What is open becomes a batch.
    fn close(&mut self) {
        if !self.open.is_empty() {
            let entries = self.buffers.fill(self.open.len(), self.open.drain(..));
            let bytes = core::mem::take(&mut self.open_bytes);
            self.batches.push_back(Batch::new(entries, bytes, true));
        }
    }

    /// A copy of entries that do not make a batch.
    fn gather(&mut self, from: LogIndex, to: LogIndex) -> Entries {
        let count = usize::try_from(to.next().0 - from.0).unwrap_or(usize::MAX);
        let batches = self.batches.range(self.position(from)..);
        let parts = batches
            .take_while(|batch| batch.first <= to)
            .flat_map(|batch| batch.part(from, to));
        let entries = self.buffers.fill(count, parts.cloned());
        self.buffers.give_back(entries.clone());
        entries
    }

    /// The batch that `index` lies in; the number of batches if it is above all of them. Mostly one
    /// of the newest is asked for.
    fn position(&self, index: LogIndex) -> usize {
        let newer = self.batches.iter().rev();
        let newer = newer.take_while(|batch| batch.last >= index).take(FEW);
        match newer.count() {
            FEW => self.batches.partition_point(|batch| batch.last < index),
            count => self.batches.len() - count,
        }
    }

    fn let_go(&mut self, batch: Batch) {
        if batch.own {
            self.buffers.give_back(batch.entries);
        }
    }
}

/// Those of `entries`, which begin at `first`, from `from` to `to`.
fn part(entries: &[Entry], first: LogIndex, from: LogIndex, to: LogIndex) -> &[Entry] {
    let offset = |index: LogIndex| {
        let offset = usize::try_from(index.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        offset.min(entries.len())
    };
    entries.get(offset(from)..offset(to.next())).unwrap_or(&[])
}

/// Batches that are looked at one by one before the others are searched.
const FEW: usize = 4;

/// Entries in a batch of those that a log begins with.
const RESTORED_BATCH: usize = 256;

#[cfg(test)]
mod tests;
