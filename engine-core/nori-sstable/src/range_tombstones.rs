//! Deletions of whole ranges of user keys, cut where they overlap.
//!
//! **Invariant: fragments ascend and are disjoint, none is empty, and the sequence numbers of each
//! strictly descend.** So the tombstones over one key stand in one fragment, which a binary search
//! finds.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use bytes::Bytes;

use crate::SeqNo;

pub(crate) mod codec;

/// Deletes every version of the user keys in `start..end` that is older than `seqno`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeTombstone {
    /// The first user key that it deletes.
    pub start: Bytes,
    /// The first user key behind it that it does not delete.
    pub end: Bytes,
    /// The place of the deletion in the order of writes.
    pub seqno: SeqNo,
}

/// An immutable set of range tombstones; clones share its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeTombstones {
    fragments: Arc<[RangeFragment]>,
    /// Sequence numbers over all fragments.
    count: u64,
}

/// A range whose keys are all deleted by the same tombstones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeFragment {
    start: Bytes,
    end: Bytes,
    seqnos: Arc<[SeqNo]>,
}

impl RangeTombstones {
    /// The set of all tombstones in `list`, in any order; empty ranges delete nothing and are left
    /// out.
    ///
    /// Cost: n log n comparisons, and a sequence number for each tombstone in each fragment that it
    /// covers: n² of them if all ranges overlap. [`newest`](Self::newest) has no such worst case.
    #[must_use]
    pub fn new(list: impl IntoIterator<Item = RangeTombstone>) -> Self {
        sweep(list, |active| {
            active.keys().map(|Reverse(seqno)| *seqno).collect()
        })
    }

    /// As [`new`](Self::new), but of the tombstones over a key only the newest stays: right where
    /// nobody reads as of an earlier moment.
    #[must_use]
    pub fn newest(list: impl IntoIterator<Item = RangeTombstone>) -> Self {
        sweep(list, |active| {
            let newest = active.keys().next();
            newest.map(|Reverse(seqno)| *seqno).into_iter().collect()
        })
    }

    /// The set of all tombstones of several sets.
    #[must_use]
    pub fn merge<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sets = sets.into_iter().filter(|set| !set.is_empty());
        let Some(first) = sets.next() else {
            return Self::default();
        };
        match sets.next() {
            None => first.clone(),
            Some(second) => {
                let all = [first, second].into_iter().chain(sets);
                Self::new(all.flat_map(Self::iter))
            }
        }
    }

    /// The newest tombstone over `user_key` at or below `at`. It deletes the versions of the key
    /// that are older than it.
    #[must_use]
    #[inline]
    pub fn covering(&self, user_key: &[u8], at: SeqNo) -> Option<SeqNo> {
        self.fragment_of(user_key)?.newest(at)
    }

    /// The oldest of the newest tombstones at or below `at` over each key of the closed range
    /// `from..=to`; `None` if any key of it is under none. What is older everywhere in the range
    /// is deleted.
    #[must_use]
    pub fn covering_range(&self, from: &[u8], to: &[u8], at: SeqNo) -> Option<SeqNo> {
        let mut reached = from;
        let mut oldest = None;
        for fragment in self.fragments.get(self.locate(from)..)? {
            if *fragment.start > *reached {
                return None;
            }
            let newest = fragment.newest(at)?;
            oldest = Some(oldest.map_or(newest, |oldest: SeqNo| oldest.min(newest)));
            if *fragment.end > *to {
                return oldest;
            }
            reached = &fragment.end;
        }
        None
    }

    /// The fragment over `user_key`.
    #[must_use]
    #[inline]
    pub fn fragment_of(&self, user_key: &[u8]) -> Option<&RangeFragment> {
        if self.fragments.is_empty() {
            return None;
        }
        let fragment = self.fragments.get(self.locate(user_key))?;
        (*fragment.start <= *user_key).then_some(fragment)
    }

    /// All fragments, ascending.
    #[must_use]
    pub fn fragments(&self) -> &[RangeFragment] {
        &self.fragments
    }

    /// One tombstone for each sequence number of each fragment: by start ascending, then the
    /// newest first.
    pub fn iter(&self) -> impl Iterator<Item = RangeTombstone> + '_ {
        self.fragments.iter().flat_map(|fragment| {
            fragment.seqnos.iter().map(|seqno| RangeTombstone {
                start: fragment.start.clone(),
                end: fragment.end.clone(),
                seqno: *seqno,
            })
        })
    }

    /// What lies at or behind `from` and before `to`; `None` is no bound.
    #[must_use]
    pub fn clip(&self, from: Option<&[u8]>, to: Option<&[u8]>) -> Self {
        let first = from.map_or(0, |from| self.locate(from));
        let mut kept = Vec::new();
        for fragment in self.fragments.get(first..).unwrap_or(&[]) {
            let mut fragment = fragment.clone();
            if let Some(from) = from.filter(|from| **from > *fragment.start) {
                fragment.start = Bytes::copy_from_slice(from);
            }
            if let Some(to) = to.filter(|to| **to < *fragment.end) {
                fragment.end = Bytes::copy_from_slice(to);
            }
            if fragment.start >= fragment.end {
                break;
            }
            kept.push(fragment);
        }
        Self::from_fragments(kept)
    }

    /// Whether it deletes nothing.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// The number of tombstones that [`iter`](Self::iter) gives.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// The first key that any of them deletes, and the first behind the last.
    #[must_use]
    pub fn bounds(&self) -> Option<(&Bytes, &Bytes)> {
        Some((&self.fragments.first()?.start, &self.fragments.last()?.end))
    }

    /// Bytes of keys and sequence numbers, for accounting.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = |fragment: &RangeFragment| {
            (fragment.start.len() + fragment.end.len() + 8 * fragment.seqnos.len()) as u64
        };
        self.fragments.iter().map(bytes).sum()
    }

    /// The first fragment that ends behind `user_key`.
    #[inline]
    fn locate(&self, user_key: &[u8]) -> usize {
        self.fragments
            .partition_point(|fragment| *fragment.end <= *user_key)
    }

    /// Takes fragments over that fulfil the invariant.
    fn from_fragments(fragments: Vec<RangeFragment>) -> Self {
        debug_assert!(
            fragments.iter().all(|fragment| {
                fragment.start < fragment.end
                    && !fragment.seqnos.is_empty()
                    && fragment.seqnos.is_sorted_by(|a, b| a > b)
            }) && fragments.is_sorted_by(|a, b| a.end <= b.start),
            "fragments ascend and their seqnos descend"
        );
        Self {
            count: fragments.iter().map(|f| f.seqnos.len() as u64).sum(),
            fragments: fragments.into(),
        }
    }
}

