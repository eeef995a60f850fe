//! What a key reads as.
//!
//! **Invariant: the newest visible version decides, unless a newer range tombstone covers it or it
//! is an operand; an operand goes on top of what the older versions read as.** The versions of a key
//! come from the newest to the oldest, whatever source they are in.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_sstable::{SeqNo, ValueKind};
use norikv_types::WallMs;

use crate::rules::Rules;
use crate::values::{Stored, Values, time_bytes};
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
    Value(SeqNo, Stored),
}

/// One version of a key as its source has it.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) seqno: SeqNo,
    pub(crate) kind: ValueKind,
    pub(crate) value: Bytes,
    /// Where the value lies, if `value` only points to it.
    pub(crate) values: Option<Arc<Values>>,
}

impl Resolve {
    pub(crate) fn cover(&mut self, covering: Option<SeqNo>) {
        self.covering = self.covering.max(covering);
    }

    pub(crate) const fn is_covered(&self) -> bool {
        self.covering.is_some()
    }

    /// Takes the next older version; `Some` when nothing older says anything.
    pub(crate) fn offer(&mut self, raw: Raw, now: impl FnOnce() -> WallMs) -> Option<Base> {
        let Raw { seqno, kind, .. } = raw;
        if self.covering.is_some_and(|covering| seqno < covering) {
            return Some(Base::Nothing);
        }
        let has_ended = match kind {
            ValueKind::Expiring | ValueKind::ExpiringPointer => {
                expiry::is_expired(&raw.value, now())
            }
            _ => false,
        };
        match kind {
            ValueKind::Tombstone => Some(Base::Nothing),
            _ if has_ended => Some(Base::Nothing),
            ValueKind::Merge => {
                self.newest = self.newest.max(seqno);
                self.operands.push(raw.value);
                None
            }
            ValueKind::Put
            | ValueKind::Expiring
            | ValueKind::Pointer
            | ValueKind::ExpiringPointer => Some(Base::Value(seqno, raw.stored())),
        }
    }

    /// The version and value that `key` (of the tree) reads as. A value that lies in a file is not read,
    /// unless something is merged onto it.
    ///
    /// # Errors
    /// `NoMergeOperator`, `Merge`; `Table`.
    pub(crate) fn finish(
        self,
        rules: &Rules,
        key: &[u8],
        base: Base,
    ) -> Result<Option<(SeqNo, Stored)>, Error> {
        let onto = match (base, self.operands.is_empty()) {
            (Base::Nothing, true) => return Ok(None),
            (Base::Value(version, value), true) => return Ok(Some((version, value))),
            (Base::Nothing, false) => None,
            (Base::Value(_, value), false) => Some(value.read()?),
        };
        let (id, user) = (keyspace::id_of(key), keyspace::user_key(key));
        let mut operands = self.operands.iter().map(|operand| &operand[..]);
        let value = rules.fold(id, user, onto.as_deref(), &mut operands)?;
        Ok(Some((self.newest, Stored::Here(value.into()))))
    }
}

impl Raw {
    /// The value without its time.
    fn stored(self) -> Stored {
        let value = match time_bytes(self.kind) {
            0 => self.value,
            time => self.value.slice(time.min(self.value.len())..),
        };
        match self.values {
            None => Stored::Here(value),
            Some(values) => Stored::There(values, value),
        }
    }
}
