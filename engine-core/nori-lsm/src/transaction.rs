//! Reads and writes that count as one.
//!
//! **Invariant: a transaction that commits could have run at the moment of its commit, alone.** It
//! reads a snapshot and notes what it reads; its writes lie in a memtable of its own on top of
//! that, so that it reads them too. At the commit nothing that it read may have been written since.

use alloc::sync::Arc;
use core::fmt;
use core::ops::RangeBounds;

use bytes::Bytes;
use nori_sstable::{SeqNo, ValueKind};
use nori_wal::Lsn;
use norikv_types::WallMs;

use crate::batch::WriteBatch;
use crate::conflict::ReadSet;
use crate::cursor::Cursor;
use crate::iter::Iter;
use crate::keyspace::{self, DEFAULT, Keyspace};
use crate::lsm::Lsm;
use crate::memtable::Memtable;
use crate::snapshot::Snapshot;
use crate::view::{OWN_SEQNO_MIN, View};
use crate::writes::writing_methods;
use crate::{Error, expiry};

/// An optimistic transaction: it blocks nobody, and [`commit`](Self::commit) fails with
/// [`Error::Conflict`] when another write came between. Then nothing was written; make a new
/// transaction and try again. Dropping it gives it up.
///
/// Writes alone conflict with nothing: only what was read has to be as it was. Blind writes and
/// operands are therefore always accepted.
pub struct Transaction {
    lsm: Lsm,
    /// Where it began.
    base: Snapshot,
    /// The same with its own writes.
    view: Arc<View>,
    own: Arc<Memtable>,
    /// The number of its last write.
    last: SeqNo,
    batch: WriteBatch,
    reads: ReadSet,
}

impl Transaction {
    pub(crate) fn new(lsm: Lsm) -> Self {
        let base = lsm.snapshot();
        let own = Arc::new(Memtable::new(u64::MAX, lsm.engine.seed));
        let view = View {
            own: Some(Arc::clone(&own)),
            ..View::clone(&base.view)
        };
        Self {
            lsm,
            base,
            view: Arc::new(view),
            own,
            last: OWN_SEQNO_MIN,
            batch: WriteBatch::new(),
            reads: ReadSet::default(),
        }
    }

    /// The store as it was when the transaction began, without its own writes. What is read there
    /// is not noted: it cannot conflict.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.base
    }

    /// The value of `key`, with the transaction's own writes.
    ///
    /// # Errors
    /// As [`Lsm::get`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.read(DEFAULT, key)
    }

    /// As [`get`](Self::get), in a keyspace.
    ///
    /// # Errors
    /// As there.
    pub fn get_in(&mut self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.read(keyspace.id(), key)
    }

    /// The keys of `range`, in order, with the transaction's own writes so far. All of the range
    /// counts as read, however far the iterator goes.
    #[must_use]
    pub fn iter(&mut self, range: impl RangeBounds<Bytes>) -> Iter {
        self.read_range(keyspace::tree_range(DEFAULT, &range))
    }

    /// As [`iter`](Self::iter), in a keyspace.
    #[must_use]
    pub fn iter_in(&mut self, keyspace: &Keyspace, range: impl RangeBounds<Bytes>) -> Iter {
        self.read_range(keyspace::tree_range(keyspace.id(), &range))
    }

    /// A cursor over `range` with the transaction's own writes so far. All of the range counts as
    /// read.
    #[must_use]
    pub fn cursor(&mut self, range: impl RangeBounds<Bytes>) -> Cursor {
        let range = keyspace::tree_range(DEFAULT, &range);
        self.reads.add_range(range.0.clone(), range.1.clone());
        Cursor::new(&self.now(), range)
    }

    writing_methods!();

    /// Writes everything at once, if nothing that was read has changed; returns the number of the
    /// last write.
    ///
    /// # Errors
    /// `Conflict`: nothing was written; begin again. Otherwise as [`Lsm::write`].
    pub fn commit(self) -> Result<SeqNo, Error> {
        match self.reads.is_empty() {
            true => self.lsm.write(self.batch),
            false => self.lsm.write_if(self.batch, self.base, &self.reads),
        }
    }

    fn version(
        &mut self,
        keyspace: u16,
        kind: ValueKind,
        key: &[u8],
        value: &[&[u8]],
    ) -> &mut Self {
        let mut one = WriteBatch::new();
        one.version(keyspace, kind, key, value);
        self.add(one)
    }

    fn range(&mut self, keyspace: u16, start: &[u8], end: &[u8]) -> &mut Self {
        let mut one = WriteBatch::new();
        one.range(keyspace, start, end);
        self.add(one)
    }

    fn add(&mut self, one: WriteBatch) -> &mut Self {
        self.batch.append(&one);
        if !one.is_empty() {
            self.last = SeqNo(self.last.0 + 1);
            self.own.add(&one.seal(self.last), Lsn(0));
        }
        self
    }

    fn read(&mut self, keyspace: u16, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let key = keyspace::tree_key(keyspace, key);
        if !self.has_set(&key) {
            self.reads.add_key(key.clone());
        }
        Ok(self.now().get(&key)?.map(|found| found.value))
    }

    /// Whether what `key` reads as comes from the transaction alone.
    fn has_set(&self, key: &[u8]) -> bool {
        let covering = self.own.ranges().covering(key, SeqNo::MAX);
        let mut at = SeqNo::MAX;
        while let Some(found) = self.own.get(key, at) {
            let is_covered = covering.is_some_and(|covering| found.seqno < covering);
            if is_covered || found.kind != ValueKind::Merge {
                return true;
            }
            at = SeqNo(found.seqno.0 - 1);
        }
        covering.is_some()
    }

    fn read_range(&mut self, range: (Bytes, Bytes)) -> Iter {
        self.reads.add_range(range.0.clone(), range.1.clone());
        Iter::new(&self.now(), range)
    }

    /// The store as the transaction sees it now.
    fn now(&self) -> Snapshot {
        Snapshot {
            view: Arc::clone(&self.view),
            own: self.last,
            ..self.base
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("base", &self.base.seqno)
            .field("writes", &self.batch.len())
            .finish_non_exhaustive()
    }
}
