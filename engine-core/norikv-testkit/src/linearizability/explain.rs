//! Where a history that has no order breaks, told in few operations.
//!
//! **Invariant: after all that came before it, the window is the contradiction.** What returned long
//! before stays as it was told (it may have used up an operation of unknown outcome, for example). Of
//! the operations around the one that nothing explains, each is forgotten in turn (from then on it may have answered anything, as late
//! as it likes, or never have taken effect); where there is still no order it stays forgotten. Each
//! that is left is needed.

use alloc::vec::Vec;

use super::search::{Answer, Call, ends, search};
use crate::history::OperationId;
use crate::model::Model;

/// Why a history is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<K, S> {
    /// The key at which it breaks.
    pub key: K,
    /// The first operation whose answer nothing explains, given all answers before it.
    pub unexplained: OperationId,
    /// The operations that contradict each other after all that came before them, the unexplained
    /// one among them, in the order of invocation. None can be left out (where the search for less
    /// did not meet its limit), and what else was asked at that time does not help, however it
    /// ended.
    pub window: Vec<OperationId>,
    /// The other operations that ran at the same time as the unexplained one or whose outcome is
    /// unknown, in the order of invocation. None of them explains it.
    pub bystanders: Vec<OperationId>,
    /// Every state that the key can have been in when the first operation of the window was
    /// invoked. Empty where there were too many.
    pub states_before: Vec<S>,
    /// Every state that the key can have been in when the unexplained one was invoked, before any
    /// operation then in progress takes effect or after. Empty where there were too many.
    pub states: Vec<S>,
}

/// Explains why `calls` (sorted by invocation) have no order that comes past `unexplained`.
pub(super) fn explain<K, M: Model>(
    model: &M,
    key: K,
    calls: &[Call<'_, M::Input, M::Output>],
    unexplained: usize,
) -> Violation<K, M::State> {
    let broken = &calls[unexplained];
    let mut story = until(calls, broken.returned + 1);
    let mut steps_left = MINIMISE_STEPS_MAX;
    let mut window = Vec::from([unexplained]);
    for nth in around(model, &story, unexplained) {
        let forgotten = Call {
            output: None,
            returned: u64::MAX,
            ..story[nth]
        };
        let remembered = core::mem::replace(&mut story[nth], forgotten);
        let steps_max = steps_left.min(MINIMISE_STEPS_MAX / 8);
        let (answer, steps) = search(model, &story, steps_max);
        steps_left -= steps;
        if !matches!(answer, Answer::No { .. }) {
            story[nth] = remembered;
            window.push(nth);
        }
    }
    window.sort_unstable();
    let is_bystander = |&nth: &usize| {
        calls[nth].returned >= broken.invoked
            && calls[nth].invoked <= broken.returned
            && !window.contains(&nth)
    };
    let bystanders = (0..calls.len()).filter(is_bystander);
    let first = window
        .first()
        .map_or(broken.invoked, |&nth| calls[nth].invoked);
    Violation {
        key,
        unexplained: broken.id,
        bystanders: bystanders.map(|nth| calls[nth].id).collect(),
        window: window.iter().map(|&nth| calls[nth].id).collect(),
        states_before: states_at(model, calls, first),
        states: states_at(model, calls, broken.invoked),
    }
}

/// What is known before the event `end`: operations in progress then need not have taken effect.
pub(super) fn until<'a, I, O>(calls: &[Call<'a, I, O>], end: u64) -> Vec<Call<'a, I, O>> {
    calls
        .iter()
        .filter(|call| call.invoked < end)
        .map(|call| Call {
            returned: if call.returned < end {
                call.returned
            } else {
                u64::MAX
            },
            ..*call
        })
        .collect()
}

/// The places of the operations whose answer may matter, in the order in which to forget them: those
/// that ran at the same time, then of the last few that returned before, reads first, since what was
/// written tells more, and the earliest first.
fn around<M: Model>(
    model: &M,
    story: &[Call<'_, M::Input, M::Output>],
    unexplained: usize,
) -> Vec<usize> {
    let broken = &story[unexplained];
    let (mut before, mut order): (Vec<usize>, Vec<usize>) = (0..story.len())
        .filter(|&nth| nth != unexplained && story[nth].output.is_some())
        .partition(|&nth| story[nth].returned < broken.invoked);
    before.sort_unstable_by_key(|&nth| story[nth].returned);
    before.drain(..before.len().saturating_sub(BEFORE_MAX));
    let is_read = |call: &Call<'_, M::Input, M::Output>| {
        call.output
            .is_some_and(|output| model.is_read(call.input, output))
    };
    before.sort_by_key(|&nth| !is_read(&story[nth]));
    order.append(&mut before);
    order
}

fn states_at<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    event: u64,
) -> Vec<M::State> {
    let states = ends(model, &until(calls, event), STATES_STEPS_MAX).unwrap_or_default();
    if states.len() > STATES_MAX {
        return Vec::new();
    }
    states
}

const MINIMISE_STEPS_MAX: u64 = 2_000_000;
const STATES_STEPS_MAX: u64 = 1_000_000;
pub(super) const STATES_MAX: usize = 64;
const BEFORE_MAX: usize = 8;
