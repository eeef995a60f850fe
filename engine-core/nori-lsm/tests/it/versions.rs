//! What a store with keyspaces, deleted ranges, operands, values that end, compare-and-set and
//! transactions has to say, by a `BTreeMap`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nori_lsm::{MergeOperator, MergeRefused, SeqNo};
use norikv_types::WallMs;

/// Appends operands, and refuses nothing.
#[derive(Debug)]
pub(crate) struct Append;

impl MergeOperator for Append {
    fn merge(&self, _: &[u8], older: Option<&[u8]>, newer: &[u8]) -> Result<Vec<u8>, MergeRefused> {
        Ok([older.unwrap_or_default(), newer].concat())
    }
}

/// What was written to a key since it was put or deleted.
#[derive(Debug, Clone, Default)]
struct Cell {
    base: Option<(Vec<u8>, Option<WallMs>, SeqNo)>,
    operands: Vec<u8>,
    last: Option<SeqNo>,
}

/// Keys of all keyspaces, by keyspace and key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versions {
    cells: BTreeMap<(usize, Bytes), Cell>,
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put(u8, Vec<u8>),
    Expiring(u8, Vec<u8>, u64),
    Merge(u8, Vec<u8>),
    Delete(u8),
    DeleteRange(u8, u8),
}

pub(crate) fn key(number: u8) -> Bytes {
    Bytes::from(format!("key{number:02}"))
}

impl Versions {
    /// `write` as number `seqno`; false when it is none, for its range is empty.
    pub(crate) fn apply(&mut self, space: usize, write: &Write, now: WallMs, seqno: SeqNo) -> bool {
        let cell = |base| Cell {
            base,
            ..Cell::default()
        };
        match write {
            Write::Put(number, value) => {
                let base = Some((value.clone(), None, seqno));
                self.cells.insert((space, key(*number)), cell(base));
            }
            Write::Expiring(number, value, after) => {
                let end = WallMs(now.0 + after);
                let base = Some((value.clone(), Some(end), seqno));
                self.cells.insert((space, key(*number)), cell(base));
            }
            Write::Merge(number, operand) => {
                let cell = self.cells.entry((space, key(*number))).or_default();
                cell.operands.extend_from_slice(operand);
                cell.last = Some(seqno);
            }
            Write::Delete(number) => {
                self.cells.remove(&(space, key(*number)));
            }
            Write::DeleteRange(from, to) => {
                let (from, to) = (key(*from), key(*to));
                self.cells
                    .retain(|(of, key), _| *of != space || *key < from || *key >= to);
                return from < to;
            }
        }
        true
    }

    pub(crate) fn clear(&mut self, space: usize) {
        self.cells.retain(|(of, _), _| *of != space);
    }

    /// The value of a key and its version.
    pub(crate) fn get(&self, space: usize, key: &Bytes, now: WallMs) -> Option<(Bytes, SeqNo)> {
        self.cells.get(&(space, key.clone()))?.read(now)
    }

    pub(crate) fn range(
        &self,
        space: usize,
        from: &Bound<Bytes>,
        to: &Bound<Bytes>,
        now: WallMs,
    ) -> Vec<(Bytes, Bytes)> {
        let begins = |key: &Bytes| match from {
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
            Bound::Unbounded => true,
        };
        let ends = |key: &Bytes| match to {
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
            Bound::Unbounded => true,
        };
        self.cells
            .iter()
            .filter(|((of, key), _)| *of == space && begins(key) && ends(key))
            .filter_map(|((_, key), cell)| Some((key.clone(), cell.read(now)?.0)))
            .collect()
    }
}

impl Cell {
    fn read(&self, now: WallMs) -> Option<(Bytes, SeqNo)> {
        let alive = |end: &Option<WallMs>| end.is_none_or(|end| now < end);
        let base = self.base.as_ref().filter(|(_, end, _)| alive(end));
        let version = self.last.or_else(|| base.map(|(.., seqno)| *seqno))?;
        let mut value = base.map(|(value, ..)| value.clone()).unwrap_or_default();
        value.extend_from_slice(&self.operands);
        Some((value.into(), version))
    }
}

/// The operator of the tests, for [`KeyspaceOptions`](nori_lsm::KeyspaceOptions).
pub(crate) fn append() -> Option<Arc<dyn MergeOperator>> {
    Some(Arc::new(Append))
}
