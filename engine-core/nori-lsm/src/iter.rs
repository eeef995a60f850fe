//! The keys of a range, in order, from either end.
//!
//! **Invariant: each key is given once, with its newest value as of the snapshot, by whichever end
//! reaches it first; deleted keys are given by neither.**

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

use bytes::Bytes;
use nori_sstable::{SeqNo, ValueKind};
use norikv_types::{Mutant, breaks};

use crate::Error;
use crate::merge::Merge;
use crate::snapshot::Snapshot;
use crate::view::View;

/// Goes through a range of a snapshot: [`next`](Self::next) from its front, [`prev`](Self::prev)
/// from its back. The ends may be mixed; they stop where they meet.
pub struct Iter {
    view: Arc<View>,
    at: SeqNo,
    from: Bound<Bytes>,
    to: Bound<Bytes>,
    front: Option<Merge>,
    back: Option<Merge>,
    /// The last user key that the front has passed.
    front_key: Option<Bytes>,
    /// The first user key that the back has passed.
    back_key: Option<Bytes>,
    failed: Option<Error>,
}

impl Iter {
    pub(crate) fn new(snapshot: &Snapshot, from: Bound<Bytes>, to: Bound<Bytes>) -> Self {
        if let Bound::Included(key) | Bound::Excluded(key) = &from {
            snapshot.view.levels.heat.note_scan(key);
        }
        Self {
            view: Arc::clone(&snapshot.view),
            at: snapshot.seqno,
            from,
            to,
            front: None,
            back: None,
            front_key: None,
            back_key: None,
            failed: None,
        }
    }

    /// The next key and value from the front; `None` when all were given.
    ///
    /// # Errors
    /// `Table` when a block cannot be read. Nothing is skipped: every later call fails the same way.
    #[expect(
        clippy::should_implement_trait,
        reason = "moves from both ends and can fail; a caller must not mistake an error for the end"
    )]
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.check()?;
        let result = self.next_inner();
        self.settle(result)
    }

    /// The next key and value from the back; `None` when all were given.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn prev(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.check()?;
        let result = self.prev_inner();
        self.settle(result)
    }

    /// The lowest key behind the range of which the store has a record, be it one of its deletion;
    /// `None`: it has none. So nothing lies between the range and this key, which costs nothing to
    /// know here. To be asked when [`next`](Self::next) has given `None`, of a range that does not
    /// end before it begins.
    #[must_use]
    pub fn behind(&self) -> Option<Bytes> {
        let cursor = self.front.as_ref()?.current()?;
        is_behind(cursor.key().user, &self.to).then(|| cursor.user_bytes())
    }

    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn next_inner(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        if self.front.is_none() {
            let mut merge = Merge::new(self.view.cursors());
            match &self.from {
                Bound::Included(from) => merge.seek(Some(from))?,
                Bound::Excluded(from) => {
                    merge.seek(Some(from))?;
                    self.front_key = Some(from.clone());
                }
                Bound::Unbounded => merge.seek(None)?,
            }
            self.front = Some(merge);
        }
        let merge = self.front.as_mut().expect("it was just made");
        while let Some(cursor) = merge.current() {
            let key = cursor.key();
            let passed = self.front_key.as_deref() == Some(key.user);
            if passed || key.seqno > self.at {
                merge.next()?;
                continue;
            }
            let met = self.back_key.as_deref().is_some_and(|met| key.user >= met);
            if met || is_behind(key.user, &self.to) {
                return Ok(None);
            }
            let is_put = key.kind == ValueKind::Put || breaks(Mutant::IterGivesDeleted);
            let user = cursor.user_bytes();
            self.front_key = Some(user.clone());
            let value = is_put.then(|| cursor.value());
            merge.next()?;
            if let Some(value) = value {
                return Ok(Some((user, value)));
            }
        }
        Ok(None)
    }

    fn prev_inner(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        if self.back.is_none() {
            let mut merge = Merge::new(self.view.cursors());
            match &self.to {
                Bound::Excluded(to) => merge.seek_before(Some(to))?,
                Bound::Included(to) => {
                    let mut behind = Vec::with_capacity(to.len() + 1);
                    behind.extend_from_slice(to);
                    behind.push(0);
                    merge.seek_before(Some(&behind))?;
                }
                Bound::Unbounded => merge.seek_before(None)?,
            }
            self.back = Some(merge);
        }
        let merge = self.back.as_mut().expect("it was just made");
        while let Some(cursor) = merge.current() {
            let user = cursor.user_bytes();
            let met = self.front_key.as_ref().is_some_and(|met| user <= *met);
            if met || is_before(&user, &self.from) {
                return Ok(None);
            }
            // Backwards the versions of a key come from the oldest to the newest.
            let mut newest = None;
            while let Some(cursor) = merge.current()
                && *cursor.key().user == *user
            {
                let key = cursor.key();
                if key.seqno <= self.at {
                    newest = (key.kind == ValueKind::Put).then(|| cursor.value());
                }
                merge.prev()?;
            }
            self.back_key = Some(user.clone());
            if let Some(value) = newest {
                return Ok(Some((user, value)));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Iter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

fn is_behind(key: &[u8], to: &Bound<Bytes>) -> bool {
    match to {
        Bound::Included(to) => *key > **to,
        Bound::Excluded(to) => *key >= **to,
        Bound::Unbounded => false,
    }
}

fn is_before(key: &[u8], from: &Bound<Bytes>) -> bool {
    match from {
        Bound::Included(from) => *key < **from,
        Bound::Excluded(from) => *key <= **from,
        Bound::Unbounded => false,
    }
}
