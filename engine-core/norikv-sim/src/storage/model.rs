//! What the store should hold.
//!
//! **Invariant: undoing the applied batches from the last to the first gives every state that the
//! store was ever in.** So a store that lost its newest writes can be told from one that has a hole.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use nori_lsm::WriteBatch;
use norikv_types::WallMs;

use super::write::{SLOT, Write};

/// The expected content, and how it came about.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// What readers see, and what has ended.
    content: BTreeMap<Bytes, Entry>,
    /// The seqno of the last write that readers see.
    pub(super) seqno: u64,
    /// Batches whose write failed: each may or may not be written, and in this order.
    pub(super) uncertain: VecDeque<Batch>,
    applied: Vec<Applied>,
}

/// A key that was not deleted.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// A value, and when it ends.
    base: Option<(Bytes, Option<WallMs>)>,
    /// The oldest first.
    operands: Vec<Bytes>,
    /// The number of the last write.
    version: u64,
}

/// Writes that belong together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Counts every batch that was ever tried.
    pub(super) attempt: u64,
    /// The last is the slot.
    pub(super) writes: Vec<Write>,
}

/// A batch that is visible, and what it took away.
#[derive(Debug)]
struct Applied {
    attempt: u64,
    seqno_before: u64,
    undo: Vec<(Bytes, Option<Entry>)>,
}

impl Batch {
    /// A batch that also writes its own number into one of a few slots, which tells later whether
    /// it was written.
    pub(super) fn new(attempt: u64, mut writes: Vec<Write>) -> Self {
        let number = Bytes::copy_from_slice(&attempt.to_be_bytes());
        writes.push(Write::Put(slot_key(attempt), number));
        Self { attempt, writes }
    }

    /// Takes the first write for one of another value.
    pub(super) fn forget_first(&mut self) {
        if let [first, _, ..] = &mut self.writes[..]
            && let Write::Put(key, _) | Write::Delete(key) | Write::Expiring(key, ..) = first
        {
            *first = Write::Put(key.clone(), Bytes::from_static(b"misremembered"));
        }
    }

    pub(super) fn to_write_batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::new();
        self.writes
            .iter()
            .for_each(|write| write.add_to(&mut batch));
        batch
    }

    /// Its key that tells whether it was written, and the value there if it was.
    pub(super) fn slot(&self) -> (&Bytes, &Bytes) {
        match self.writes.last() {
            Some(Write::Put(key, value)) => (key, value),
            _ => unreachable!("a batch ends with its slot"),
        }
    }
}

impl Entry {
    /// What it reads as at `now`.
    fn read(&self, now: WallMs) -> Option<Bytes> {
        let base = self
            .base
            .as_ref()
            .filter(|(_, ends)| ends.is_none_or(|at| at > now));
        if self.operands.is_empty() {
            return base.map(|(value, _)| value.clone());
        }
        let mut value = base.map_or(Vec::new(), |(value, _)| value.to_vec());
        self.operands
            .iter()
            .for_each(|operand| value.extend_from_slice(operand));
        Some(value.into())
    }
}

impl Model {
    /// `batch` became visible.
    pub(super) fn apply(&mut self, batch: Batch) {
        let seqno_before = self.seqno;
        self.seqno += batch.writes.len() as u64;
        let mut undo = Vec::with_capacity(batch.writes.len());
        for (version, write) in (seqno_before + 1..).zip(batch.writes) {
            change(&mut self.content, version, write, &mut undo);
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

    /// What readers see at `now`.
    pub(super) fn visible(&self, now: WallMs) -> BTreeMap<Bytes, Bytes> {
        let all = self.content.iter();
        all.filter_map(|(key, entry)| Some((key.clone(), entry.read(now)?)))
            .collect()
    }

    pub(super) fn get(&self, key: &[u8], now: WallMs) -> Option<Bytes> {
        self.content.get(key)?.read(now)
    }

    /// The version of `key`, if it is there.
    pub(super) fn version(&self, key: &[u8], now: WallMs) -> Option<u64> {
        let entry = self.content.get(key)?;
        entry.read(now).map(|_| entry.version)
    }

    /// What readers would see at `now` after `writes`.
    pub(super) fn visible_after(&self, writes: &[Write], now: WallMs) -> BTreeMap<Bytes, Bytes> {
        let mut later = Self {
            content: self.content.clone(),
            ..Self::default()
        };
        for write in writes {
            change(&mut later.content, 0, write.clone(), &mut Vec::new());
        }
        later.visible(now)
    }

    /// Nothing was ever written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Carries out `write`, and notes what it took away.
fn change(
    content: &mut BTreeMap<Bytes, Entry>,
    version: u64,
    write: Write,
    undo: &mut Vec<(Bytes, Option<Entry>)>,
) {
    let value = |value, ends| Entry {
        base: Some((value, ends)),
        operands: Vec::new(),
        version,
    };
    let (key, entry) = match write {
        Write::Put(key, put) => (key, Some(value(put, None))),
        Write::Expiring(key, put, at) => (key, Some(value(put, Some(at)))),
        Write::Delete(key) => (key, None),
        Write::Merge(key, operand) => {
            let mut entry = content.get(&key).cloned().unwrap_or_default();
            entry.operands.push(operand);
            entry.version = version;
            (key, Some(entry))
        }
        Write::Range(from, to) => {
            let gone: Vec<_> = (content.range(from..to))
                .map(|(key, _)| key.clone())
                .collect();
            for key in gone {
                let old = content.remove(&key);
                undo.push((key, old));
            }
            return;
        }
    };
    let old = match entry {
        Some(entry) => content.insert(key.clone(), entry),
        None => content.remove(&key),
    };
    undo.push((key, old));
}

/// The highest number in the slots of `content`; 0 when there is none.
pub(super) fn newest_slot(content: &[(Bytes, Bytes)]) -> u64 {
    let slots = content.iter().filter(|(key, _)| key.starts_with(SLOT));
    let numbers = slots.filter_map(|(_, value)| value.first_chunk());
    numbers.map(|be| u64::from_be_bytes(*be)).max().unwrap_or(0)
}

pub(super) fn slot_key(attempt: u64) -> Bytes {
    let mut key = SLOT.to_vec();
    key.push(u8::try_from(attempt % SLOTS).unwrap_or(0));
    Bytes::from(key)
}

/// More uncertain batches than this are never kept.
pub(super) const UNCERTAIN_MAX: usize = 8;
const SLOTS: u64 = 16;
