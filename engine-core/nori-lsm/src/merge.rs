//! Several sorted sources as one.
//!
//! **Invariant: forward, the merge stands on the smallest entry of all its sources; backward, on
//! the largest.** Entries ascend by user key, then descend by seqno. The sources stand in a heap by
//! their entries; the first bytes of each key lie in the heap itself and decide most comparisons.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::Error;
use crate::source::Source;

/// Goes through all entries of its sources in order. It is positioned by one of the seeks and then
/// moved in that seek's direction only.
#[derive(Debug)]
pub(crate) struct Merge {
    sources: Vec<Source>,
    /// The valid ones; the first stands on the current entry.
    heap: Vec<Head>,
    is_forward: bool,
}

/// A source in the heap.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// The first bytes of its key, as a number; a shorter key ends in zeroes.
    prefix: u128,
    source: usize,
}

impl Merge {
    /// Of `sources` in any order: no two hold the same version of a key.
    pub(crate) const fn new(sources: Vec<Source>) -> Self {
        Self {
            sources,
            heap: Vec::new(),
            is_forward: true,
        }
    }

    /// The source that stands on the current entry.
    pub(crate) fn current(&self) -> Option<&Source> {
        Some(&self.sources[self.heap.first()?.source])
    }

    /// The place of that source among those given.
    pub(crate) fn current_index(&self) -> Option<usize> {
        Some(self.heap.first()?.source)
    }

    /// To the first entry at or after user key `from`; `None` is the very first.
    pub(crate) fn seek(&mut self, from: Option<&[u8]>) -> Result<(), Error> {
        self.heap.clear();
        self.is_forward = true;
        for source in &mut self.sources {
            match from {
                Some(user) => source.seek(user)?,
                None => source.seek_to_first()?,
            }
        }
        self.build();
        Ok(())
    }

    /// To the last entry before user key `to`; `None` is the very last.
    pub(crate) fn seek_before(&mut self, to: Option<&[u8]>) -> Result<(), Error> {
        self.heap.clear();
        self.is_forward = false;
        for source in &mut self.sources {
            match to {
                Some(user) => source.seek_before(user)?,
                None => source.seek_to_last()?,
            }
        }
        self.build();
        Ok(())
    }

    /// To the next entry. Nothing happens behind the last.
    pub(crate) fn next(&mut self) -> Result<(), Error> {
        debug_assert!(self.is_forward, "the merge goes forward");
        self.step(Source::next)
    }

    /// To the entry before. Nothing happens before the first.
    pub(crate) fn prev(&mut self) -> Result<(), Error> {
        debug_assert!(!self.is_forward, "the merge goes backward");
        self.step(Source::prev)
    }

    /// Moves the current source alone: forward to its first entry at or after `user`, backward to
    /// its last before.
    pub(crate) fn jump(&mut self, user: &[u8]) -> Result<(), Error> {
        let is_forward = self.is_forward;
        self.step(|source| match is_forward {
            true => source.seek(user),
            false => source.seek_before(user),
        })
    }

    fn step(&mut self, by: impl FnOnce(&mut Source) -> Result<(), Error>) -> Result<(), Error> {
        let Some(first) = self.heap.first_mut() else {
            return Ok(());
        };
        let source = &mut self.sources[first.source];
        if let Err(error) = by(source) {
            self.heap.clear();
            return Err(error);
        }
        match source.is_valid() {
            true => first.prefix = prefix(source.key().user),
            false => {
                self.heap.swap_remove(0);
            }
        }
        self.sift_down(0);
        Ok(())
    }

    fn build(&mut self) {
        for (index, source) in self.sources.iter().enumerate() {
            if source.is_valid() {
                self.heap.push(Head {
                    prefix: prefix(source.key().user),
                    source: index,
                });
            }
        }
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let Some(mut child) = self.heap.get(left).map(|_| left) else {
                return;
            };
            if left + 1 < self.heap.len() && self.is_before(left + 1, left) {
                child = left + 1;
            }
            if !self.is_before(child, at) {
                return;
            }
            self.heap.swap(child, at);
            at = child;
        }
    }

    /// Whether the entry of heap place `a` comes before that of `b`, in the merge's direction.
    #[inline]
    fn is_before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.heap[a], &self.heap[b]);
        let order = match a.prefix.cmp(&b.prefix) {
            Ordering::Equal => {
                let (a, b) = (&self.sources[a.source], &self.sources[b.source]);
                a.key().cmp(&b.key())
            }
            order => order,
        };
        match self.is_forward {
            true => order == Ordering::Less,
            false => order == Ordering::Greater,
        }
    }
}

#[inline]
fn prefix(key: &[u8]) -> u128 {
    match key.first_chunk() {
        Some(first) => u128::from_be_bytes(*first),
        None => {
            let mut first = [0; size_of::<u128>()];
            first[..key.len()].copy_from_slice(key);
            u128::from_be_bytes(first)
        }
    }
}
