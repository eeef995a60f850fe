//! Which objects there are, and which a crash may take or give back.
//!
//! **Invariant: a name change survives only if every change before the last barrier ahead of it
//! does, and every earlier change of the same name.** Syncing an object makes its own name durable,
//! and by the rule everything ordered before it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use nori_env::ObjectId;
use nori_env::sync::Mutex;
use norikv_types::Prng;

use super::inode::InodeRef;

#[derive(Debug, Default)]
pub(super) struct Names {
    live: BTreeMap<ObjectId, InodeRef>,
    durable: BTreeMap<ObjectId, InodeRef>,
    pending: Vec<Change>,
    /// Barriers so far.
    epoch: u64,
}

#[derive(Debug, Clone)]
struct Change {
    epoch: u64,
    removes: Option<ObjectId>,
    adds: Option<(ObjectId, InodeRef)>,
}

impl Names {
    pub(super) fn live(&self, id: ObjectId) -> Option<InodeRef> {
        self.live.get(&id).cloned()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ObjectId, &InodeRef)> {
        self.live.iter().map(|(id, inode)| (*id, inode))
    }

    pub(super) fn add(&mut self, id: ObjectId, inode: InodeRef) {
        inode.lock().links += 1;
        self.live.insert(id, Arc::clone(&inode));
        self.change(None, Some((id, inode)));
    }

    pub(super) fn rename(&mut self, old: ObjectId, new: ObjectId, inode: InodeRef) {
        self.live.remove(&old);
        self.live.insert(new, Arc::clone(&inode));
        self.change(Some(old), Some((new, inode)));
    }

    pub(super) fn remove(&mut self, id: ObjectId) -> Option<InodeRef> {
        let inode = self.live.remove(&id)?;
        inode.lock().links -= 1;
        self.change(Some(id), None);
        Some(inode)
    }

    pub(super) const fn barrier(&mut self) {
        self.epoch += 1;
    }

    /// `id` was synced: its existence survives from now on.
    pub(super) fn make_durable(&mut self, id: ObjectId) {
        let adds = |change: &Change| change.adds.as_ref().is_some_and(|(own, _)| *own == id);
        let Some(last) = self.pending.iter().rposition(adds) else {
            return;
        };
        let epoch = self.pending[last].epoch;
        let mut survives: Vec<bool> = self
            .pending
            .iter()
            .map(|change| change.epoch < epoch)
            .collect();
        survives[last] = true;
        self.close_over_names(&mut survives);
        let pending = core::mem::take(&mut self.pending);
        for (change, survives) in pending.into_iter().zip(survives) {
            if survives {
                change.apply(&mut self.durable);
            } else {
                self.pending.push(change);
            }
        }
    }

    /// Draws which pending changes survive and makes that the truth. Returns how many did not.
    pub(super) fn crash(&mut self, prng: &mut Prng) -> u64 {
        let first = self
            .pending
            .first()
            .map_or(self.epoch, |change| change.epoch);
        let cut = first + prng.below(self.epoch - first + 2);
        let mut survives: Vec<bool> = self
            .pending
            .iter()
            .map(|change| change.epoch < cut || (change.epoch == cut && prng.chance_ppm(500_000)))
            .collect();
        self.close_over_names(&mut survives);
        let mut lost = 0;
        for (change, survives) in core::mem::take(&mut self.pending).into_iter().zip(survives) {
            if survives {
                change.apply(&mut self.durable);
            } else {
                lost += 1;
            }
        }
        self.live = self.durable.clone();
        self.epoch = 0;
        for inode in self.live.values() {
            inode.lock().links = 0;
        }
        for inode in self.live.values() {
            inode.lock().links += 1;
        }
        lost
    }

    /// A deep copy in which shared inodes stay shared.
    pub(super) fn fork(&self) -> Self {
        let mut copies: Vec<(InodeRef, InodeRef)> = vec![];
        let mut copy = |inode: &InodeRef| -> InodeRef {
            if let Some((_, copy)) = copies.iter().find(|(own, _)| Arc::ptr_eq(own, inode)) {
                return Arc::clone(copy);
            }
            let copy = Arc::new(Mutex::new(inode.lock().clone()));
            copies.push((Arc::clone(inode), Arc::clone(&copy)));
            copy
        };
        Self {
            live: self.live.iter().map(|(id, own)| (*id, copy(own))).collect(),
            durable: self
                .durable
                .iter()
                .map(|(id, own)| (*id, copy(own)))
                .collect(),
            pending: self
                .pending
                .iter()
                .map(|change| Change {
                    epoch: change.epoch,
                    removes: change.removes,
                    adds: change.adds.as_ref().map(|(id, own)| (*id, copy(own))),
                })
                .collect(),
            epoch: self.epoch,
        }
    }

    fn change(&mut self, removes: Option<ObjectId>, adds: Option<(ObjectId, InodeRef)>) {
        self.pending.push(Change {
            epoch: self.epoch,
            removes,
            adds,
        });
    }

    /// A change survives with every earlier change of the names it touches.
    fn close_over_names(&self, survives: &mut [bool]) {
        let mut touched = BTreeSet::new();
        for (change, survives) in self.pending.iter().zip(survives).rev() {
            let names = change
                .removes
                .into_iter()
                .chain(change.adds.as_ref().map(|(id, _)| *id));
            *survives = *survives || names.clone().any(|id| touched.contains(&id));
            if *survives {
                touched.extend(names);
            }
        }
    }
}

impl Change {
    fn apply(self, names: &mut BTreeMap<ObjectId, InodeRef>) {
        if let Some(id) = self.removes {
            names.remove(&id);
        }
        if let Some((id, inode)) = self.adds {
            names.insert(id, inode);
        }
    }
}
