//! A position among the keys of a snapshot.
//!
//! **Invariant: a cursor stands on a key that is there, with the value that it has as of the
//! snapshot, or nowhere.** Here the versions of a key become what it reads as: later ones are not
//! seen, older ones are shadowed, deleted and expired ones are passed over, operands are merged.
//!
//! Forward, the merge under a cursor stands on the entry that the value is read from, and nothing
//! but the key is copied. Backward the versions of a key come from the oldest to the newest, so the
//! merge stands before all of them already.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nori_sstable::{InternalKeyRef, IterOptions, SeqNo, ValueKind};
use norikv_types::{Mutant, WallMs, breaks};

use crate::cover::Cover;
use crate::keyspace::{self, ID_BYTES};
use crate::merge::Merge;
use crate::resolve::{Base, Raw, Resolve};
use crate::snapshot::Snapshot;
use crate::source::{Source, Within};
use crate::values::{Stored, ValueReaders};
use crate::view::{OWN_SEQNO_MIN, View};
use crate::{Error, expiry};

/// Moves through a range of a keyspace in a snapshot, in both directions as it likes. It stands
/// nowhere until it is positioned; behind either end it stands nowhere again.
///
/// After an error it stands nowhere until it is positioned anew.
pub struct Cursor {
    view: Arc<View>,
    at: SeqNo,
    /// The last of the transaction's own writes that it sees.
    own: SeqNo,
    now: WallMs,
    /// Of the tree.
    lower: Bytes,
    upper: Bytes,
    /// Of a range that is all that begins with a prefix.
    within: Option<Within>,
    merge: Option<Merge>,
    /// The range tombstones of each source that has any, with the source's place; ascending.
    covers: Vec<(usize, Cover)>,
    direction: Direction,
    /// The key that it stands on, as the tree has it, or the last that it passed.
    key: Vec<u8>,
    version: SeqNo,
    value: Value,
    values: ValueReaders,
    /// Steps in a row that met a covered entry.
    covered_steps: u32,
    /// The versions of the key that is being read backward, the oldest first.
    versions: Vec<Raw>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

#[derive(Debug)]
enum Value {
    /// It stands nowhere.
    None,
    /// Under the merge, behind so many bytes.
    Current(usize),
    /// In a value file; the pointer stands under the merge, behind so many bytes.
    Pointed(usize),
    Held(Stored),
}

impl Cursor {
    /// Over the keys of the tree from `lower` on and before `upper`, of one keyspace.
    pub(crate) fn new(snapshot: &Snapshot, (lower, upper): (Bytes, Bytes)) -> Self {
        Self {
            view: Arc::clone(&snapshot.view),
            at: snapshot.seqno,
            own: snapshot.own,
            now: snapshot.now,
            lower,
            upper,
            within: None,
            merge: None,
            covers: Vec::new(),
            direction: Direction::Forward,
            key: Vec::new(),
            version: SeqNo(0),
            value: Value::None,
            values: ValueReaders::new(IterOptions::default()),
            covered_steps: 0,
            versions: Vec::new(),
        }
    }

    /// The same over a range that is all that begins with its first key.
    pub(crate) fn of_prefix(snapshot: &Snapshot, range: (Bytes, Bytes)) -> Self {
        let (prefix, end) = range.clone();
        Self {
            within: Some(Within { prefix, end }),
            ..Self::new(snapshot, range)
        }
    }

    /// To the first key; says whether there is one.
    ///
    /// # Errors
    /// `Table` when a block cannot be read; `Merge`, `NoMergeOperator`.
    pub fn first(&mut self) -> Result<bool, Error> {
        let lower = self.lower.clone();
        self.forward_from(&lower)
    }

    /// To the last key; says whether there is one.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn last(&mut self) -> Result<bool, Error> {
        let upper = self.upper.clone();
        self.backward_from(&upper)
    }

