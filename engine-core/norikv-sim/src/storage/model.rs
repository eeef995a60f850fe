//! What the store should hold.
//!
//! **Invariant: undoing the applied batches from the last to the first gives every state that the
//! store was ever in.** So a store that lost its newest writes can be told from one that has a hole.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use nori_lsm::WriteBatch;

/// The expected content, and how it came about.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// What readers see.
    pub(super) content: BTreeMap<Bytes, Bytes>,
    /// The seqno of the last write that readers see.
    pub(super) seqno: u64,
    /// Batches whose write failed: each may or may not be written, and in this order.
    pub(super) uncertain: VecDeque<Batch>,
    applied: Vec<Applied>,
}

/// Writes that belong together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Counts every batch that was ever tried.
    pub(super) attempt: u64,
    /// Keys with their new values; `None` deletes. The first is the slot.
    pub(super) writes: Vec<(Bytes, Option<Bytes>)>,
}

/// A batch that is visible, and what it took away.
#[derive(Debug)]
struct Applied {
    attempt: u64,
    seqno_before: u64,
    undo: Vec<(Bytes, Option<Bytes>)>,
}

impl Batch {
    /// A batch that also writes its own number into one of a few slots, which tells later whether
    /// it was written.
    pub(super) fn new(attempt: u64, mut writes: Vec<(Bytes, Option<Bytes>)>) -> Self {
        let number = Bytes::copy_from_slice(&attempt.to_be_bytes());
        writes.insert(0, (slot_key(attempt), Some(number)));
        Self { attempt, writes }
    }

    /// Takes the last write for one of another value.
    pub(super) fn forget_last(&mut self) {
        if let Some((_, value)) = self.writes.last_mut() {
            *value = Some(Bytes::from_static(b"misremembered"));
        }
    }

    pub(super) fn to_write_batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::new();
        for (key, value) in &self.writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        batch
    }

    /// Its key that tells whether it was written, and the value there if it was.
    pub(super) fn slot(&self) -> (&Bytes, &Bytes) {
        match self.writes.first() {
            Some((key, Some(value))) => (key, value),
            _ => unreachable!("a batch begins with its slot"),
        }
    }
}

impl Model {
    /// `batch` became visible.
    pub(super) fn apply(&mut self, batch: Batch) {
        let seqno_before = self.seqno;
        self.seqno += batch.writes.len() as u64;
        let mut undo = Vec::with_capacity(batch.writes.len());
        for (key, value) in batch.writes {
            let old = match value {
                Some(value) => self.content.insert(key.clone(), value),
                None => self.content.remove(&key),
            };
            undo.push((key, old));
        }
        self.applied.push(Applied {
            attempt: batch.attempt,
            seqno_before,
            undo,
        });
    }

    /// Undoes every batch after `attempt`; returns how many.
    pub(super) fn undo_after(&mut self, attempt: u64) -> u32 {
        let mut undone = 0;
        while let Some(last) = self.applied.pop_if(|last| last.attempt > attempt) {
            undone += 1;
            self.seqno = last.seqno_before;
            for (key, old) in last.undo.into_iter().rev() {
                match old {
                    Some(old) => self.content.insert(key, old),
                    None => self.content.remove(&key),
                };
            }
        }
        undone
    }

    /// The number of the last batch that is visible; 0 when none is.
    pub(super) fn last_attempt(&self) -> u64 {
        self.applied.last().map_or(0, |last| last.attempt)
    }

    /// Nothing was ever written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The highest number in the slots of `content`; 0 when there is none.
pub(super) fn newest_slot(content: &[(Bytes, Bytes)]) -> u64 {
    let slots = content.iter().filter(|(key, _)| key.starts_with(SLOT));
    let numbers = slots.filter_map(|(_, value)| value.first_chunk());
    numbers.map(|be| u64::from_be_bytes(*be)).max().unwrap_or(0)
}

fn slot_key(attempt: u64) -> Bytes {
    let mut key = SLOT.to_vec();
    key.push(u8::try_from(attempt % SLOTS).unwrap_or(0));
    Bytes::from(key)
}

/// More uncertain batches than this are never kept.
pub(super) const UNCERTAIN_MAX: usize = 8;
const SLOTS: u64 = 16;
const SLOT: &[u8] = b"slot";
