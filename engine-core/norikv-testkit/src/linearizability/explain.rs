//! Where a history that has no order breaks, told in few operations.
//!
//! Goes through the events in order and keeps every configuration that explains all answers so far
//! (Lowe's just-in-time linearization). The first answer that leaves none is the one that nothing
//! explains, and the configurations before it are all there is to say about the past.

use alloc::vec;
use alloc::vec::Vec;

use super::hasher::Set;
use super::search::{Answer, Call, search};
use crate::history::OperationId;
use crate::model::Model;

/// Why a history is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<K, S> {
    /// The key at which it breaks.
    pub key: K,
    /// The first operation whose answer nothing explains, given all answers before it.
    pub unexplained: OperationId,
    /// The operations that matter: those that ran at the same time as the unexplained one, those
    /// whose outcome is unknown, and the last few that returned before it; in the order of
    /// invocation.
    pub window: Vec<OperationId>,
    /// Every state that the key can have been in when the unexplained operation was invoked, before
    /// any operation then in progress takes effect or after. Empty where there were too many.
    pub states: Vec<S>,
}

/// Explains why `calls` (sorted by invocation) have no order.
pub(super) fn explain<K, M: Model>(
    model: &M,
    key: K,
    calls: &[Call<'_, M::Input, M::Output>],
) -> Violation<K, M::State> {
    let (nth, states) = match sweep(model, calls, CONFIGURATIONS_MAX) {
        Sweep::Broken { nth, states } => (nth, states),
        Sweep::Whole | Sweep::TooMany => (shortest_prefix(model, calls), Vec::new()),
    };
    let broken = &calls[nth];
    let mut window: Vec<OperationId> = calls
        .iter()
        .filter(|call| call.returned >= broken.invoked && call.invoked <= broken.returned)
        .map(|call| call.id)
        .collect();
    let mut before: Vec<_> = calls
        .iter()
        .filter(|call| call.returned < broken.invoked)
        .collect();
    before.sort_unstable_by_key(|call| core::cmp::Reverse(call.returned));
    window.extend(before.iter().take(BEFORE_MAX).map(|call| call.id));
    window.sort_unstable();
    Violation {
        key,
        unexplained: broken.id,
        window,
        states,
    }
}

/// What came of going through all events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sweep<S> {
    /// Some configuration explains everything: the history is linearizable.
    Whole,
    /// Nothing explains the answer of `calls[nth]`.
    Broken { nth: usize, states: Vec<S> },
    /// More configurations, or operations at once, than this way of looking can hold.
    TooMany,
}

/// Goes through the events in order with at most `configurations_max` configurations.
pub(super) fn sweep<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    configurations_max: usize,
) -> Sweep<M::State> {
    let mut events: Vec<(u64, usize)> = Vec::new();
    for (nth, call) in calls.iter().enumerate() {
        events.push((call.invoked, nth));
        if call.output.is_some() {
            events.push((call.returned, nth));
        }
    }
    events.sort_unstable();
    // Operations in progress or of unknown outcome, each in a slot that is a bit of `Done`.
    let mut slots: Vec<Option<usize>> = Vec::new();
    let mut states_at: Vec<Vec<M::State>> = vec![Vec::new(); calls.len()];
    let mut configurations = vec![(model.initial(), 0_u128)];
    for (event, nth) in events {
        if event == calls[nth].invoked {
            states_at[nth] = distinct(&configurations);
            let free = slots.iter().position(Option::is_none);
            match free {
                Some(slot) => slots[slot] = Some(nth),
                None if slots.len() < 128 => slots.push(Some(nth)),
                None => return Sweep::TooMany,
            }
            continue;
        }
        let slot = slots.iter().position(|own| *own == Some(nth));
        let bit = 1_u128 << slot.expect("an operation that returns was invoked");
        let Some(after) = expand(
            model,
            calls,
            &slots,
            configurations,
            bit,
            configurations_max,
        ) else {
            return Sweep::TooMany;
        };
        if after.is_empty() {
            return Sweep::Broken {
                nth,
                states: core::mem::take(&mut states_at[nth]),
            };
        }
        configurations = after;
        states_at[nth] = Vec::new();
        if let Some(slot) = slot {
            slots[slot] = None;
        }
    }
    Sweep::Whole
}

/// Every configuration reachable in which the operation of `bit` is done, without its bit.
fn expand<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    slots: &[Option<usize>],
    from: Vec<(M::State, u128)>,
    bit: u128,
    configurations_max: usize,
) -> Option<Vec<(M::State, u128)>> {
    let mut seen: Set<(M::State, u128)> = from.iter().cloned().collect();
    let mut after = Vec::new();
    let mut work = from;
    while let Some((state, done)) = work.pop() {
        if done & bit != 0 {
            after.push((state, done & !bit));
            continue;
        }
        for (slot, nth) in slots.iter().enumerate() {
            let own = 1_u128 << slot;
            let Some(call) = nth.map(|nth| &calls[nth]).filter(|_| done & own == 0) else {
                continue;
            };
            if let Some(next) = model.step(&state, call.input, call.output) {
                let next = (next, done | own);
                if seen.insert(next.clone()) {
                    work.push(next);
                }
            }
        }
        if seen.len() > configurations_max {
            return None;
        }
    }
    Some(after)
}

/// The operation whose return ends the shortest prefix of the history that has no order, by
/// bisection: a prefix of a linearizable history is linearizable.
fn shortest_prefix<M: Model>(model: &M, calls: &[Call<'_, M::Input, M::Output>]) -> usize {
    let mut returns: Vec<usize> = (0..calls.len())
        .filter(|&nth| calls[nth].output.is_some())
        .collect();
    returns.sort_unstable_by_key(|&nth| calls[nth].returned);
    let broken = returns.partition_point(|&last| {
        let end = calls[last].returned;
        let prefix: Vec<_> = calls
            .iter()
            .take_while(|call| call.invoked <= end)
            .map(|call| Call {
                id: call.id,
                input: call.input,
                output: call.output.filter(|_| call.returned <= end),
                invoked: call.invoked,
                returned: if call.returned <= end {
                    call.returned
                } else {
                    u64::MAX
                },
            })
            .collect();
        search(model, &prefix, PREFIX_STEPS_MAX) != Answer::No
    });
    returns[broken.min(returns.len().saturating_sub(1))]
}

fn distinct<S: Clone + Eq + core::hash::Hash>(configurations: &[(S, u128)]) -> Vec<S> {
    let mut seen = Set::default();
    configurations
        .iter()
        .map(|(state, _)| state)
        .filter(|state| seen.insert(*state))
        .take(STATES_MAX)
        .cloned()
        .collect()
}

const CONFIGURATIONS_MAX: usize = 200_000;
const PREFIX_STEPS_MAX: u64 = 1_000_000;
const STATES_MAX: usize = 64;
const BEFORE_MAX: usize = 3;
