//! How often each slot is read and written.
//!
//! **Invariant: counting takes no lock, and one thread that does the same counts the same.** One
//! read in 64 is counted, chosen by a fixed sequence; what was counted is halved as it ages.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use nori_env::sync::{AtomicU64, Ordering};
use nori_sstable::TableMeta;

use crate::guards::Slots;

/// What was counted for each slot of the last level, the finest there are.
#[derive(Debug)]
pub(crate) struct HeatMap {
    slots: Arc<Slots>,
    heat: Vec<Counted>,
    sampler: Arc<Sampler>,
    flushes: AtomicU64,
    /// Counts the halvings.
    epoch: AtomicU64,
}

/// The heat of some slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heat {
    /// Bytes flushed into them.
    pub(crate) written: u64,
    /// Look-ups of one key.
    pub(crate) gets: u64,
    /// Iterators that began there.
    pub(crate) scans: u64,
}

#[derive(Debug, Default)]
struct Counted {
    written: AtomicU64,
    gets: AtomicU64,
    scans: AtomicU64,
}

/// Chooses the reads that are counted.
#[derive(Debug, Default)]
struct Sampler {
    reads: AtomicU64,
    /// Look-ups that were chosen, and the runs over their keys.
    gets: AtomicU64,
    runs: AtomicU64,
}

impl HeatMap {
    pub(crate) fn new(slots: Arc<Slots>) -> Self {
        let heat = (0..slots.len()).map(|_| Counted::default()).collect();
        Self {
            slots,
            heat,
            sampler: Arc::default(),
            flushes: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
        }
    }

    /// The same for other slots: a new one inherits its share.
    pub(crate) fn resized(&self, slots: Arc<Slots>) -> Self {
        let mut next = Self::new(slots);
        next.sampler = Arc::clone(&self.sampler);
        next.epoch = AtomicU64::new(self.epoch());
        next.flushes = AtomicU64::new(self.flushes.load(Ordering::Relaxed));
        for (slot, counted) in next.heat.iter().enumerate() {
            let range = next.slots.range(slot..slot + 1);
            for old in self.slots.of_range(&range) {
                let shared = next.slots.of_range(&self.slots.range(old..old + 1)).len();
                counted.add(self.heat[old].load().share(shared as u64));
            }
        }
        next
    }

    /// A look-up of `key` got as far as the tables.
    pub(crate) fn note_get(&self, key: &[u8], runs: impl FnOnce() -> usize) {
        if self.is_chosen() {
            self.sampler.gets.fetch_add(1, Ordering::Relaxed);
            self.sampler
                .runs
                .fetch_add(runs() as u64, Ordering::Relaxed);
            let counted = &self.heat[self.slots.of(key)];
            counted.gets.fetch_add(SAMPLED_ONE_IN, Ordering::Relaxed);
        }
    }

    /// An iterator begins at `key`.
    pub(crate) fn note_scan(&self, key: &[u8]) {
        if self.is_chosen() {
            let counted = &self.heat[self.slots.of(key)];
            counted.scans.fetch_add(SAMPLED_ONE_IN, Ordering::Relaxed);
        }
    }

    /// Look-ups that were counted, and the runs over their keys.
    pub(crate) fn sampled(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.sampler.gets), load(&self.sampler.runs))
    }

    fn is_chosen(&self) -> bool {
        let Some(number) = self.sampler.choose() else {
            return false;
        };
        // Where nothing is written, reads let the time go by.
        if number % (SAMPLED_ONE_IN * SAMPLES_AN_AGE) < SAMPLED_ONE_IN {
            self.age();
        }
        true
    }

    /// A table was flushed.
    pub(crate) fn written(&self, table: &TableMeta) {
        let slots = self.slots.of_table(table);
        let share = table.size / slots.len().max(1) as u64;
        for counted in &self.heat[slots] {
            counted.written.fetch_add(share, Ordering::Relaxed);
        }
    }

    /// A memtable was flushed: time goes by.
    pub(crate) fn flushed(&self) {
        if self.flushes.fetch_add(1, Ordering::Relaxed) % FLUSHES_AN_AGE == FLUSHES_AN_AGE - 1 {
            self.age();
        }
    }

    pub(crate) const fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// The heat of `slots` together.
    pub(crate) fn of(&self, slots: Range<usize>) -> Heat {
        let mut sum = Heat::default();
        for counted in &self.heat[slots] {
            let heat = counted.load();
            sum.written += heat.written;
            sum.gets += heat.gets;
            sum.scans += heat.scans;
        }
        sum
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Halves everything.
    pub(crate) fn age(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
        for counted in &self.heat {
            for count in [&counted.written, &counted.gets, &counted.scans] {
                count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
    }
}

impl Heat {
    const fn share(self, parts: u64) -> Self {
        Self {
            written: self.written / parts,
            gets: self.gets / parts,
            scans: self.scans / parts,
        }
    }
}

impl Counted {
    fn load(&self) -> Heat {
        Heat {
            written: self.written.load(Ordering::Relaxed),
            gets: self.gets.load(Ordering::Relaxed),
            scans: self.scans.load(Ordering::Relaxed),
        }
    }

    fn add(&self, heat: Heat) {
        self.written.fetch_add(heat.written, Ordering::Relaxed);
        self.gets.fetch_add(heat.gets, Ordering::Relaxed);
        self.scans.fetch_add(heat.scans, Ordering::Relaxed);
    }
}

impl Sampler {
    /// The number of this read, if it is to be counted. Reads at the same moment may share a
    /// number, which costs less than making sure that they do not.
    fn choose(&self) -> Option<u64> {
        let number = self.reads.load(Ordering::Relaxed);
        self.reads.store(number.wrapping_add(1), Ordering::Relaxed);
        // Multiples of the golden ratio fill the unit interval evenly; a 64th of it counts.
        let place = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (place < u64::MAX / SAMPLED_ONE_IN).then_some(number)
    }
}

const SAMPLES_AN_AGE: u64 = 4096;
const SAMPLED_ONE_IN: u64 = 64;
const FLUSHES_AN_AGE: u64 = 4;
