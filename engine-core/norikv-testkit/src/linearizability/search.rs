//! Depth-first search for an order, never through one configuration twice.
//!
//! **Invariant: `remaining` links exactly the operations whose bit in `done` is not set.** An
//! operation may come next if it was invoked before the first return among those that remain.
//!
//! Two things keep the search short. A read that answers rightly is done at once and for good: doing
//! it later could help nobody. (A write that happens to change nothing here is no read: it may be
//! needed later.) Operations with unknown outcome are tried
//! last, since leaving them out is always allowed.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::hasher::Set;
use crate::history::OperationId;
use crate::model::Model;

/// One operation as the search sees it.
#[derive(Debug)]
pub(super) struct Call<'a, I, O> {
    pub(super) id: OperationId,
    pub(super) input: &'a I,
    /// `None`: the outcome is unknown.
    pub(super) output: Option<&'a O>,
    pub(super) invoked: u64,
    /// `u64::MAX` when the outcome is unknown.
    pub(super) returned: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Unknown,
}

/// Searches for an order of `calls` (sorted by invocation) in at most `steps_max` steps.
pub(super) fn search<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    steps_max: u64,
) -> Answer {
    let mut search = Search {
        model,
        calls,
        remaining: Remaining::new(calls.len()),
        done: vec![0; calls.len().div_ceil(64)].into_boxed_slice(),
        answered_left: calls.iter().filter(|call| call.output.is_some()).count(),
        seen: Set::default(),
        path: Vec::new(),
        choices: Vec::new(),
        steps_left: steps_max,
    };
    search.run(model.initial())
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<'a, M::Input, M::Output>],
    remaining: Remaining,
    done: Box<[u64]>,
    /// Operations that returned and are not done.
    answered_left: usize,
    seen: Set<(Box<[u64]>, M::State)>,
    path: Vec<Frame<M::State>>,
    /// The choices of every frame, one after another.
    choices: Vec<u32>,
    steps_left: u64,
}

/// What to try next in a configuration on the path, and how to leave it.
struct Frame<S> {
    state: S,
    /// The next choice in `choices`; the frame's own run to the end when it is on top.
    next: usize,
    first: usize,
    /// What was done to come here.
    by: Option<u32>,
}

impl<M: Model> Search<'_, M> {
    fn run(&mut self, initial: M::State) -> Answer {
        self.enter(initial, None);
        while let Some(frame) = self.path.last_mut() {
            if self.answered_left == 0 {
                return Answer::Yes;
            }
            let Some(&choice) = self.choices.get(frame.next) else {
                self.leave();
                continue;
            };
            frame.next += 1;
            if self.steps_left == 0 {
                return Answer::Unknown;
            }
            self.steps_left -= 1;
            let call = &self.calls[choice as usize];
            let Some(state) = self.model.step(&frame.state, call.input, call.output) else {
                continue;
            };
            let is_read = |output| self.model.is_read(call.input, output);
            if state == frame.state && call.output.is_some_and(is_read) {
                // Nothing else need be tried here.
                frame.next = self.choices.len();
                self.mark(choice);
                self.enter(state, Some(choice));
                continue;
            }
            if state == frame.state && call.output.is_none() {
                continue;
            }
            self.mark(choice);
            if self.seen.insert((self.done.clone(), state.clone())) {
                self.enter(state, Some(choice));
            } else {
                self.unmark(choice);
            }
        }
        Answer::No
    }

    /// Goes to a configuration and lists what may come next.
    fn enter(&mut self, state: M::State, by: Option<u32>) {
        let first = self.choices.len();
        let mut first_return = u64::MAX;
        let mut unknown = Vec::new();
        for nth in self.remaining.iter() {
            let call = &self.calls[nth as usize];
            if call.invoked > first_return {
                break;
            }
            first_return = first_return.min(call.returned);
            if call.output.is_some() {
                self.choices.push(nth);
            } else {
                unknown.push(nth);
            }
        }
        self.choices[first..].sort_unstable_by_key(|&nth| self.calls[nth as usize].returned);
        self.choices.append(&mut unknown);
        self.path.push(Frame {
            state,
            next: first,
            first,
            by,
        });
    }

    /// Goes back to where the last frame was entered from.
    fn leave(&mut self) {
        let Some(frame) = self.path.pop() else {
            return;
        };
        self.choices.truncate(frame.first);
        if let Some(by) = frame.by {
            self.unmark(by);
        }
    }

    fn mark(&mut self, nth: u32) {
        self.remaining.take(nth);
        self.done[nth as usize / 64] |= 1 << (nth % 64);
        self.answered_left -= usize::from(self.calls[nth as usize].output.is_some());
    }

    fn unmark(&mut self, nth: u32) {
        self.remaining.put_back(nth);
        self.done[nth as usize / 64] &= !(1 << (nth % 64));
        self.answered_left += usize::from(self.calls[nth as usize].output.is_some());
    }
}

/// The operations not yet done, in the order of invocation. They come back in the opposite order in
/// which they were taken (Knuth's dancing links).
struct Remaining {
    /// Place 0 is the ring's head; operation n has place n + 1.
    next: Vec<u32>,
    prev: Vec<u32>,
}

impl Remaining {
    fn new(count: usize) -> Self {
        let count = u32::try_from(count).expect("fewer than 2^32 operations");
        let ring = |offset: u32| (0..=count).map(move |place| (place + offset) % (count + 1));
        Self {
            next: ring(1).collect(),
            prev: ring(count).collect(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let mut place = 0;
        core::iter::from_fn(move || {
            place = self.next[place as usize];
            place.checked_sub(1)
        })
    }

    fn take(&mut self, nth: u32) {
        let place = nth as usize + 1;
        let (prev, next) = (self.prev[place], self.next[place]);
        self.next[prev as usize] = next;
        self.prev[next as usize] = prev;
    }

    fn put_back(&mut self, nth: u32) {
        let place = nth as usize + 1;
        let (prev, next) = (self.prev[place], self.next[place]);
        self.next[prev as usize] = nth + 1;
        self.prev[next as usize] = nth + 1;
    }
}
