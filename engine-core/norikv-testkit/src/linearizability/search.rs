//! Depth-first search for an order, never through one configuration twice.
//!
//! **Invariant: `remaining` links exactly the operations whose bit in `done` is not set.** An
//! operation may come next if it was invoked before the first return among those that remain.
//!
//! Three things keep the search short. A read that answers rightly is done at once and for good:
//! doing it later could help nobody. (A write that happens to change nothing here is no read: it may
//! be needed later.) Operations that need not take effect are tried last, since leaving them out is
//! always allowed. And a configuration is not searched where one was that differs only in having
//! used fewer of those (see [`Seen`]).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::done::Done;
use super::remaining::Remaining;
use super::seen::{Seen, States};
use crate::history::OperationId;
use crate::model::Model;

/// One operation as the search sees it.
#[derive(Debug)]
pub(super) struct Call<'a, I, O> {
    pub(super) id: OperationId,
    pub(super) input: &'a I,
    /// `None`: whatever it was.
    pub(super) output: Option<&'a O>,
    pub(super) invoked: u64,
    /// `u64::MAX`: it need not take effect.
    pub(super) returned: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    /// No order comes past the return of the call of this place.
    No {
        unexplained: usize,
    },
    Unknown,
}

/// Searches for an order of `calls` (sorted by invocation) in at most `steps_max` steps, and says how
/// many it took.
pub(super) fn search<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    steps_max: u64,
) -> (Answer, u64) {
    let mut search = Search::new(model, calls, steps_max, None);
    let answer = search.run(model.initial());
    (answer, steps_max - search.steps_left)
}

/// Every state in which an order of `calls` can end; `None` where the search gave up.
pub(super) fn ends<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    steps_max: u64,
) -> Option<Vec<M::State>> {
    let mut search = Search::new(model, calls, steps_max, Some(BTreeSet::new()));
    let answer = search.run(model.initial());
    let ends = search.ends.unwrap_or_default();
    let all = &search.states;
    (answer != Answer::Unknown).then(|| ends.iter().map(|&end| all.get(end).clone()).collect())
}

struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<'a, M::Input, M::Output>],
    remaining: Remaining,
    done: Done,
    /// Operations that must take effect and are not done.
    required_left: usize,
    states: States<M::State>,
    seen: Seen,
    path: Vec<Frame>,
    /// The choices of every frame, one after another.
    choices: Vec<u32>,
    /// Where the choices of optional operations are gathered.
    optional: Vec<u32>,
    /// The farthest that an order came: the first return that it did not reach, and whose.
    frontier: (u64, usize),
    /// The states in which an order ended, if all are wanted.
    ends: Option<BTreeSet<u32>>,
    steps_left: u64,
}

/// What to try next in a configuration on the path, and how to leave it.
struct Frame {
    state: u32,
    /// The next choice in `choices`; the frame's own run to the end when it is on top.
    next: usize,
    first: usize,
    /// What was done to come here.
    by: Option<u32>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(
        model: &'a M,
        calls: &'a [Call<'a, M::Input, M::Output>],
        steps_max: u64,
        ends: Option<BTreeSet<u32>>,
    ) -> Self {
        Self {
            model,
            calls,
            remaining: Remaining::new(calls.len()),
            done: Done::new(calls.iter().map(Call::is_required)),
            required_left: calls.iter().filter(|call| call.is_required()).count(),
            states: States::new(),
            seen: Seen::default(),
            path: Vec::new(),
            choices: Vec::new(),
            optional: Vec::new(),
            frontier: (0, 0),
            ends,
            steps_left: steps_max,
        }
    }

    fn run(&mut self, initial: M::State) -> Answer {
        let initial = self.states.intern(initial);
        self.enter(initial, None);
        while let Some(frame) = self.path.last_mut() {
            if self.required_left == 0 {
                match &mut self.ends {
                    Some(ends) => ends.insert(frame.state),
                    None => return Answer::Yes,
                };
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
            let before = frame.state;
            let step = self
                .model
                .step(self.states.get(before), call.input, call.output);
            let Some(state) = step.map(|state| self.states.intern(state)) else {
                continue;
            };
            if state == before {
                if !call.is_required() {
                    continue;
                }
                let is_read = |output| self.model.is_read(call.input, output);
                if call.output.is_some_and(is_read) {
                    // Nothing else need be tried here.
                    frame.next = self.choices.len();
                    self.mark(choice);
                    self.enter(state, Some(choice));
                    continue;
                }
            }
            self.mark(choice);
            if self.seen.insert(&self.done, state) {
                self.enter(state, Some(choice));
            } else {
                self.unmark(choice);
            }
        }
        Answer::No {
            unexplained: self.frontier.1,
        }
    }

    /// Goes to a configuration and lists what may come next.
    fn enter(&mut self, state: u32, by: Option<u32>) {
        let first = self.choices.len();
        let mut first_return = (u64::MAX, 0);
        for nth in self.remaining.iter() {
            let call = &self.calls[nth as usize];
            if call.invoked > first_return.0 {
                break;
            }
            if call.is_required() {
                first_return = first_return.min((call.returned, nth as usize));
                self.choices.push(nth);
            } else {
                self.optional.push(nth);
            }
        }
        self.frontier = self.frontier.max(first_return);
        self.choices[first..].sort_unstable_by_key(|&nth| self.calls[nth as usize].returned);
        self.choices.append(&mut self.optional);
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
        self.done.set(nth);
        self.required_left -= usize::from(self.calls[nth as usize].is_required());
    }

    fn unmark(&mut self, nth: u32) {
        self.remaining.put_back(nth);
        self.done.clear(nth);
        self.required_left += usize::from(self.calls[nth as usize].is_required());
    }
}

impl<I, O> Call<'_, I, O> {
    pub(super) const fn is_required(&self) -> bool {
        self.returned != u64::MAX
    }
}

impl<I, O> Clone for Call<'_, I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Call<'_, I, O> {}
