//! Consecutive entries on their way, shared instead of copied.
//!
//! **Invariant: what stands in an [`Entries`] never changes.** A write, the messages that carry it
//! and its application hold the same memory; the replica uses that memory again once all of them
//! let go of it, so that a steady stream of proposals takes none from the heap.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use norikv_types::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entry::Entry;

/// Consecutive entries; cloning copies nothing. Read it as a slice.
#[derive(Clone, Default)]
pub struct Entries {
    /// `None`: there are none.
    buffer: Option<Arc<Vec<Entry>>>,
}

/// Buffers that were given out and may come back.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// The newest last.
    buffers: Vec<Arc<Vec<Entry>>>,
    /// The one that is looked at first when one is needed.
    next: usize,
    /// Somebody else's, which arrived last: they are stored and applied as they came.
    arrived: [Entries; 2],
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

impl Batches {
    /// The entries from `first` to `last` out of a buffer that holds exactly those. Equal ends mean
    /// equal entries (log matching, Raft §5.3).
    pub(crate) fn shared(&self, first: Version, last: Version) -> Option<Entries> {
        let same = |buffer: &&Arc<Vec<Entry>>| {
            buffer.last().map(Entry::version) == Some(last)
                && buffer.first().map(Entry::version) == Some(first)
        };
        let mut arrived = self.arrived.iter();
        if let Some(entries) =
            arrived.find(|entries| entries.buffer.as_ref().is_some_and(|buffer| same(&buffer)))
        {
            return Some(entries.clone());
        }
        // The one that was given out last is asked for most.
        let (newer, older) = self.buffers.split_at(self.next.min(self.buffers.len()));
        let buffer = (older.first().into_iter())
            .chain(newer.iter().rev())
            .chain(older.iter().skip(1).rev())
            .find(same)?;
        Some(Entries {
            buffer: Some(Arc::clone(buffer)),
        })
    }

    /// These arrived, and all of them are in the log now.
    pub(crate) fn arrived(&mut self, entries: &Entries) {
        self.arrived.swap(0, 1);
        self.arrived[0] = entries.clone();
    }

    /// Puts `entries` into a buffer that nobody holds any more, or a new one.
    pub(crate) fn share(&mut self, entries: impl Iterator<Item = Entry>) -> Entries {
        for _ in 0..self.buffers.len() {
            self.next = (self.next + 1) % self.buffers.len();
            if let Some(buffer) = self.buffers.get_mut(self.next)
                && let Some(free) = Arc::get_mut(buffer)
            {
                free.clear();
                free.extend(entries);
                return Entries {
                    buffer: Some(Arc::clone(buffer)),
                };
            }
        }
        let buffer = Arc::new(entries.collect::<Vec<_>>());
        if self.buffers.len() < BUFFERS_MAX && buffer.capacity() <= ENTRIES_MAX {
            self.next = self.buffers.len();
            self.buffers.push(Arc::clone(&buffer));
        }
        Entries {
            buffer: Some(buffer),
        }
    }

    /// Lets go of what buffers hold that nobody reads any more.
    pub(crate) fn sweep(&mut self) {
        self.arrived = [Entries::new(), Entries::new()];
        for buffer in &mut self.buffers {
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

/// Buffers that a replica keeps. Those under way beyond that go back to the heap.
const BUFFERS_MAX: usize = 16;

/// Entries in a buffer that is kept.
const ENTRIES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
