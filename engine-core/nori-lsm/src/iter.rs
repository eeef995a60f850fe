//! The keys of a range, in order, from either end.
//!
//! **Invariant: each key is given once, with its newest value as of the snapshot, by whichever end
//! reaches it first; deleted keys are given by neither.**

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::Error;
use crate::cursor::Cursor;
use crate::snapshot::Snapshot;

/// Goes through a range of a snapshot: [`next`](Self::next) from its front, [`prev`](Self::prev)
/// from its back. The ends may be mixed; they stop where they meet.
pub struct Iter {
    front: End,
    back: End,
    failed: Option<Error>,
    /// Where keys are put that are given out: one allocation serves many.
    keys: BytesMut,
}

/// One end of the range.
struct End {
    cursor: Cursor,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not begun.
    Ready,
    /// Its cursor stands on the key that it gave last.
    Going,
    /// It has given all.
    Done,
}

impl Iter {
    /// Over the keys of the tree from the first of `range` on and before the second.
    pub(crate) fn new(snapshot: &Snapshot, range: (Bytes, Bytes)) -> Self {
        Self::over(snapshot, &range, Cursor::new)
    }

    /// Over a range that is all that begins with its first key.
    pub(crate) fn of_prefix(snapshot: &Snapshot, range: (Bytes, Bytes)) -> Self {
        Self::over(snapshot, &range, Cursor::of_prefix)
    }

    fn over(
        snapshot: &Snapshot,
        range: &(Bytes, Bytes),
        cursor: impl Fn(&Snapshot, (Bytes, Bytes)) -> Cursor,
    ) -> Self {
        snapshot.view.levels.heat.note_scan(&range.0);
        let end = || End {
            cursor: cursor(snapshot, range.clone()),
            state: State::Ready,
        };
        Self {
            front: end(),
            back: end(),
            failed: None,
            keys: BytesMut::new(),
        }
    }

    /// The next key and value from the front; `None` when all were given.
    ///
    /// # Errors
    /// `Table` when a block cannot be read; `Merge`, `NoMergeOperator`. Nothing is skipped: every
    /// later call fails the same way.
    #[expect(
        clippy::should_implement_trait,
        reason = "moves from both ends and can fail; a caller must not mistake an error for the end"
    )]
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.check()?;
        let moved = match self.front.state {
            // Where one end is done, both have given everything.
            _ if self.back.state == State::Done => Ok(false),
            State::Ready => self.front.cursor.first(),
            State::Going => self.front.cursor.next(),
            State::Done => Ok(false),
        };
        self.front.state = State::Going;
        let is_there = self.settle(moved)? && !self.have_met();
        let given = Self::give(&mut self.front, &mut self.keys, is_there);
        self.settle(given)
    }

    /// The next key and value from the back; `None` when all were given.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn prev(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.check()?;
        let moved = match self.back.state {
            _ if self.front.state == State::Done => Ok(false),
            State::Ready => self.back.cursor.last(),
            State::Going => self.back.cursor.prev(),
            State::Done => Ok(false),
        };
        self.back.state = State::Going;
        let is_there = self.settle(moved)? && !self.have_met();
        let given = Self::give(&mut self.back, &mut self.keys, is_there);
        self.settle(given)
    }

    /// The lowest key behind the range of which the store has a record, be it one of its deletion;
    /// `None`: it has none. So nothing lies between the range and this key, which costs nothing to
    /// know here. Of all keys with a prefix it is the first key behind them, whatever is there. To be asked when [`next`](Self::next) has given `None`, of a range that does not
    /// end before it begins.
    #[must_use]
    pub fn behind(&self) -> Option<Bytes> {
        self.front.cursor.behind()
    }

    /// Whether both ends have reached one key, or gone past each other.
    fn have_met(&self) -> bool {
        match (self.front.state, self.back.state) {
            (State::Ready, _) | (_, State::Ready) => false,
            // What one end has given up is the other's, up to the key where they met.
            _ => {
                let (front, back) = (&self.front.cursor, &self.back.cursor);
                front.is_valid() && back.is_valid() && front.tree_key() >= back.tree_key()
            }
        }
    }

    fn give(
        end: &mut End,
        keys: &mut BytesMut,
        is_there: bool,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        if !is_there {
            end.state = State::Done;
            return Ok(None);
        }
        let value = end.cursor.value_bytes()?;
        let key = end.cursor.key();
        if keys.capacity() < key.len() {
            *keys = BytesMut::with_capacity(key.len().max(KEYS_BYTES));
        }
        keys.extend_from_slice(key);
        Ok(Some((keys.split().freeze(), value)))
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
}

impl fmt::Debug for Iter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("front", &self.front.cursor)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Bytes of keys that are allocated at once. A key that is kept keeps so many.
const KEYS_BYTES: usize = 1 << 10;
