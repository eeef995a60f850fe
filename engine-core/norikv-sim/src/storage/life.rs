//! One life of the store: from an opening to a crash, a clean end, or the end of the run.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use nori_lsm::{Iter, Job, Lsm, Snapshot};

/// An open store and everything that holds on to it.
#[derive(Debug)]
pub(super) struct Life {
    /// Given up first: jobs, iterators and snapshots before the store.
    pub(super) jobs: Vec<Job>,
    pub(super) iterators: Vec<HeldIterator>,
    pub(super) snapshots: Vec<HeldSnapshot>,
    pub(super) lsm: Lsm,
    /// Operations of the disk failed in this life.
    pub(super) troubled: bool,
    /// One of them in a way after which nothing more is made durable.
    pub(super) wounded: bool,
}

/// A snapshot and what it should show.
#[derive(Debug)]
pub(super) struct HeldSnapshot {
    pub(super) snapshot: Snapshot,
    pub(super) content: BTreeMap<Bytes, Bytes>,
}

/// An iterator and what it should still give.
#[derive(Debug)]
pub(super) struct HeldIterator {
    pub(super) iter: Iter,
    pub(super) left: VecDeque<(Bytes, Bytes)>,
}

impl Life {
    pub(super) const fn new(lsm: Lsm) -> Self {
        Self {
            jobs: Vec::new(),
            iterators: Vec::new(),
            snapshots: Vec::new(),
            lsm,
            troubled: false,
            wounded: false,
        }
    }

    /// Lets go of everything but the store itself.
    pub(super) fn let_go(&mut self) {
        self.jobs.clear();
        self.iterators.clear();
        self.snapshots.clear();
    }
}
