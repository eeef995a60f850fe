//! The operations not yet done, in the order of invocation. They come back in the opposite order in
//! which they were taken (Knuth's dancing links).

use alloc::vec::Vec;

pub(super) struct Remaining {
    /// Place 0 is the ring's head; operation n has place n + 1.
    next: Vec<u32>,
    prev: Vec<u32>,
}

impl Remaining {
    pub(super) fn new(count: usize) -> Self {
        let count = u32::try_from(count).expect("fewer than 2^32 operations");
        let ring = |offset: u32| (0..=count).map(move |place| (place + offset) % (count + 1));
        Self {
            next: ring(1).collect(),
            prev: ring(count).collect(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let mut place = 0;
        core::iter::from_fn(move || {
            place = self.next[place as usize];
            place.checked_sub(1)
        })
    }

    pub(super) fn take(&mut self, nth: u32) {
        let place = nth as usize + 1;
        let (prev, next) = (self.prev[place], self.next[place]);
        self.next[prev as usize] = next;
        self.prev[next as usize] = prev;
    }

    pub(super) fn put_back(&mut self, nth: u32) {
        let place = nth as usize + 1;
        let (prev, next) = (self.prev[place], self.next[place]);
        self.next[prev as usize] = nth + 1;
        self.prev[next as usize] = nth + 1;
    }
}
