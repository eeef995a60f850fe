//! Filters over user keys and their prefixes: kinds behind an id.
//!
//! **Invariant: a key that was added is never denied, nor a prefix of it that the extractor gives.**
//!
//! The first byte of a payload is its kind: 1 [`bloom`], 2 [`fuse`]. A key is known by
//! `xxh3_64(key)`, a prefix by `xxh3_64(prefix) xor 0xA5A5_A5A5_A5A5_A5A5`, so that a prefix which
//! is also a key is two things.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{Mutant, breaks};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Damage, FilterKind, PrefixExtractor, TableOptions,
    filter::{bloom::Bloom, fuse::Fuse},
};

mod bloom;
mod fuse;

/// The hash by which a filter knows a user key.
#[inline]
pub(crate) fn hash(user: &[u8]) -> u64 {
    xxh3_64(user)
}

/// The hash by which a filter knows a prefix.
#[inline]
pub(crate) fn prefix_hash(prefix: &[u8]) -> u64 {
    xxh3_64(prefix) ^ 0xA5A5_A5A5_A5A5_A5A5
}

/// Collects hashes; the filter is sized when their number is known.
#[derive(Debug)]
pub(crate) struct FilterBuilder {
    kind: FilterKind,
    bits_per_key: u32,
    extractor: Option<PrefixExtractor>,
    hashes: Vec<u64>,
    /// Of the prefix added last: neighbours mostly share theirs.
    last_prefix: Option<u64>,
}

impl FilterBuilder {
    /// With 0 bits a key nothing is kept and there is no filter.
    pub(crate) fn new(options: &TableOptions) -> Self {
        Self {
            kind: options.filter,
            bits_per_key: options.bits_per_key.min(64),
            extractor: options.prefix_extractor,
            hashes: Vec::new(),
            last_prefix: None,
        }
    }

    pub(crate) fn add(&mut self, user: &[u8]) {
        if self.bits_per_key == 0 {
            return;
        }
        let cut = match breaks(Mutant::FilterHashesPrefix) {
            true => user.len().min(8),
            false => user.len(),
        };
        self.hashes.push(hash(&user[..cut]));
        let prefix = self.extractor.and_then(|e| e.extract(user));
        if let Some(hash) = prefix.map(prefix_hash)
            && self.last_prefix != Some(hash)
        {
            self.hashes.push(hash);
            self.last_prefix = Some(hash);
        }
    }

    /// Bytes of the filter if it were finished now, nearly.
    pub(crate) fn len(&self) -> u64 {
        (self.hashes.len() as u64 * u64::from(self.bits_per_key)).div_ceil(8)
    }

    /// The payload of a filter over what was added since the last call; `None` if that is nothing.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        self.last_prefix = None;
        let mut hashes = core::mem::take(&mut self.hashes);
        if hashes.is_empty() {
            return None;
        }
        match self.kind {
            FilterKind::Bloom => bloom::build(&hashes, self.bits_per_key),
            FilterKind::Fuse => fuse::build(&mut hashes, self.bits_per_key),
        }
    }
}

/// A filter as read from a table.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    Bloom(Bloom),
    Fuse(Fuse),
}

impl Filter {
    /// Checks that every look-up stays inside the payload.
    pub(crate) fn new(payload: Bytes) -> Result<Self, Damage> {
        match payload.first() {
            Some(&bloom::KIND) => Bloom::new(payload).map(Self::Bloom),
            Some(&fuse::KIND) => Fuse::new(payload).map(Self::Fuse),
            Some(kind) => Err(Damage::FilterKind(*kind)),
            None => Err(Damage::Filter),
        }
    }

    /// False only if nothing of this hash was added.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        match self {
            Self::Bloom(bloom) => bloom.may_contain(hash),
            Self::Fuse(fuse) => fuse.may_contain(hash),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bloom(bloom) => bloom.len(),
            Self::Fuse(fuse) => fuse.len(),
        }
    }
}

#[cfg(test)]
mod tests;
