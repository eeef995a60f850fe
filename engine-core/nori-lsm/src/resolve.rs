//! What a key reads as.
//!
//! **Invariant: the newest visible version decides, unless a newer range tombstone covers it or it
//! is an operand; an operand goes on top of what the older versions read as.** The versions of a key
//! come from the newest to the oldest, whatever source they are in.

use alloc::vec::Vec;

use bytes::Bytes;
use nori_sstable::{SeqNo, ValueKind};
use norikv_types::WallMs;

use crate::rules::Rules;
use crate::{Error, expiry, keyspace};

/// A value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The write that made it, or the last that was merged onto it.
    pub version: SeqNo,
    /// The value.
    pub value: Bytes,
}

/// The versions of one key so far.
#[derive(Debug, Default)]
pub(crate) struct Resolve {
    /// The newest range tombstone over the key so far.
    covering: Option<SeqNo>,
    /// The newest first.
    operands: Vec<Bytes>,
    /// Of the newest version.
    newest: SeqNo,
}

/// What the older versions say.
pub(crate) enum Base {
    Nothing,
    Value(SeqNo, Bytes),
}

impl Resolve {
    pub(crate) fn cover(&mut self, covering: Option<SeqNo>) {
        self.covering = self.covering.max(covering);
    }

    pub(crate) const fn is_covered(&self) -> bool {
        self.covering.is_some()
    }

    /// Takes the next older version; `Some` when nothing older says anything.
    pub(crate) fn offer(
        &mut self,
        seqno: SeqNo,
        kind: ValueKind,
        value: Bytes,
        now: impl FnOnce() -> WallMs,
    ) -> Option<Base> {
        if self.covering.is_some_and(|covering| seqno < covering) {
            return Some(Base::Nothing);
        }
        match kind {
            ValueKind::Put => Some(Base::Value(seqno, value)),
            ValueKind::Tombstone => Some(Base::Nothing),
            ValueKind::Expiring if expiry::is_expired(&value, now()) => Some(Base::Nothing),
            ValueKind::Expiring => {
                let value = value.slice(expiry::TIME_BYTES.min(value.len())..);
                Some(Base::Value(seqno, value))
            }
            ValueKind::Merge => {
                self.newest = self.newest.max(seqno);
                self.operands.push(value);
                None
            }
        }
    }

    /// What `key` (of the tree) reads as.
    ///
    /// # Errors
    /// `NoMergeOperator`, `Merge`.
    pub(crate) fn finish(
        self,
        rules: &Rules,
        key: &[u8],
        base: Base,
    ) -> Result<Option<Versioned>, Error> {
        let onto = match (base, self.operands.is_empty()) {
            (Base::Nothing, true) => return Ok(None),
            (Base::Value(version, value), true) => return Ok(Some(Versioned { version, value })),
            (Base::Nothing, false) => None,
            (Base::Value(_, value), false) => Some(value),
        };
        let (id, user) = (keyspace::id_of(key), keyspace::user_key(key));
        let mut operands = self.operands.iter().map(|operand| &operand[..]);
        let value = rules.fold(id, user, onto.as_deref(), &mut operands)?;
        Ok(Some(Versioned {
            version: self.newest,
            value: value.into(),
        }))
    }
}
