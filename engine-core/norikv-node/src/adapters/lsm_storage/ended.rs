//! Takes away values that have ended.
//!
//! **Invariant: a value goes only if it has ended by the replicated time that its group would have
//! after a crash.** The log is replayed from the flushed state; a value that an entry met the first
//! time must be there for it again.

use alloc::vec::Vec;

use nori_env::sync::{AtomicU64, Ordering};
use nori_lsm::{CompactionFilter, FilterDecision};
use norikv_placement::Placement;
use norikv_types::{GroupId, WallMs};

use crate::state_machine::{ends_at, shard_in};

/// The replicated time of each group, as far as it is flushed.
#[derive(Debug)]
pub(super) struct Ended {
    placement: Placement,
    /// By group.
    stamps: Vec<AtomicU64>,
}

impl Ended {
    /// Knows of no time yet, so it takes nothing.
    pub(super) fn new(placement: Placement) -> Self {
        let stamps = placement.groups().map(|_| AtomicU64::new(0)).collect();
        Self { placement, stamps }
    }

    /// The group's state at this time is on disk.
    pub(super) fn flushed(&self, group: GroupId, stamp: WallMs) {
        if let Some(known) = self.of(group) {
            known.fetch_max(stamp.0, Ordering::AcqRel);
        }
    }

    /// The group's state is gone; one that comes begins at its own time, which may be earlier.
    pub(super) fn forget(&self, group: GroupId) {
        if let Some(known) = self.of(group) {
            known.store(0, Ordering::Release);
        }
    }

    fn of(&self, group: GroupId) -> Option<&AtomicU64> {
        self.stamps.get(usize::try_from(group.0).ok()?)
    }
}

impl CompactionFilter for Ended {
    fn filter(&self, key: &[u8], value: &[u8]) -> FilterDecision {
        let gone = || {
            let at = ends_at(value)?;
            let stamp = self.of(self.placement.group_of(shard_in(key)?))?;
            Some(at.0 <= stamp.load(Ordering::Acquire))
        };
        match gone() {
            Some(true) => FilterDecision::Remove,
            Some(false) | None => FilterDecision::Keep,
        }
    }
}