impl RangeFragment {
    /// The first user key in it.
    #[must_use]
    pub fn start(&self) -> &Bytes {
        &self.start
    }

    /// The first user key behind it.
    #[must_use]
    pub fn end(&self) -> &Bytes {
        &self.end
    }

    /// Its tombstones, the newest first.
    #[must_use]
    pub fn seqnos(&self) -> &[SeqNo] {
        &self.seqnos
    }

    /// Its newest tombstone at or below `at`.
    #[must_use]
    #[inline]
    pub fn newest(&self, at: SeqNo) -> Option<SeqNo> {
        let later = self.seqnos.partition_point(|seqno| *seqno > at);
        self.seqnos.get(later).copied()
    }
}

impl FromIterator<RangeTombstone> for RangeTombstones {
    fn from_iter<T: IntoIterator<Item = RangeTombstone>>(list: T) -> Self {
        Self::new(list)
    }
}

/// Goes over all bounds in order with the set of tombstones that cover what lies behind each;
/// `keep` says which of them count. Neighbours with equal tombstones become one fragment.
fn sweep(
    list: impl IntoIterator<Item = RangeTombstone>,
    keep: impl Fn(&BTreeMap<Reverse<SeqNo>, u32>) -> Vec<SeqNo>,
) -> RangeTombstones {
    let mut bounds: Vec<(Bytes, SeqNo, bool)> = Vec::new();
    for tombstone in list {
        if tombstone.start < tombstone.end {
            bounds.push((tombstone.start, tombstone.seqno, true));
            bounds.push((tombstone.end, tombstone.seqno, false));
        }
    }
    bounds.sort_unstable();
    let mut active: BTreeMap<Reverse<SeqNo>, u32> = BTreeMap::new();
    let mut fragments: Vec<RangeFragment> = Vec::new();
    let mut groups = bounds.chunk_by(|a, b| a.0 == b.0).peekable();
    while let Some(group) = groups.next() {
        for (_, seqno, begins) in group {
            let depth = active.entry(Reverse(*seqno)).or_default();
            if *begins {
                *depth += 1;
            } else if *depth > 1 {
                *depth -= 1;
            } else {
                // A range that begins at this key sorts behind one that ends here: never below 0.
                active.remove(&Reverse(*seqno));
            }
        }
        let (Some((start, ..)), Some((end, ..))) =
            (group.first(), groups.peek().and_then(|next| next.first()))
        else {
            break;
        };
        let seqnos = keep(&active);
        if seqnos.is_empty() {
            continue;
        }
        match fragments.last_mut() {
            Some(last) if last.end == *start && *last.seqnos == *seqnos => last.end = end.clone(),
            _ => fragments.push(RangeFragment {
                start: start.clone(),
                end: end.clone(),
                seqnos: seqnos.into(),
            }),
        }
    }
    RangeTombstones::from_fragments(fragments)
}

#[cfg(test)]
mod tests;
