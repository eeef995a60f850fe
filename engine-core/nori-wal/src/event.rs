//! What happened to a log, for whoever watches it.
//!
//! **Invariant: watching costs nothing that grows**: the log keeps the last events until somebody
//! asks for them, and counts those that it had to forget.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nori_env::{IoError, IoErrorKind, ObjectId};

use crate::{CorruptRange, Lsn, LsnRange};

/// Something that happened to a log; [`Wal::drain_events`](crate::Wal::drain_events) hands them out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Opening cut a torn tail.
    Torn(LsnRange),
    /// Opening met bytes that were synced once and do not verify; only in salvage mode.
    Corrupt(CorruptRange),
    /// Everything below a position became durable.
    Synced {
        /// The position.
        end: Lsn,
        /// Syncs since the event before.
        syncs: u64,
    },
    /// A segment was ended and the next one begun.
    Rotated {
        /// The one that ended.
        from: ObjectId,
        /// The one that is written to now.
        to: ObjectId,
        /// Its first position.
        base: Lsn,
        /// It uses the space of another, or space that was set aside ahead.
        ready: bool,
    },
    /// Space for the next segment was set aside.
    Prepared(ObjectId),
    /// No space could be set aside for the next segment; the rotation will try again.
    Unprepared(IoError),
    /// A segment that nobody needs was set aside for reuse.
    Recycled {
        /// The segment.
        from: ObjectId,
        /// What it is called until it is used.
        to: ObjectId,
    },
    /// A segment that nobody needs was deleted.
    Deleted(ObjectId),
    /// There was no space; the log goes on once there is some.
    NoSpace(IoError),
    /// An append or a sync failed; nothing is accepted any more.
    Poisoned(IoError),
    /// The log was closed.
    Closed,
    /// This many events before the next one were forgotten, because nobody asked.
    Forgotten(u64),
}

/// The last events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    kept: VecDeque<Event>,
    forgotten: u64,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        if self.kept.len() == EVENTS_MAX {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(event);
    }

    /// Counts with the syncs before it, if nothing else happened since.
    pub(crate) fn synced(&mut self, upto: u64) {
        if let Some(Event::Synced { end, syncs }) = self.kept.back_mut() {
            *end = (*end).max(Lsn(upto));
            *syncs += 1;
        } else {
            let (end, syncs) = (Lsn(upto), 1);
            self.push(Event::Synced { end, syncs });
        }
    }

    pub(crate) fn failed(&mut self, error: &IoError) {
        self.push(if error.kind == IoErrorKind::NoSpace {
            Event::NoSpace(error.clone())
        } else {
            Event::Poisoned(error.clone())
        });
    }

    pub(crate) fn drain(&mut self) -> Vec<Event> {
        let forgotten = core::mem::take(&mut self.forgotten);
        let first = (forgotten > 0).then_some(Event::Forgotten(forgotten));
        first.into_iter().chain(self.kept.drain(..)).collect()
    }
}

const EVENTS_MAX: usize = 256;
