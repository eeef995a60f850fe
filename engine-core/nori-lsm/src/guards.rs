//! The keys that cut levels into slots.
//!
//! **Invariant: a guard of a level is a guard of every level below it, and no table crosses a guard
//! of its level.** The key of a guard belongs to its right. Guards are born at the last level,
//! between two of its tables, when a slot has grown, and are taken over by the levels above as
//! those grow; one whose neighbourhood is empty is dropped.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use nori_sstable::TableMeta;

use crate::levels::Levels;
use crate::{LEVEL_COUNT, LEVEL_MAX};

/// A half-open range of user keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) from: Bytes,
    /// `None` is behind all keys.
    pub(crate) to: Option<Bytes>,
}

/// The guards of one level, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Slots {
    guards: Vec<Bytes>,
}

impl KeyRange {
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let begins_before = |a: &Self, b: &Self| b.to.as_ref().is_none_or(|to| a.from < *to);
        begins_before(self, other) && begins_before(other, self)
    }

    /// Whether a key of `meta` may lie in it.
    pub(crate) fn touches(&self, meta: &TableMeta) -> bool {
        !meta.ends_before(&self.from) && self.to.as_ref().is_none_or(|to| meta.smallest < *to)
    }
}

impl Slots {
    pub(crate) const fn new(guards: Vec<Bytes>) -> Self {
        Self { guards }
    }

    /// The guards of `level` out of all.
    pub(crate) fn of_level(guards: &BTreeMap<Bytes, u8>, level: u8) -> Self {
        let of_level = guards.iter().filter(|(_, from)| **from <= level);
        Self::new(of_level.map(|(key, _)| key.clone()).collect())
    }

    pub(crate) fn guards(&self) -> &[Bytes] {
        &self.guards
    }

    /// Slots: one more than guards.
    pub(crate) fn len(&self) -> usize {
        self.guards.len() + 1
    }

    /// The slot that `key` lies in.
    pub(crate) fn of(&self, key: &[u8]) -> usize {
        self.guards.partition_point(|guard| **guard <= *key)
    }

    /// The slots that keys of `meta` may lie in.
    pub(crate) fn of_table(&self, meta: &TableMeta) -> Range<usize> {
        let last = self
            .guards
            .partition_point(|guard| !meta.ends_before(guard));
        self.of(&meta.smallest)..last + 1
    }

    /// The slots that touch `range`.
    pub(crate) fn of_range(&self, range: &KeyRange) -> Range<usize> {
        let end = match &range.to {
            Some(to) => self.guards.partition_point(|guard| guard < to) + 1,
            None => self.len(),
        };
        self.of(&range.from)..end
    }

    /// The keys of slots `slots`.
    pub(crate) fn range(&self, slots: Range<usize>) -> KeyRange {
        let from = slots.start.checked_sub(1).map(|at| self.guards[at].clone());
        KeyRange {
            from: from.unwrap_or_default(),
            to: self.guards.get(slots.end - 1).cloned(),
        }
    }

    /// Whether a guard lies within `meta`.
    pub(crate) fn cuts(&self, meta: &TableMeta) -> bool {
        self.of_table(meta).len() > 1
    }
}

/// What changes about guards once tables of `range` were written to `level`, as fields of an edit.
/// `slot_bytes` is what a slot should hold; one of more than twice as much is split.
pub(crate) fn changes(
    levels: &Levels,
    level: u8,
    range: &KeyRange,
    slot_bytes: u64,
) -> Vec<(u8, Bytes)> {
    let mut changes = Vec::new();
    let slots = levels.slots(level);
    for slot in slots.of_range(range) {
        split(
            levels,
            level,
            &slots.range(slot..slot + 1),
            slot_bytes,
            &mut changes,
        );
    }
    if level == LEVEL_MAX {
        drop_empty(levels, range, slot_bytes / 4, &mut changes);
    }
    changes
}

