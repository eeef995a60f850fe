//! A queue: first in, first out.

use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;
use core::marker::PhantomData;

use super::Model;

/// A first-in-first-out queue of `V`; empty at first. A dequeue whose outcome nobody saw takes the
/// first element, whichever that is, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct Queue<V>(PhantomData<V>);

/// What a queue is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueInput<V> {
    /// Put this behind the last.
    Enqueue(V),
    /// Give the first, and forget it.
    Dequeue,
}

/// What a queue answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueOutput<V> {
    /// To an enqueue.
    Done,
    /// To a dequeue.
    Took(V),
    /// To a dequeue that met an empty queue.
    Empty,
}

impl<V> Queue<V> {
    /// The model.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V> Default for Queue<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Clone + Eq + Hash + Debug> Model for Queue<V> {
    type Input = QueueInput<V>;
    type Output = QueueOutput<V>;
    /// First to last.
    type State = Vec<V>;

    fn initial(&self) -> Vec<V> {
        Vec::new()
    }

    fn step(
        &self,
        state: &Vec<V>,
        input: &QueueInput<V>,
        output: Option<&QueueOutput<V>>,
    ) -> Option<Vec<V>> {
        match (input, output) {
            (QueueInput::Enqueue(value), None | Some(QueueOutput::Done)) => {
                let mut longer = Vec::with_capacity(state.len() + 1);
                longer.extend_from_slice(state);
                longer.push(value.clone());
                Some(longer)
            }
            (QueueInput::Dequeue, None | Some(QueueOutput::Took(_))) => {
                let Some((first, rest)) = state.split_first() else {
                    return output.is_none().then(Vec::new);
                };
                let explained = match output {
                    Some(QueueOutput::Took(seen)) => seen == first,
                    _ => true,
                };
                explained.then(|| rest.to_vec())
            }
            (QueueInput::Dequeue, Some(QueueOutput::Empty)) => state.is_empty().then(Vec::new),
            (QueueInput::Dequeue, Some(QueueOutput::Done))
            | (QueueInput::Enqueue(_), Some(QueueOutput::Took(_) | QueueOutput::Empty)) => None,
        }
    }

    fn is_read(&self, _: &QueueInput<V>, output: &QueueOutput<V>) -> bool {
        matches!(output, QueueOutput::Empty)
    }
}

#[cfg(test)]
mod tests;
