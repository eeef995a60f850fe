//! What clients asked and what they were told.
//!
//! **Invariant: operations are ordered by the events of this history, not by clock readings.** One
//! operation is before another only if it returned before the other was invoked; an operation whose
//! outcome nobody knows is pending for ever.

use alloc::vec::Vec;

use norikv_types::Mono;

/// Operations on keys of type `K`, with inputs `I` and outputs `O`.
#[derive(Debug, Clone)]
pub struct History<K, I, O> {
    operations: Vec<Operation<K, I, O>>,
    next_event: u64,
}

/// Names an operation of one history: counts from 0 in the order of invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u32);

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<K, I, O> {
    /// Who asked.
    pub process: u64,
    /// What it is about; operations on different keys are judged apart.
    pub key: K,
    /// What was asked.
    pub input: I,
    /// When.
    pub invoked: Moment,
    /// What came of it.
    pub outcome: Outcome<O>,
}

/// An event of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Counts the events; this decides which of two came first.
    pub event: u64,
    /// The time, for people.
    pub at: Mono,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<O> {
    /// Nobody knows whether it took effect, nor when it will.
    Unknown,
    /// It took effect, once, before it returned this.
    Returned {
        /// What it answered.
        output: O,
        /// When.
        at: Moment,
    },
    /// It surely never takes effect.
    Refused,
}

impl<K, I, O> History<K, I, O> {
    /// A history in which nothing happened.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            operations: Vec::new(),
            next_event: 0,
        }
    }

    /// Somebody asks. Until [`returned`](Self::returned) or [`refused`](Self::refused) the outcome
    /// is unknown.
    pub fn invoke(&mut self, process: u64, key: K, input: I, at: Mono) -> OperationId {
        let id = u32::try_from(self.operations.len()).expect("fewer than 2^32 operations");
        let invoked = self.moment(at);
        self.operations.push(Operation {
            process,
            key,
            input,
            invoked,
            outcome: Outcome::Unknown,
        });
        OperationId(id)
    }

    /// The operation took effect and answers.
    ///
    /// # Panics
    /// When its outcome is known already.
    pub fn returned(&mut self, id: OperationId, output: O, at: Mono) {
        let at = self.moment(at);
        self.settle(id, Outcome::Returned { output, at });
    }

    /// The operation surely took no effect and never will.
    ///
    /// # Panics
    /// When its outcome is known already.
    pub fn refused(&mut self, id: OperationId) {
        self.settle(id, Outcome::Refused);
    }

    /// Every operation, in the order of invocation.
    #[must_use]
    pub fn operations(&self) -> &[Operation<K, I, O>] {
        &self.operations
    }

    /// One operation.
    ///
    /// # Panics
    /// When `id` is of another history.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> &Operation<K, I, O> {
        &self.operations[id.0 as usize]
    }

    /// The same history told in other words: `f` gives each operation's new key and input.
    #[must_use]
    pub fn map<L, J>(&self, mut f: impl FnMut(&K, &I) -> (L, J)) -> History<L, J, O>
    where
        O: Clone,
    {
        let operations = self.operations.iter().map(|operation| {
            let (key, input) = f(&operation.key, &operation.input);
            Operation {
                process: operation.process,
                key,
                input,
                invoked: operation.invoked,
                outcome: operation.outcome.clone(),
            }
        });
        History {
            operations: operations.collect(),
            next_event: self.next_event,
        }
    }

    fn settle(&mut self, id: OperationId, outcome: Outcome<O>) {
        let operation = &mut self.operations[id.0 as usize];
        assert!(
            matches!(operation.outcome, Outcome::Unknown),
            "an operation ends once"
        );
        operation.outcome = outcome;
    }

    const fn moment(&mut self, at: Mono) -> Moment {
        let event = self.next_event;
        self.next_event += 1;
        Moment { event, at }
    }
}

impl<K, I, O> Default for History<K, I, O> {
    fn default() -> Self {
        Self::new()
    }
}
