//! One decision for each key: what flushes and compactions write of it.
//!
//! **Invariant: for every reader that comes later, a key reads the same before and after.** The
//! versions of a key come in from the newest to the oldest; what goes out are as few as say the same:
//!
//! - Older versions than a put, a tombstone or the newest range tombstone over the key are
//!   shadowed: they go.
//! - Operands are merged onto the value below them, or, where that may lie in another table or can
//!   still expire, with each other. What cannot be merged stays as it is.
//! - A value that has expired, or that the compaction filter removes, becomes a tombstone.
//! - A tombstone stays where an older version may lie below, and goes where none can.
//!
//! Readers that came before have views of their own, with the tables as they were; snapshots
//! therefore hold nothing back here.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use nori_sstable::{InternalKeyRef, SeqNo, VALUE_BYTES_MAX, ValueKind};
use norikv_types::WallMs;

use crate::Error;
use crate::compaction_filter::FilterDecision;
use crate::expiry;
use crate::keyspace;
use crate::rules::Rules;
use crate::values::{ValueFiles, time_bytes};

/// One version of the key.
#[derive(Debug, Clone)]
struct Version {
    seqno: SeqNo,
    kind: ValueKind,
    /// Where its value lies among the values.
    value: Range<usize>,
}

/// What is to be written of a key, the newest version first.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    key: &'a [u8],
    versions: &'a [Version],
    values: &'a [u8],
}

/// Takes in the versions of one key after another. For each key: [`begin`](Self::begin);
/// [`add`](Self::add) while it [`wants`](Self::wants) more; [`end`](Self::end).
#[derive(Debug)]
pub(crate) struct Reconcile {
    rules: Arc<Rules>,
    now: WallMs,
    by: By,
    /// Where values lie that are only pointed to.
    files: Arc<ValueFiles>,
    key: Vec<u8>,
    /// The newest range tombstone over the key.
    covering: Option<SeqNo>,
    versions: Vec<Version>,
    values: Vec<u8>,
    /// Nothing older says anything any more.
    settled: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A flush; it leaves values to themselves.
    Flush,
    /// A compaction; it asks the filter.
    Compaction,
}

impl<'a> Kept<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Versions and their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (InternalKeyRef<'a>, &'a [u8])> {
        let (key, values) = (self.key, self.values);
        self.versions.iter().map(move |version| {
            let internal = InternalKeyRef::new(key, version.seqno, version.kind);
            (internal, &values[version.value.clone()])
        })
    }
}

impl Reconcile {
    /// `now` is the time by which values expire; what is pointed to lies in `files`.
    pub(crate) const fn new(
        rules: Arc<Rules>,
        now: WallMs,
        by: By,
        files: Arc<ValueFiles>,
    ) -> Self {
        Self {
            rules,
            now,
            by,
            files,
            key: Vec::new(),
            covering: None,
            versions: Vec::new(),
            values: Vec::new(),
            settled: false,
        }
    }

    /// Goes on to `key` (with the prefix of its keyspace). `covering` is the newest range tombstone
    /// over it among the sources.
    pub(crate) fn begin(&mut self, key: &[u8], covering: Option<SeqNo>) {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.covering = covering;
        self.versions.clear();
        self.values.clear();
        self.settled = self.rules.dropped.contains(&keyspace::id_of(key));
    }

    /// The key that is being decided.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether a version of the key with this number still says anything.
    pub(crate) fn wants(&mut self, seqno: SeqNo) -> bool {
        if self.covering.is_some_and(|covering| seqno < covering) {
            self.settled = true;
        }
        !self.settled
    }

    /// Adds the next older version of the key, which it [`wants`](Self::wants).
    pub(crate) fn add(&mut self, seqno: SeqNo, kind: ValueKind, value: &[u8]) {
        debug_assert!(!self.settled, "it is wanted");
        assert!(
            self.versions.last().is_none_or(|newer| seqno < newer.seqno),
            "versions of a key come from the newest to the oldest"
        );
        self.settled = kind != ValueKind::Merge;
        let value = self.push_value(&[value]);
        self.versions.push(Version { seqno, kind, value });
    }

