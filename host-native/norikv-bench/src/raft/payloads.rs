//! A replica's log in memory: what both libraries write to and read from.
//!
//! **Invariant: what is read back is what was copied in**, byte for byte, by position.

use std::collections::VecDeque;

/// Bytes of the payload of each entry, one behind the other, in a ring.
#[derive(Debug)]
pub(super) struct Payloads {
    bytes: Vec<u8>,
    /// Where the next payload goes, counted without end.
    end: u64,
    /// The index of the first entry that is held.
    first: u64,
    /// Where each one lies, and how long it is.
    places: VecDeque<(u64, u32)>,
}

impl Payloads {
    /// Of a log whose first entry is `first`, with room for `capacity` bytes.
    pub(super) fn new(first: u64, capacity: usize) -> Self {
        Self {
            bytes: vec![0; capacity],
            end: 0,
            first,
            places: VecDeque::with_capacity(capacity / 128 + 64),
        }
    }

    /// Forgets the entries at and below `index`.
    #[cfg(feature = "raft-rs")]
    pub(super) fn compact(&mut self, index: u64) {
        while self.first <= index && self.places.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// Copies the payload of entry `index` in; whatever stood at or above it is gone.
    pub(super) fn write(&mut self, index: u64, payload: &[u8]) {
        let keep = usize::try_from(index - self.first).unwrap_or(usize::MAX);
        assert!(keep <= self.places.len(), "a log has no gaps");
        while self.places.len() > keep {
            self.places.pop_back();
        }
        let capacity = self.bytes.len();
        let mut at = self.offset(self.end);
        if at + payload.len() > capacity {
            self.end += (capacity - at) as u64;
            at = 0;
        }
        self.bytes[at..at + payload.len()].copy_from_slice(payload);
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.places.push_back((self.end, len));
        self.end += payload.len() as u64;
        // What was overwritten, or soon will be, is not held any more.
        let held_from = self.end.saturating_sub(capacity as u64 / 2);
        while self.places.front().is_some_and(|place| place.0 < held_from) {
            self.places.pop_front();
            self.first += 1;
        }
    }

    /// The payload of entry `index`.
    pub(super) fn read(&self, index: u64) -> &[u8] {
        let offset = usize::try_from(index - self.first).unwrap_or(usize::MAX);
        let (place, len) = self.places[offset];
        let at = self.offset(place);
        &self.bytes[at..at + len as usize]
    }

    /// The first and the last entry that are held.
    #[cfg(feature = "raft-rs")]
    pub(super) fn range(&self) -> (u64, u64) {
        (self.first, self.first + self.places.len() as u64 - 1)
    }

    fn offset(&self, place: u64) -> usize {
        usize::try_from(place % self.bytes.len() as u64).unwrap_or(0)
    }
}

/// What a state machine would do with a payload: copies it out and adds it up.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    /// The last entry.
    pub(super) index: u64,
    /// Payloads that were not empty.
    pub(super) count: u64,
    sum: u64,
    copy: Vec<u8>,
}

impl Applied {
    pub(super) fn new() -> Self {
        Self {
            index: 0,
            count: 0,
            sum: 0,
            copy: Vec::with_capacity(4_096),
        }
    }

    /// The next entry of the log.
    pub(super) fn apply(&mut self, index: u64, payload: &[u8]) {
        assert_eq!(index, self.index + 1, "entries are applied in order");
        self.index = index;
        if payload.is_empty() {
            return;
        }
        self.copy.clear();
        self.copy.extend_from_slice(payload);
        let word = |at: usize| {
            let bytes = self.copy[at..at + 8].try_into().unwrap_or_default();
            u64::from_le_bytes(bytes)
        };
        self.count += 1;
        self.sum = self.sum.rotate_left(7) ^ word(0) ^ word(payload.len() - 8);
    }

    /// Equal where the same payloads were applied in the same order.
    pub(super) fn digest(&self) -> (u64, u64) {
        (self.count, self.sum)
    }
}
