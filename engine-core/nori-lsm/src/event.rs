//! What a store tells about itself.
//!
//! **Invariant: events are kept in the order in which they happened, and never hold anything up.** The
//! last few hundred are kept until somebody asks; of older ones the number is told. Reads and writes
//! tell nothing, but where a write fills a memtable or stalls.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nori_env::ObjectId;
use nori_env::sync::Mutex;

use crate::Error;
use crate::jobs::JobKind;

/// Something that happened to a store; [`Lsm::drain_events`](crate::Lsm::drain_events) hands them out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A memtable was full and waits for its flush from now on.
    Rotated {
        /// Its bytes: keys, values and a constant an entry.
        bytes: u64,
    },
    /// The oldest memtable that waited is in tables of level 0.
    Flushed {
        /// Bytes of the tables.
        bytes: u64,
        /// How many.
        tables: u32,
    },
    /// Tables of two levels, or of the lanes of one, became tables of the lower one.
    Compacted {
        /// The level above.
        from: u8,
        /// The level that was written.
        to: u8,
        /// Bytes of the tables that are gone; 0 where tables only changed their level.
        read_bytes: u64,
        /// Bytes of the tables that came; 0 where tables only changed their level.
        written_bytes: u64,
    },
    /// A table or value file that nobody needs was deleted.
    Deleted(ObjectId),
    /// A job failed; the same work is handed out again after a pause.
    Failed {
        /// What it did.
        kind: JobKind,
        /// Why it could not.
        error: Error,
    },
    /// A writer stalls: background work has to be done before its write.
    Stalled,
    /// The stalled writer goes on.
    Resumed,
    /// This many events before the next one were forgotten, because nobody asked.
    Forgotten(u64),
}

/// The last events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Event>,
    forgotten: u64,
}

impl Events {
    pub(crate) fn push(&self, event: Event) {
        let mut kept = self.kept.lock();
        if kept.events.len() == EVENTS_MAX {
            kept.events.pop_front();
            kept.forgotten += 1;
        }
        kept.events.push_back(event);
    }

    pub(crate) fn drain(&self) -> Vec<Event> {
        let mut kept = self.kept.lock();
        let forgotten = core::mem::take(&mut kept.forgotten);
        let first = (forgotten > 0).then_some(Event::Forgotten(forgotten));
        first.into_iter().chain(kept.events.drain(..)).collect()
    }
}

const EVENTS_MAX: usize = 256;
