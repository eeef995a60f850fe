//! Consecutive entries on their way, shared instead of copied.
//!
//! **Invariant: what stands in an [`Entries`] never changes.** A write, the messages that carry it
//! and its application hold the same memory; the replica uses that memory again once all of them
//! let go of it, so that a steady stream of proposals takes none from the heap.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entry::Entry;

/// Consecutive entries; cloning copies nothing. Read it as a slice.
#[derive(Clone, Default)]
pub struct Entries {
    /// `None`: there are none.
    buffer: Option<Arc<Vec<Entry>>>,
}

/// Buffers that may be used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The one that was given back first is at the front. Some may be held by others still.
    spare: VecDeque<Arc<Vec<Entry>>>,
}

impl Entries {
    /// The same without their commands.
    pub(crate) fn for_witness(&self) -> Self {
        self.iter()
            .map(Entry::for_witness)
            .collect::<Vec<_>>()
            .into()
    }

    /// No entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffer: None }
    }
}

impl Buffers {
    /// Puts `count` entries into a buffer that nobody holds any more, or a new one.
    pub(crate) fn fill(&mut self, count: usize, entries: impl Iterator<Item = Entry>) -> Entries {
        // A few entries must not keep the room of many.
        let fits = count..=count.saturating_mul(4).max(4);
        for at in 0..self.spare.len() {
            if let Some(buffer) = self.spare.get_mut(at)
                && let Some(free) = Arc::get_mut(buffer)
                && fits.contains(&free.capacity())
            {
                free.clear();
                free.extend(entries);
                return Entries {
                    buffer: self.spare.remove(at),
                };
            }
        }
        let mut buffer = Vec::with_capacity(count);
        buffer.extend(entries);
        buffer.into()
    }

    /// The buffer of `entries` is used again once nobody holds it.
    pub(crate) fn give_back(&mut self, entries: Entries) {
        if let Some(buffer) = entries.buffer
            && buffer.capacity() <= ENTRIES_MAX
        {
            if self.spare.len() == SPARE_MAX {
                self.spare.pop_front();
            }
            self.spare.push_back(buffer);
        }
    }

    /// Lets go of what buffers hold that nobody reads any more.
    pub(crate) fn sweep(&mut self) {
        for buffer in &mut self.spare {
            if let Some(free) = Arc::get_mut(buffer) {
                free.clear();
            }
        }
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        self.buffer.as_ref().map_or(&[], |buffer| buffer.as_slice())
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(entries: Vec<Entry>) -> Self {
        Self {
            buffer: (!entries.is_empty()).then(|| Arc::new(entries)),
        }
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        entries.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = core::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Entry>::deserialize(deserializer).map(Self::from)
    }
}

/// Buffers that a replica keeps for use. What it is given back beyond that goes to the heap.
const SPARE_MAX: usize = 16;

/// Entries in a buffer that is kept.
const ENTRIES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
