//! What happened lately to a group's keys.
//!
//! **Invariant: every event with an index above `floor` and up to `seen` is here**, whole indexes
//! only, in the order of the log; those of the newest index whatever they take. What is older went because of the bound, a restart, or a snapshot
//! that took the place of the entries; whoever asks for it hears how far back one can ask.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Mutant, breaks};

use crate::WatchEvent;

/// The latest events of one group.
#[derive(Debug)]
pub(super) struct History {
    events: VecDeque<WatchEvent>,
    /// Of `events`.
    bytes: u64,
    bytes_max: u64,
    floor: LogIndex,
    seen: LogIndex,
}

/// Events behind a position, as many as were asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) events: Vec<WatchEvent>,
    /// There is nothing else up to here.
    pub(super) up_to: LogIndex,
}

impl History {
    /// That of a group which has applied everything up to `applied`, of which nothing is known.
    pub(super) const fn new(applied: LogIndex, bytes_max: u64) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            bytes_max,
            floor: applied,
            seen: applied,
        }
    }

    /// A snapshot took the place of everything up to `at`.
    pub(super) fn reset(&mut self, at: LogIndex) {
        if breaks(Mutant::WatchOverSnapshot) {
            self.seen = at;
            return;
        }
        *self = Self::new(at, self.bytes_max);
    }

    /// Everything up to `applied` is applied, and this is what happened.
    pub(super) fn add(&mut self, events: Vec<WatchEvent>, applied: LogIndex) {
        for event in events {
            self.bytes += cost(&event);
            self.events.push_back(event);
        }
        self.seen = applied;
        let newest = self.events.back().map(|event| event.version.index);
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.events.front()
            && Some(oldest.version.index) != newest
        {
            self.floor = oldest.version.index;
            while let Some(gone) = self
                .events
                .pop_front_if(|event| event.version.index == self.floor)
            {
                self.bytes -= cost(&gone);
            }
        }
    }

    /// Events behind `after` of keys that begin with `prefix`: about `limit` of them at most, about
    /// `bytes_max` bytes, but all of an index or none.
    ///
    /// # Errors
    /// The oldest position that can be asked for, where `after` lies before it.
    pub(super) fn behind(
        &self,
        after: LogIndex,
        prefix: &[u8],
        limit: usize,
        bytes_max: u64,
    ) -> Result<Seen, LogIndex> {
        if after < self.floor {
            return Err(self.floor);
        }
        let mut seen = Seen {
            events: Vec::new(),
            up_to: after.max(self.seen),
        };
        let mut bytes = 0;
        let first = self.events.partition_point(|event| {
            event.version.index < after
                || (event.version.index == after && !breaks(Mutant::WatchRepeats))
        });
        for event in self.events.range(first..) {
            if !event.key.starts_with(prefix) {
                continue;
            }
            let last = seen.events.last().map(|event| event.version.index);
            let full = seen.events.len() >= limit.max(1) || bytes >= bytes_max;
            if full
                && let Some(last) = last
                && last != event.version.index
            {
                seen.up_to = last;
                break;
            }
            bytes += cost(event);
            seen.events.push(event.clone());
        }
        if breaks(Mutant::WatchSkipsAVersion) && seen.events.len() > 1 {
            seen.events.pop();
        }
        Ok(seen)
    }
}

/// Bytes that an event is counted with.
fn cost(event: &WatchEvent) -> u64 {
    let value = match &event.change {
        crate::Change::Put { value, .. } => value.len(),
        crate::Change::Delete => 0,
    };
    (event.key.len() + value) as u64 + EVENT_BYTES
}

/// Counted for an event besides its bytes.
const EVENT_BYTES: u64 = 128;

#[cfg(test)]
mod tests;
