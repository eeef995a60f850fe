//! One shard: S3-FIFO (Yang et al., SOSP 2023) by weight.
//!
//! **Invariant: every resident slot is in exactly one of the two queues, and their weights add up
//! to at most the capacity after each call.**

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hashbrown::HashTable;
use nori_env::sync::{AtomicU32, AtomicU64, Ordering};

use crate::cache::{CacheKey, CacheStats, Cached};

#[derive(Debug)]
pub(super) struct Shard {
    capacity: u64,
    /// Blocks by name.
    resident: HashTable<Resident>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    small: Queue,
    main: Queue,
    ghost: Ghost,
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: u64,
}

/// A block that is here: all that a look-up needs, in one place.
#[derive(Debug)]
struct Resident {
    key: CacheKey,
    cached: Cached,
    slot: u32,
    /// Look-ups since it entered its queue, up to [`FREQUENCY_MAX`].
    frequency: AtomicU32,
}

/// What the queues know of a block.
#[derive(Debug)]
struct Slot {
    hash: u64,
    weight: u64,
}

#[derive(Debug, Default)]
struct Queue {
    slots: VecDeque<u32>,
    weight: u64,
}

/// Names of blocks that left the small queue without being asked for again.
#[derive(Debug, Default)]
struct Ghost {
    order: VecDeque<(u64, u64)>,
    /// Hashes in `order`; each at most once.
    hashes: HashTable<u64>,
    weight: u64,
}

const FREQUENCY_MAX: u32 = 3;
/// A fixed part of each resident block's weight, for its slot and allocation.
const SLOT_WEIGHT: u64 = 160;
/// The small queue's share of the capacity is one part in this many.
const SMALL_SHARE: u64 = 10;

impl Shard {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            resident: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            small: Queue::default(),
            main: Queue::default(),
            ghost: Ghost::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evicted: 0,
        }
    }

    #[inline]
    pub(super) fn find(&self, key: CacheKey, hash: u64) -> Option<Cached> {
        let found = self.resident.find(hash, |resident| resident.key == key);
        let Some(resident) = found else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.hits.fetch_add(1, Ordering::Relaxed);
        // Two at once may count as one: it is an estimate.
        let frequency = resident.frequency.load(Ordering::Relaxed);
        if frequency < FREQUENCY_MAX {
            resident.frequency.store(frequency + 1, Ordering::Relaxed);
        }
        Some(resident.cached.clone())
    }

    pub(super) fn insert(&mut self, key: CacheKey, hash: u64, cached: Cached) {
        let weight = cached.weight() + SLOT_WEIGHT;
        if weight > self.capacity || self.contains(key, hash) {
            return;
        }
        self.make_room(weight);
        let number = self.place(Slot { hash, weight });
        let queue = if self.ghost.remove(hash) {
            &mut self.main
        } else {
            &mut self.small
        };
        queue.push(number, weight);
        let slots = &self.slots;
        let resident = Resident {
            key,
            cached,
            slot: number,
            frequency: AtomicU32::new(0),
        };
        self.resident.insert_unique(hash, resident, |resident| {
            slots.get(resident.slot as usize).map_or(0, |s| s.hash)
        });
        debug_assert!(self.small.weight + self.main.weight <= self.capacity);
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evicted: self.evicted,
            blocks: (self.small.slots.len() + self.main.slots.len()) as u64,
            bytes: self.small.weight + self.main.weight,
            pinned: 0,
        }
    }

    /// Changes the capacity; what is too much goes.
    pub(super) fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
        self.make_room(0);
    }

    fn make_room(&mut self, weight: u64) {
        while self.small.weight + self.main.weight + weight > self.capacity {
            if !self.evict() {
                break;
            }
        }
    }

    fn contains(&self, key: CacheKey, hash: u64) -> bool {
        self.resident
            .find(hash, |resident| resident.key == key)
            .is_some()
    }

    fn place(&mut self, slot: Slot) -> u32 {
        if let Some(number) = self.free.pop()
            && let Some(place) = self.slots.get_mut(number as usize)
        {
            *place = slot;
            return number;
        }
        self.slots.push(slot);
        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
    }

    /// Takes one step towards a free place; false when both queues are empty.
    fn evict(&mut self) -> bool {
        let small_share = self.capacity / SMALL_SHARE;
        if self.small.weight > small_share || self.main.slots.is_empty() {
            self.evict_small()
        } else {
            self.evict_main()
        }
    }

    fn evict_small(&mut self) -> bool {
        let Some((number, weight)) = self.small.pop(&self.slots) else {
            return false;
        };
        let Some(hash) = self.slots.get(number as usize).map(|slot| slot.hash) else {
            return true;
        };
        match self.frequency_of(number) {
            Some(frequency) if *frequency > 0 => {
                *frequency = 0;
                self.main.push(number, weight);
            }
            _ => {
                self.drop_slot(number);
                self.ghost.insert(hash, weight, self.capacity);
            }
        }
        true
    }

    fn evict_main(&mut self) -> bool {
        let Some((number, weight)) = self.main.pop(&self.slots) else {
            return false;
        };
        match self.frequency_of(number) {
            Some(frequency) if *frequency > 0 => {
                *frequency -= 1;
                self.main.push(number, weight);
            }
            _ => self.drop_slot(number),
        }
        true
    }

    fn frequency_of(&mut self, number: u32) -> Option<&mut u32> {
        let hash = self.slots.get(number as usize)?.hash;
        let resident = self
            .resident
            .find_mut(hash, |resident| resident.slot == number)?;
        Some(resident.frequency.get_mut())
    }

    fn drop_slot(&mut self, number: u32) {
        let Some(hash) = self.slots.get(number as usize).map(|slot| slot.hash) else {
            return;
        };
        if let Ok(entry) = self
            .resident
            .find_entry(hash, |resident| resident.slot == number)
        {
            entry.remove();
        }
        self.free.push(number);
        self.evicted += 1;
    }
}

impl Queue {
    fn push(&mut self, slot: u32, weight: u64) {
        self.slots.push_back(slot);
        self.weight += weight;
    }

    fn pop(&mut self, slots: &[Slot]) -> Option<(u32, u64)> {
        let number = self.slots.pop_front()?;
        let weight = slots.get(number as usize).map_or(0, |slot| slot.weight);
        self.weight -= weight;
        Some((number, weight))
    }
}

impl Ghost {
    fn insert(&mut self, hash: u64, weight: u64, capacity: u64) {
        if self.hashes.find(hash, |h| *h == hash).is_none() {
            self.hashes.insert_unique(hash, hash, |h| *h);
            self.order.push_back((hash, weight));
            self.weight += weight;
        }
        while self.weight > capacity {
            let Some((oldest, weight)) = self.order.pop_front() else {
                break;
            };
            self.weight -= weight;
            if let Ok(entry) = self.hashes.find_entry(oldest, |h| *h == oldest) {
                entry.remove();
            }
        }
    }

    /// Forgets a name; true if it was there. Its place in the order runs out by itself.
    fn remove(&mut self, hash: u64) -> bool {
        match self.hashes.find_entry(hash, |h| *h == hash) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }
}
