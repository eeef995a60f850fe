//! Several keys that one operation may compare, read and write at once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A small map from `K` to `V` under transactions; empty at first.
///
/// A transaction compares; if everything compares as it says it does its `then`, otherwise its
/// `otherwise`, one action after another, each seeing those before it; and all of it at one
/// moment. A history of it is judged whole: give all its operations the same key.
///
/// ```
/// use norikv_testkit::{Comparison, History, Transaction, TransactionOutput, Transactions};
/// use norikv_testkit::{Action, Verdict, linearizable};
/// use norikv_types::Mono;
///
/// let both = Transaction::always([Action::Get('a'), Action::Get('b')]);
/// let swap = Transaction {
///     compare: vec![('a', Comparison::Absent)],
///     then: vec![Action::Put('a', 1), Action::Put('b', 1)],
///     otherwise: vec![],
/// };
/// let mut history = History::new();
/// let write = history.invoke(1, (), swap, Mono::ZERO);
/// let read = history.invoke(2, (), both, Mono::ZERO);
/// history.returned(read, TransactionOutput { held: true, got: vec![Some(1), None] }, Mono::ZERO);
/// history.returned(write, TransactionOutput { held: true, got: vec![] }, Mono::ZERO);
/// // Half of a transaction was seen.
/// assert!(matches!(linearizable(&history, &Transactions::new()), Verdict::No(_)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Transactions<K, V>(PhantomData<(K, V)>);

/// What the map is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction<K, V> {
    /// All of these decide what is done.
    pub compare: Vec<(K, Comparison<V>)>,
    /// Done if everything compares.
    pub then: Vec<Action<K, V>>,
    /// Done if something does not.
    pub otherwise: Vec<Action<K, V>>,
}

/// What a transaction asks of a key before it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison<V> {
    /// It holds nothing.
    Absent,
    /// It holds something.
    Present,
    /// It holds this.
    Equals(V),
}

/// A part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<K, V> {
    /// What does the key hold?
    Get(K),
    /// Let it hold this.
    Put(K, V),
    /// Let it hold nothing.
    Delete(K),
}

/// What a transaction is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionOutput<V> {
    /// Whether everything compared.
    pub held: bool,
    /// What the gets found, in order.
    pub got: Vec<Option<V>>,
}

impl<K, V> Transactions<K, V> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K, V> Default for Transactions<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Transaction<K, V> {
    /// Does `actions` without comparing.
    pub fn always(actions: impl IntoIterator<Item = Action<K, V>>) -> Self {
        Self {
            compare: Vec::new(),
            then: actions.into_iter().collect(),
            otherwise: Vec::new(),
        }
    }

    const fn branch(&self, held: bool) -> &Vec<Action<K, V>> {
        if held { &self.then } else { &self.otherwise }
    }
}

impl<V: PartialEq> Comparison<V> {
    fn holds(&self, found: Option<&V>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Equals(value) => found == Some(value),
        }
    }
}

impl<K, V> Model for Transactions<K, V>
where
    K: Clone + Ord + Hash + Debug,
    V: Clone + Eq + Hash + Debug,
{
    type Input = Transaction<K, V>;
    type Output = TransactionOutput<V>;
    type State = BTreeMap<K, V>;

    fn initial(&self) -> BTreeMap<K, V> {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &BTreeMap<K, V>,
        input: &Transaction<K, V>,
        output: Option<&TransactionOutput<V>>,
    ) -> Option<BTreeMap<K, V>> {
        let held = input
            .compare
            .iter()
            .all(|(key, comparison)| comparison.holds(state.get(key)));
        if output.is_some_and(|seen| seen.held != held) {
            return None;
        }
        let mut after = state.clone();
        let mut gets = 0;
        for action in input.branch(held) {
            match action {
                Action::Get(key) => {
                    let seen = |seen: &TransactionOutput<V>| {
                        seen.got.get(gets).map(Option::as_ref) == Some(after.get(key))
                    };
                    if !output.is_none_or(seen) {
                        return None;
                    }
                    gets += 1;
                }
                Action::Put(key, value) => {
                    after.insert(key.clone(), value.clone());
                }
                Action::Delete(key) => {
                    after.remove(key);
                }
            }
        }
        let complete = output.is_none_or(|seen| seen.got.len() == gets);
        complete.then_some(after)
    }

    fn is_read(&self, input: &Transaction<K, V>, output: &TransactionOutput<V>) -> bool {
        let is_get = |action: &Action<K, V>| matches!(action, Action::Get(_));
        input.branch(output.held).iter().all(is_get)
    }
}

#[cfg(test)]
mod tests;
