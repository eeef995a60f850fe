//! Internal keys: one version of one user key.
//!
//! **Invariant: user keys ascend bytewise, and the versions of one user key descend by sequence
//! number.** The trailer is compared apart from the user key, never as more bytes of it: otherwise
//! `a` with a large trailer would sort behind `ab`.

use alloc::vec::Vec;
use core::cmp::Ordering;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The place of a write in its store's order; at most [`SeqNo::MAX`] (56 bits).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SeqNo(pub u64);

/// What a version says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ValueKind {
    /// The key is deleted as of this version.
    Tombstone = 0,
    /// The key has the value that follows.
    Put = 1,
    /// An operand, to be merged onto what the older versions say.
    Merge = 2,
    /// The key has a value until a time: the milliseconds (u64, little-endian), then the value.
    Expiring = 3,
    /// The key has a value that lies in a value file: a [`ValuePointer`](crate::ValuePointer).
    Pointer = 4,
    /// The key has such a value until a time: the milliseconds (u64, little-endian), then the pointer.
    ExpiringPointer = 5,
}

/// One version of one user key, owned. Encoded: user key ‖ 8-byte trailer (little-endian
/// `seqno << 8 | kind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalKey {
    /// The key as its writer named it.
    pub user: Bytes,
    /// The place of the write.
    pub seqno: SeqNo,
    /// Whether it put or deleted.
    pub kind: ValueKind,
}

/// One version of one user key, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalKeyRef<'a> {
    /// The key as its writer named it.
    pub user: &'a [u8],
    /// The place of the write.
    pub seqno: SeqNo,
    /// Whether it put or deleted.
    pub kind: ValueKind,
}

impl SeqNo {
    /// The largest sequence number, 2⁵⁶ − 1. As a read position: everything.
    pub const MAX: Self = Self((1 << 56) - 1);

    /// The largest trailer that a version visible at `self` can have.
    pub(crate) const fn bound(self) -> u64 {
        if self.0 >= Self::MAX.0 {
            u64::MAX
        } else {
            self.0 << 8 | 0xff
        }
    }
}

impl ValueKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Tombstone),
            1 => Some(Self::Put),
            2 => Some(Self::Merge),
            3 => Some(Self::Expiring),
            4 => Some(Self::Pointer),
            5 => Some(Self::ExpiringPointer),
            _ => None,
        }
    }

    /// Whether the value lies in a value file.
    #[must_use]
    pub const fn is_pointer(self) -> bool {
        matches!(self, Self::Pointer | Self::ExpiringPointer)
    }
}

impl InternalKey {
    /// The same key, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> InternalKeyRef<'_> {
        InternalKeyRef {
            user: &self.user,
            seqno: self.seqno,
            kind: self.kind,
        }
    }
}

impl<'a> InternalKeyRef<'a> {
    /// Bytes of the trailer.
    pub const TRAILER_BYTES: usize = 8;

    /// A version of `user`.
    #[must_use]
    pub const fn new(user: &'a [u8], seqno: SeqNo, kind: ValueKind) -> Self {
        Self { user, seqno, kind }
    }

    /// `seqno << 8 | kind`.
    #[must_use]
    pub const fn trailer(self) -> u64 {
        self.seqno.0 << 8 | self.kind as u64
    }

    /// Takes a trailer apart; `None` when its kind is unknown.
    #[must_use]
    pub fn split_trailer(trailer: u64) -> Option<(SeqNo, ValueKind)> {
        let [kind, ..] = trailer.to_le_bytes();
        ValueKind::from_u8(kind).map(|kind| (SeqNo(trailer >> 8), kind))
    }

    /// Appends user key ‖ trailer to `out`.
    pub fn encode_into(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.user);
        out.extend_from_slice(&self.trailer().to_le_bytes());
    }

    /// Reads user key ‖ trailer; `None` when it is too short or of an unknown kind.
    #[must_use]
    pub fn decode(encoded: &'a [u8]) -> Option<Self> {
        let (user, trailer) = encoded.split_last_chunk::<8>()?;
        let (seqno, kind) = Self::split_trailer(u64::from_le_bytes(*trailer))?;
        Some(Self { user, seqno, kind })
    }

    /// The same key, owned.
    #[must_use]
    pub fn to_owned(self) -> InternalKey {
        InternalKey {
            user: Bytes::copy_from_slice(self.user),
            seqno: self.seqno,
            kind: self.kind,
        }
    }
}

impl Ord for InternalKeyRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.user, self.trailer(), other.user, other.trailer())
    }
}

impl PartialOrd for InternalKeyRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InternalKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl PartialOrd for InternalKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// User key ascending, then trailer descending.
pub(crate) fn compare(user: &[u8], trailer: u64, other: &[u8], other_trailer: u64) -> Ordering {
    user.cmp(other).then(other_trailer.cmp(&trailer))
}

#[cfg(test)]
mod tests;