    /// What is to be written of the key, the newest first. `is_below`: whether older versions of it
    /// may lie where the sources do not reach.
    ///
    /// # Errors
    /// `Table`, `Corrupt` when a value that has to be looked at lies in a file and cannot be read.
    pub(crate) fn end(&mut self, is_below: impl FnOnce(&[u8]) -> bool) -> Result<Kept<'_>, Error> {
        let is_decided = match self.versions.as_slice() {
            [] => true,
            // What most keys are.
            [only] => {
                matches!(only.kind, ValueKind::Put | ValueKind::Pointer) && !self.has_filter()
            }
            _ => false,
        };
        if is_decided {
            return Ok(self.kept());
        }
        // What a range tombstone covers is as good as gone: where anything of it lies below, the
        // tombstone is written too.
        let is_last = self.covering.is_some() || !is_below(&self.key);
        self.decide(is_last)?;
        Ok(self.kept())
    }

    fn kept(&self) -> Kept<'_> {
        Kept {
            key: &self.key,
            versions: &self.versions,
            values: &self.values,
        }
    }

    /// Appends a value, given in parts.
    fn push_value(&mut self, parts: &[&[u8]]) -> Range<usize> {
        let start = self.values.len();
        for part in parts {
            self.values.extend_from_slice(part);
        }
        start..self.values.len()
    }

    /// `is_last`: nothing older says anything about the key.
    fn decide(&mut self, is_last: bool) -> Result<(), Error> {
        self.fold(is_last)?;
        let Some(newest) = self.versions.first() else {
            return Ok(());
        };
        let is_gone = match newest.kind {
            ValueKind::Tombstone => true,
            ValueKind::Expiring | ValueKind::ExpiringPointer if self.is_expired(newest) => true,
            ValueKind::Merge => false,
            _ => self.has_filter() && self.is_filtered()?,
        };
        if is_gone {
            self.versions[0].kind = ValueKind::Tombstone;
            self.versions[0].value = 0..0;
            self.versions.truncate(usize::from(!is_last));
        }
        Ok(())
    }

    /// Merges operands as far as may be.
    fn fold(&mut self, is_last: bool) -> Result<(), Error> {
        let operand_count = self
            .versions
            .iter()
            .take_while(|version| version.kind == ValueKind::Merge)
            .count();
        let (operands, base) = self.versions.split_at(operand_count);
        let Some(newest) = operands.first().map(|version| version.seqno) else {
            return Ok(());
        };
        let kind = match base.first() {
            // Operands do not end with the value under them.
            Some(base) if is_expiring(base.kind) && !self.is_expired(base) => ValueKind::Merge,
            None if !is_last => ValueKind::Merge,
            _ => ValueKind::Put,
        };
        if kind == ValueKind::Merge && operand_count == 1 {
            return Ok(());
        }
        let stored = |version: &Version| &self.values[version.value.clone()];
        let read;
        let onto = match base.first() {
            Some(base) if base.kind == ValueKind::Put => Some(stored(base)),
            Some(base) if base.kind == ValueKind::Pointer => {
                read = self.files.read(stored(base))?;
                Some(&*read)
            }
            _ => None,
        };
        let keyspace = keyspace::id_of(&self.key);
        let user = keyspace::user_key(&self.key);
        let values = |version: &Version| &self.values[version.value.clone()];
        let mut values = operands.iter().map(values);
        // What cannot be merged is kept: a read says so, and a put or a delete cures it.
        let value = match self.rules.fold(keyspace, user, onto, &mut values) {
            Ok(value) if fits(value.len()) => value,
            _ => return Ok(()),
        };
        let kept = match kind {
            ValueKind::Merge => operand_count,
            _ => self.versions.len(),
        };
        let folded = Version {
            seqno: newest,
            kind,
            value: self.push_value(&[&value]),
        };
        self.versions.splice(..kept, [folded]);
        Ok(())
    }

    fn is_expired(&self, version: &Version) -> bool {
        expiry::is_expired(&self.values[version.value.clone()], self.now)
    }

    /// Asks the keyspace's filter about the newest version and changes it if told to; true when it
    /// is to be removed.
    fn is_filtered(&mut self) -> Result<bool, Error> {
        let rules = self.rules.of(keyspace::id_of(&self.key));
        let Some(filter) = rules.and_then(|rules| rules.compaction_filter.as_deref()) else {
            return Ok(false);
        };
        let newest = &self.versions[0];
        let stored = &self.values[newest.value.clone()];
        let (time, value) = stored.split_at(time_bytes(newest.kind).min(stored.len()));
        let read;
        let value = match newest.kind.is_pointer() {
            true => {
                read = self.files.read(value)?;
                &read
            }
            false => value,
        };
        match filter.filter(keyspace::user_key(&self.key), value) {
            FilterDecision::Change(value) if fits(time.len() + value.len()) => {
                let changed = [time, &value].concat();
                self.versions[0].kind = match is_expiring(newest.kind) {
                    true => ValueKind::Expiring,
                    false => ValueKind::Put,
                };
                self.versions[0].value = self.push_value(&[&changed]);
                Ok(false)
            }
            FilterDecision::Remove => Ok(true),
            FilterDecision::Keep | FilterDecision::Change(_) => Ok(false),
        }
    }

    fn has_filter(&self) -> bool {
        self.by == By::Compaction
            && self
                .rules
                .of(keyspace::id_of(&self.key))
                .is_some_and(|rules| rules.compaction_filter.is_some())
    }
}

const fn is_expiring(kind: ValueKind) -> bool {
    matches!(kind, ValueKind::Expiring | ValueKind::ExpiringPointer)
}

/// Whether a table takes a value of this length.
const fn fits(bytes: usize) -> bool {
    bytes as u64 <= VALUE_BYTES_MAX as u64
}

#[cfg(test)]
mod tests;