/// Guards that cut `slot` of `level` into parts of about `slot_bytes`.
fn split(
    levels: &Levels,
    level: u8,
    slot: &KeyRange,
    slot_bytes: u64,
    changes: &mut Vec<(u8, Bytes)>,
) {
    let mut tables: Vec<&TableMeta> = levels
        .lanes(level)
        .iter()
        .flat_map(|lane| lane.touching(slot))
        .map(|table| table.meta())
        .collect();
    let mut left = tables.iter().map(|meta| meta.size).sum::<u64>();
    if left <= 2 * slot_bytes {
        return;
    }
    tables.sort_by(|a, b| a.smallest.cmp(&b.smallest));
    let below = (level < LEVEL_MAX).then(|| levels.slots(level + 1));
    let mut part = 0;
    let mut largest: Option<&TableMeta> = None;
    for table in tables {
        // A key that nothing of the level crosses and, further up, a guard of the level below.
        let free = largest.is_some_and(|before| before.ends_before(&table.smallest));
        let guard = match (free, below) {
            (false, _) => None,
            (true, None) => Some(table.smallest.clone()),
            (true, Some(below)) => {
                let guards = below.guards();
                let at = guards.partition_point(|guard| *guard <= table.smallest);
                let guard = at.checked_sub(1).map(|at| &guards[at]);
                guard
                    .filter(|guard| largest.is_some_and(|before| before.ends_before(guard)))
                    .cloned()
            }
        };
        if let Some(guard) = guard.filter(|guard| *guard > slot.from)
            && part >= slot_bytes
            && left >= slot_bytes
        {
            changes.push((level, guard));
            part = 0;
        }
        part += table.size;
        left -= table.size;
        let reach = |meta: &TableMeta| (meta.largest.clone(), !meta.largest_is_exclusive);
        if largest.is_none_or(|before| reach(before) < reach(table)) {
            largest = Some(table);
        }
    }
}

/// Drops guards of `range` with almost nothing on either side, in any level.
fn drop_empty(levels: &Levels, range: &KeyRange, few: u64, changes: &mut Vec<(u8, Bytes)>) {
    let slots = levels.slots(LEVEL_MAX);
    let touched = slots.of_range(range);
    let bytes = |slot: usize| -> u64 {
        let range = slots.range(slot..slot + 1);
        let tables = levels.runs().flat_map(|run| run.touching(&range));
        tables.map(|table| table.meta().size).sum()
    };
    let mut slot = touched.start.saturating_sub(1);
    while slot < touched.end && slot + 1 < slots.len() {
        if bytes(slot) + bytes(slot + 1) < few {
            changes.push((GUARD_DROPPED, slots.guards()[slot].clone()));
            // The next guard has this neighbourhood too: another time.
            slot += 1;
        }
        slot += 1;
    }
}

/// Folds `changes` into `guards`; `None` when they do not fit.
pub(crate) fn apply(guards: &mut BTreeMap<Bytes, u8>, changes: &[(u8, Bytes)]) -> Option<()> {
    for (level, key) in changes {
        let old = guards.get(key).copied();
        match *level {
            GUARD_DROPPED => drop(old.and_then(|_| guards.remove(key))?),
            // One that is there may come to cut upper levels too.
            level if level > 0 && level <= LEVEL_MAX && old.is_none_or(|old| level < old) => {
                guards.insert(key.clone(), level);
            }
            _ => return None,
        }
    }
    Some(())
}

/// The slots of all levels below level 0.
pub(crate) fn slots(guards: &BTreeMap<Bytes, u8>) -> [Arc<Slots>; LEVEL_COUNT - 1] {
    let mut level = 0;
    core::array::from_fn(|_| {
        level += 1;
        Arc::new(Slots::of_level(guards, level))
    })
}

/// In the place of a guard's level: it is none any more.
pub(crate) const GUARD_DROPPED: u8 = LEVEL_MAX + 1;

#[cfg(test)]
mod tests;
