//! What applying entries changes, before it is written.

use alloc::collections::BTreeMap;

use bytes::Bytes;

/// Puts and deletes by stored key; of several changes of one key the last counts.
///
/// **Invariant: later entries of a batch see what earlier ones changed**, because every lookup asks
/// here first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Changes {
    by_key: BTreeMap<Bytes, Option<Bytes>>,
    bytes: u64,
}

impl Changes {
    /// Sets `key` to `value`.
    pub(crate) fn put(&mut self, key: Bytes, value: Bytes) {
        self.bytes += (key.len() + value.len()) as u64 + CHANGE_BYTES;
        self.by_key.insert(key, Some(value));
    }

    /// Removes `key`.
    pub(crate) fn delete(&mut self, key: Bytes) {
        self.bytes += key.len() as u64 + CHANGE_BYTES;
        self.by_key.insert(key, None);
    }

    /// What `key` was changed to: `None` when it was not, `Some(None)` when it was removed.
    pub(crate) fn of(&self, key: &[u8]) -> Option<Option<&Bytes>> {
        self.by_key.get(key).map(Option::as_ref)
    }

    /// All changes, ascending by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, Option<&Bytes>)> {
        self.by_key.iter().map(|(key, value)| (key, value.as_ref()))
    }

    /// Keys, values and a constant a change; never less than what a batch of them takes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// More than a batch adds to a change.
const CHANGE_BYTES: u64 = 16;