    /// To the first key at or behind `key`; says whether there is one.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn seek(&mut self, key: &[u8]) -> Result<bool, Error> {
        let from = keyspace::tree_key(keyspace::id_of(&self.lower), key);
        self.forward_from(&from.max(self.lower.clone()))
    }

    /// To the last key at or before `key`; says whether there is one.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn seek_back(&mut self, key: &[u8]) -> Result<bool, Error> {
        let id = keyspace::id_of(&self.lower).to_be_bytes();
        let behind = Bytes::from([&id, key, &[0]].concat());
        self.backward_from(&behind.min(self.upper.clone()))
    }

    /// To the next key; says whether there is one. A cursor that stands nowhere stays there.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    #[expect(
        clippy::should_implement_trait,
        reason = "moves both ways and can fail; it gives places, not items"
    )]
    pub fn next(&mut self) -> Result<bool, Error> {
        if !self.is_valid() {
            return Ok(false);
        }
        if self.direction == Direction::Forward {
            return self.settle(Self::find_next);
        }
        let key = core::mem::take(&mut self.key);
        self.turn(Direction::Forward, &key)?;
        self.key = key;
        self.settle(Self::find_next)
    }

    /// To the key before; says whether there is one. A cursor that stands nowhere stays there.
    ///
    /// # Errors
    /// As [`first`](Self::first).
    pub fn prev(&mut self) -> Result<bool, Error> {
        if !self.is_valid() {
            return Ok(false);
        }
        if self.direction == Direction::Forward {
            let key = core::mem::take(&mut self.key);
            self.turn(Direction::Backward, &key)?;
        }
        self.settle(Self::find_prev)
    }

    /// Whether it stands on a key.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        !matches!(self.value, Value::None)
    }

    /// The key that it stands on.
    ///
    /// # Panics
    /// When it stands nowhere.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        keyspace::user_key(self.tree_key())
    }

    /// The value of the key. One that lies in a value file is read now, for the first time.
    ///
    /// # Errors
    /// `Table` when it cannot be read; the cursor stays where it is.
    ///
    /// # Panics
    /// When it stands nowhere.
    pub fn value(&mut self) -> Result<&[u8], Error> {
        self.fetch()?;
        match (&self.value, &self.merge) {
            (Value::Held(Stored::Here(value)), _) => Ok(value),
            (Value::Current(from), Some(merge)) => {
                let stored = merge.current().map_or(&[][..], |source| source.value_ref());
                Ok(stored.get(*from..).unwrap_or(&[]))
            }
            _ => panic!("the cursor stands nowhere"),
        }
    }

    /// The value of the key, to keep; it shares memory where that is worth it.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    ///
    /// # Panics
    /// When it stands nowhere.
    pub fn value_bytes(&mut self) -> Result<Bytes, Error> {
        self.fetch()?;
        match (&self.value, &self.merge) {
            (Value::Held(Stored::Here(value)), _) => Ok(value.clone()),
            (Value::Current(from), Some(merge)) => {
                let stored = merge
                    .current()
                    .map_or(Bytes::new(), |source| source.value());
                Ok(match from {
                    0 => stored,
                    from => stored.slice((*from).min(stored.len())..),
                })
            }
            _ => panic!("the cursor stands nowhere"),
        }
    }

    /// Reads the value if it lies in a value file.
    fn fetch(&mut self) -> Result<(), Error> {
        let value = match (&self.value, &self.merge) {
            (Value::Held(Stored::There(values, pointer)), _) => {
                self.values.read(values, pointer)?
            }
            (Value::Pointed(from), Some(merge)) => {
                let source = merge.current().expect("the cursor stands on an entry");
                let stored = source.value_ref();
                let values = source.file_of(source.key().kind, stored)?;
                let values = values.expect("a pointer leads into a file");
                let pointer = stored.get(*from..).unwrap_or(&[]);
                self.values.read(&values, pointer)?
            }
            _ => return Ok(()),
        };
        self.value = Value::Held(Stored::Here(value));
        Ok(())
    }

    /// The write that made the value, or the last that was merged onto it.
    ///
    /// # Panics
    /// When it stands nowhere.
    #[must_use]
    pub fn version(&self) -> SeqNo {
        assert!(self.is_valid(), "the cursor stands nowhere");
        self.version
    }

    /// The key of the tree that it stands on.
    pub(crate) fn tree_key(&self) -> &[u8] {
        assert!(self.is_valid(), "the cursor stands nowhere");
        &self.key
    }

    /// A key behind the range before which the keyspace has no record, the lowest of which it has one
    /// but where the range is a prefix; once the cursor has gone forward over the end of the range.
    pub(crate) fn behind(&self) -> Option<Bytes> {
        if self.is_valid() || self.direction == Direction::Backward {
            return None;
        }
        if self.within.is_some() {
            // What lies there was passed by, perhaps: the first key that it could be.
            let is_same = keyspace::id_of(&self.upper) == keyspace::id_of(&self.lower);
            return is_same.then(|| Bytes::copy_from_slice(keyspace::user_key(&self.upper)));
        }
        let source = self.merge.as_ref()?.current()?;
        let key = source.key().user;
        let is_behind = *key >= *self.upper && keyspace::id_of(key) == keyspace::id_of(&self.lower);
        is_behind.then(|| Bytes::copy_from_slice(keyspace::user_key(key)))
    }

    fn forward_from(&mut self, from: &[u8]) -> Result<bool, Error> {
        self.key.clear();
        self.turn(Direction::Forward, from)?;
        self.settle(Self::find_next)
    }

    fn backward_from(&mut self, to: &[u8]) -> Result<bool, Error> {
        self.turn(Direction::Backward, to)?;
        self.settle(Self::find_prev)
    }

    /// Positions the merge: forward at or behind `key`, backward before it.
    fn turn(&mut self, direction: Direction, key: &[u8]) -> Result<(), Error> {
        self.value = Value::None;
        self.direction = direction;
        self.covered_steps = 0;
        let merge = match &mut self.merge {
            Some(merge) => merge,
            None => {
                let mut sources = self.view.sources(self.within.as_ref());
                let mut covering = Vec::new();
                for (index, source) in sources.iter_mut().enumerate() {
                    let at = match self.view.own.is_some() && index == 0 {
                        true => self.own,
                        false => self.at,
                    };
                    source.pass_by(&covering);
                    let set = source.range_tombstones();
                    if let Some(cover) = Cover::new(set.clone(), at) {
                        self.covers.push((index, cover));
                        covering.push((set, at));
                    }
                }
                self.merge.insert(Merge::new(sources))
            }
        };
        match direction {
            Direction::Forward => merge.seek(Some(key)),
            Direction::Backward => merge.seek_before(Some(key)),
        }
    }

    fn settle(
        &mut self,
        find: impl FnOnce(&mut Self) -> Result<Option<Value>, Error>,
    ) -> Result<bool, Error> {
        self.value = Value::None;
        if let Some(value) = find(self)? {
            self.value = value;
        }
        Ok(self.is_valid())
    }

    /// Goes forward to the next key that is there; versions of `key` are passed over.
    fn find_next(&mut self) -> Result<Option<Value>, Error> {
        let mut passed = 0;
        while let Some(source) = self.merge().current() {
            let key = source.key();
            let (seqno, kind) = (key.seqno, key.kind);
            if *key.user == *self.key {
                passed += 1;
                self.pass_version(passed > PASSED_STEPS_MAX)?;
                continue;
            }
            if *key.user >= *self.upper {
                return Ok(None);
            }
            if !self.sees(seqno) {
                self.merge_mut().next()?;
                continue;
            }
            if !self.covers.is_empty() && self.pass_covered()? {
                continue;
            }
            let merge = self.merge.as_ref().expect("the cursor was positioned");
            let source = merge.current().expect("it did not move");
            self.key.clear();
            self.key.extend_from_slice(source.key().user);
            self.version = seqno;
            match kind {
                ValueKind::Put => return Ok(Some(Value::Current(0))),
                ValueKind::Pointer => return Ok(Some(Value::Pointed(0))),
                ValueKind::Expiring | ValueKind::ExpiringPointer
                    if !expiry::is_expired(source.value_ref(), self.now) =>
                {
                    return Ok(Some(match kind {
                        ValueKind::Expiring => Value::Current(expiry::TIME_BYTES),
                        _ => Value::Pointed(expiry::TIME_BYTES),
                    }));
                }
                ValueKind::Tombstone if breaks(Mutant::IterGivesDeleted) => {
                    return Ok(Some(Value::Current(0)));
                }
                ValueKind::Tombstone | ValueKind::Expiring | ValueKind::ExpiringPointer => {
                    self.merge_mut().next()?;
                }
                ValueKind::Merge => {
                    if let Some(value) = self.fold_forward()? {
                        return Ok(Some(Value::Held(value)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Passes a version of `key`, or all that its source has where `all` is true: a key that is
    /// written often has thousands in a memtable.
    fn pass_version(&mut self, all: bool) -> Result<(), Error> {
        let merge = self.merge.as_mut().expect("the cursor was positioned");
        if !all {
            return merge.next();
        }
        // No key lies between this one and itself with a zero behind it.
        self.key.push(0);
        let passed = merge.jump(&self.key);
        self.key.pop();
        passed
    }

    /// Reads `key`, on whose newest visible version, an operand, the merge stands.
    fn fold_forward(&mut self) -> Result<Option<Stored>, Error> {
        let mut resolve = Resolve::default();
        let mut base = None;
        while let Some(source) = self.merge().current()
            && *source.key().user == *self.key
        {
            let (seqno, now) = (source.key().seqno, self.now);
            if self.sees(seqno) {
                let raw = raw(source)?;
                resolve.cover(self.covering());
                base = resolve.offer(raw, || now);
                if base.is_some() {
                    break;
                }
            }
            self.merge_mut().next()?;
        }
        let base = base.unwrap_or(Base::Nothing);
        let read = resolve.finish(&self.view.rules, &self.key, base)?;
        Ok(read.map(|(_, value)| value))
    }

    /// Goes backward to the next key that is there.
    fn find_prev(&mut self) -> Result<Option<Value>, Error> {
        while let Some(source) = self.merge().current() {
            let user = source.key().user;
            if *user < *self.lower {
                return Ok(None);
            }
            if !self.covers.is_empty() {
                // Of the whole key at once: a jump must not leave some of its versions behind.
                let seqno = source.key().seqno;
                if self.sees(seqno) && self.pass_covered()? {
                    continue;
                }
            }
            let merge = self.merge.as_ref().expect("the cursor was positioned");
            let source = merge.current().expect("it did not move");
            self.key.clear();
            self.key.extend_from_slice(source.key().user);
            self.versions.clear();
            while let Some(source) = self.merge().current()
                && *source.key().user == *self.key
            {
                let (seqno, kind) = (source.key().seqno, source.key().kind);
                if self.sees(seqno) && !self.is_covered(seqno) {
                    if kind != ValueKind::Merge {
                        // It shadows the older ones.
                        self.versions.clear();
                    }
                    let raw = raw(self.merge().current().expect("it did not move"))?;
                    self.versions.push(raw);
                }
                self.merge_mut().prev()?;
            }
            if let Some(value) = self.fold_backward()? {
                return Ok(Some(Value::Held(value)));
            }
        }
        Ok(None)
    }

    /// Reads `key`, whose visible versions were gathered.
    fn fold_backward(&mut self) -> Result<Option<Stored>, Error> {
        let mut resolve = Resolve::default();
        let mut base = Base::Nothing;
        let now = self.now;
        while let Some(raw) = self.versions.pop() {
            if let Some(found) = resolve.offer(raw, || now) {
                base = found;
                break;
            }
        }
        let read = resolve.finish(&self.view.rules, &self.key, base)?;
        Ok(read.map(|(version, value)| {
            self.version = version;
            value
        }))
    }

    /// Whether the entry under the merge is covered; then the merge has moved on: by one entry, or
    /// over all that the tombstone covers in the entry's source, if it is of a newer one.
    fn pass_covered(&mut self) -> Result<bool, Error> {
        let merge = self.merge.as_mut().expect("the cursor was positioned");
        let (Some(source), Some(index)) = (merge.current(), merge.current_index()) else {
            return Ok(false);
        };
        let key = source.key();
        let covering = self.covers.iter_mut().find_map(|(over, cover)| {
            let newest = cover.newest(key.user)?;
            (key.seqno < newest).then_some((*over, cover))
        });
        let Some((over, cover)) = covering else {
            self.covered_steps = 0;
            return Ok(false);
        };
        self.covered_steps += 1;
        // Everything of an older source is older than a tombstone over it.
        let bounds = match over < index && self.covered_steps > COVERED_STEPS_MAX {
            true => cover.bounds(),
            false => None,
        };
        match (bounds, self.direction) {
            (Some((_, end)), Direction::Forward) => merge.jump(&end)?,
            (Some((start, _)), Direction::Backward) => merge.jump(&start)?,
            (None, Direction::Forward) => merge.next()?,
            (None, Direction::Backward) => merge.prev()?,
        }
        Ok(true)
    }

    /// The newest range tombstone over `key`.
    fn covering(&mut self) -> Option<SeqNo> {
        let key = &self.key;
        let newest = |(_, cover): &mut (usize, Cover)| cover.newest(key);
        self.covers.iter_mut().filter_map(newest).max()
    }

    fn is_covered(&mut self, seqno: SeqNo) -> bool {
        self.covering().is_some_and(|covering| seqno < covering)
    }

    fn sees(&self, seqno: SeqNo) -> bool {
        seqno <= self.at || (OWN_SEQNO_MIN <= seqno && seqno <= self.own)
    }

    fn merge(&self) -> &Merge {
        self.merge.as_ref().expect("the cursor was positioned")
    }

    fn merge_mut(&mut self) -> &mut Merge {
        self.merge.as_mut().expect("the cursor was positioned")
    }
}

/// The version that `source` stands on.
fn raw(source: &Source) -> Result<Raw, Error> {
    let (InternalKeyRef { seqno, kind, .. }, value) = (source.key(), source.value());
    Ok(Raw {
        seqno,
        kind,
        values: source.file_of(kind, &value)?,
        value,
    })
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("lower", &self.lower)
            .field("upper", &self.upper)
            .field("at", &self.at)
            .field("is_valid", &self.is_valid())
            .finish_non_exhaustive()
    }
}

/// Versions of a key that was given to step over one by one before it is worth to search for the
/// next key.
const PASSED_STEPS_MAX: u32 = 8;
/// Covered entries to step over one by one before it is worth to search for the end.
const COVERED_STEPS_MAX: u32 = 4;

const _: () = assert!(
    ID_BYTES == 2,
    "bounds are put together from the two bytes of a number"
);
