//! Whether a history could have come from one copy that does one thing at a time.
//!
//! **Invariant: `Yes` means an order exists, `No` means none exists, and where the search gave up
//! the answer is `Unknown`.** The search is that of Wing and Gong with Lowe's memory of
//! configurations ("Testing for linearizability", 2016): a configuration is the set of operations
//! done and the state reached; none is searched twice. Keys are judged apart, since linearizability
//! is local (Herlihy and Wing 1990).

mod done;
mod explain;
mod hasher;
mod remaining;
mod search;
mod seen;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub use self::explain::Violation;
use self::search::{Answer, Call};
use crate::history::{History, OperationId, Outcome};
use crate::model::Model;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<K, S> {
    /// There is an order of all operations that explains every answer.
    Yes,
    /// There is none.
    No(Box<Violation<K, S>>),
    /// The search met its limit at this key, the first of them, and found no violation at the others.
    Unknown {
        /// The key.
        key: K,
    },
}

/// How long a search may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Steps of the model per key.
    pub steps_max: u64,
}

/// Judges a history, key by key, with the default [`Limit`].
///
/// ```
/// use norikv_testkit::{CasRegister, History, CasInput, CasOutput, Verdict, linearizable};
/// use norikv_types::Mono;
///
/// let mut history = History::new();
/// let write = history.invoke(1, "x", CasInput::Write(1), Mono::ZERO);
/// history.returned(write, CasOutput::Done, Mono::ZERO);
/// let read = history.invoke(2, "x", CasInput::Read, Mono::ZERO);
/// history.returned(read, CasOutput::Holds(None), Mono::ZERO);
/// let Verdict::No(violation) = linearizable(&history, &CasRegister::new()) else { panic!() };
/// assert_eq!(violation.key, "x");
/// assert_eq!(violation.unexplained, read);
/// assert_eq!(violation.states, [Some(1)]);
/// ```
pub fn linearizable<K, M>(
    history: &History<K, M::Input, M::Output>,
    model: &M,
) -> Verdict<K, M::State>
where
    K: Ord + Clone,
    M: Model,
{
    linearizable_within(history, model, Limit::default())
}

/// Judges a history, key by key.
///
/// Every key is looked at shortly before any is looked at for long: one that breaks early answers
/// for a history in which another is hard to judge.
pub fn linearizable_within<K, M>(
    history: &History<K, M::Input, M::Output>,
    model: &M,
    limit: Limit,
) -> Verdict<K, M::State>
where
    K: Ord + Clone,
    M: Model,
{
    let mut open: Vec<_> = partition(history).into_iter().collect();
    let mut steps_max = limit.steps_max.min(FIRST_STEPS_MAX);
    loop {
        let mut unknown = Vec::new();
        for (key, calls) in open {
            match search::search(model, &calls, steps_max).0 {
                Answer::Yes => {}
                Answer::Unknown => unknown.push((key, calls)),
                Answer::No { unexplained } => {
                    let violation = explain::explain(model, key.clone(), &calls, unexplained);
                    return Verdict::No(Box::new(violation));
                }
            }
        }
        let Some((key, _)) = unknown.first() else {
            return Verdict::Yes;
        };
        if steps_max == limit.steps_max {
            return Verdict::Unknown {
                key: (*key).clone(),
            };
        }
        open = unknown;
        steps_max = steps_max.saturating_mul(10).min(limit.steps_max);
    }
}

/// The operations of each key in the order of invocation, without those that took no effect.
fn partition<K: Ord, I, O>(history: &History<K, I, O>) -> BTreeMap<&K, Vec<Call<'_, I, O>>> {
    let mut keys = BTreeMap::<&K, Vec<Call<'_, I, O>>>::new();
    for (nth, operation) in (0..).zip(history.operations()) {
        let (output, returned) = match &operation.outcome {
            Outcome::Refused => continue,
            Outcome::Unknown => (None, u64::MAX),
            Outcome::Returned { output, at } => (Some(output), at.event),
        };
        keys.entry(&operation.key).or_default().push(Call {
            id: OperationId(nth),
            input: &operation.input,
            output,
            invoked: operation.invoked.event,
            returned,
        });
    }
    keys
}

const FIRST_STEPS_MAX: u64 = 100_000;

impl Default for Limit {
    /// Five million steps a key: a few seconds.
    fn default() -> Self {
        Self {
            steps_max: 5_000_000,
        }
    }
}

#[cfg(test)]
mod tests;
