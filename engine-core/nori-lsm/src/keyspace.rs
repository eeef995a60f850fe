//! Keyspaces: a store's keys in groups of their own.
//!
//! **Invariant: a keyspace is a prefix.** A key of the tree is the keyspace's number (u16,
//! big-endian) and then the key as its writer named it. So all keyspaces share one order of
//! writes, one log and one manifest, and a batch across them is one batch. Numbers are never used
//! again.

/// The keyspace of a key of the tree.
pub(crate) fn id_of(key: &[u8]) -> u16 {
    key.first_chunk::<ID_BYTES>()
        .map_or(0, |id| u16::from_be_bytes(*id))
}

/// A key of the tree as its writer named it.
pub(crate) fn user_key(key: &[u8]) -> &[u8] {
    key.get(ID_BYTES..).unwrap_or(&[])
}

/// Bytes of the prefix.
pub(crate) const ID_BYTES: usize = 2;
