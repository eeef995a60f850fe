//! Inserting.
//!
//! **Invariant: `before` are the neighbours on the left of one place, on every level.** It is the
//! place right behind what was inserted last; what comes next often belongs just there, and then
//! nothing is searched.
#![expect(
    unsafe_code,
    reason = "nodes are linked into the list that they were made for"
)]

use core::fmt;

use spin::MutexGuard;

use crate::list::{HEIGHT_MAX, SkipList};
use crate::sync::Ordering;
use crate::tower::{Kept, Memory, Node, Rung, Target};

/// The right to insert into a list; one at a time has it.
pub struct Writer<'a> {
    list: &'a SkipList,
    writing: MutexGuard<'a, Writing>,
}

/// What only the writer touches.
pub(crate) struct Writing {
    memory: Memory,
    /// The hint of the node at `before[0]`, or more.
    last_hint: usize,
    before: [Kept; HEIGHT_MAX],
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(list: &'a SkipList, writing: MutexGuard<'a, Writing>) -> Self {
        Self { list, writing }
    }

    /// Adds a version of `key`; both slices are copied. Costs O(log n), less right behind what was
    /// inserted before.
    ///
    /// # Panics
    /// When (key, tag) is in the list already, at 2³² − 1 entries, or when the key or the value has
    /// 4 GiB.
    pub fn insert(&mut self, key: &[u8], tag: u64, value: &[u8]) {
        let list = self.list;
        let target = list.target(key, tag);
        self.find_place(&target);
        let place = self.place();
        let named = place.next().filter(|_| place.may_name(&target));
        assert!(
            named.is_none_or(|node| node.cmp(&target).is_ne()),
            "a version is inserted once"
        );
        let index = list.len.load(Ordering::Relaxed);
        assert!(index < u32::MAX, "the list is full");
        let height = height_of(list.seed, index);
        let writing = &mut *self.writing;
        // SAFETY: the list owns the memory; who holds a node borrows the list.
        let new = unsafe { writing.memory.node(key, tag, value, height) };
        // SAFETY: `find_place` gave the neighbours in this list on every level that it has, the
        // head on all above; nobody else writes.
        unsafe { new.publish(target.hint(), &mut writing.before) };
        writing.last_hint = target.hint();

        // Nobody else stores these.
        if height > list.height.load(Ordering::Relaxed) as usize {
            list.height.store(narrow(height), Ordering::Release);
        }
        let bytes = list.bytes.load(Ordering::Relaxed) + bytes_of(key, value, height);
        list.bytes.store(bytes, Ordering::Relaxed);
        list.len.store(index + 1, Ordering::Release);
    }

    /// Finds the neighbours of `target` on the left.
    fn find_place(&mut self, target: &Target<'_>) {
        let place = self.place();
        let is_behind = self.writing.last_hint < target.hint() || place.node().is_before(target);
        if is_behind && place.ends_at(target) {
            return;
        }
        // Should this insert panic, the next one finds another node there.
        self.writing.last_hint = usize::MAX;
        let mut rung = self.list.top();
        let mut known = None;
        loop {
            rung = rung.advance(target, known);
            known = rung.next();
            self.writing.before[rung.level()] = rung.node().keep();
            if rung.level() == 0 {
                return;
            }
            rung = rung.down();
        }
    }

    /// The rung that leads to what comes behind the place that was found last.
    fn place(&self) -> Rung<'a> {
        // SAFETY: `before` holds nodes of this list, which lives as long as `'a`.
        unsafe { Node::recall(self.writing.before[0]) }.ground()
    }
}

impl Writing {
    pub(crate) const fn new(memory: Memory, head: Kept) -> Self {
        Self {
            memory,
            last_hint: 0,
            before: [head; HEIGHT_MAX],
        }
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("list", self.list)
            .finish_non_exhaustive()
    }
}

/// 1 with probability 1/2, one more with 1/2 each, from the seed and the entry's number alone.
pub(crate) fn height_of(seed: u64, index: u32) -> usize {
    // SplitMix64's output function.
    let number = u64::from(index) + 1;
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (1 + mixed.trailing_zeros() as usize).min(HEIGHT_MAX)
}

/// What an entry takes in the arenas of a 64-bit target.
pub(crate) fn bytes_of(key: &[u8], value: &[u8], height: usize) -> u64 {
    let entry = (8 + key.len() as u64 + value.len() as u64).next_multiple_of(8);
    entry + 16 + 16 * height as u64
}

#[expect(clippy::cast_possible_truncation, reason = "at most HEIGHT_MAX")]
const fn narrow(height: usize) -> u32 {
    height as u32
}
