//! What an object is allowed to answer.
//!
//! **Invariant: a model is a function.** Where reality leaves a choice open (an outcome that nobody
//! saw), the state says what is not known, instead of the model guessing.

mod cas_register;
mod counter;
mod list;
mod lock;
mod mortal;
mod queue;
mod register;
mod text;
mod together;
mod transaction;
mod versioned;

use core::fmt::Debug;
use core::hash::Hash;

pub use cas_register::{CasInput, CasOutput, CasRegister};
pub use counter::{Counter, CounterInput, CounterOutput};
pub use list::{AppendList, ListInput, ListOutput};
pub use lock::{Lock, LockInput, LockOutput};
pub use mortal::{MortalInput, MortalKey, MortalState};
pub use queue::{Queue, QueueInput, QueueOutput};
pub use register::{Register, RegisterInput, RegisterOutput};
pub use text::{TextInput, TextKey, TextOutput};
pub use together::Together;
pub use transaction::{Action, Comparison, Transaction, TransactionOutput, Transactions};
pub use versioned::{Expect, VersionedInput, VersionedKey, VersionedOutput, VersionedState};

/// The sequential behaviour of one key.
pub trait Model {
    /// What is asked of it.
    type Input;
    /// What it answers.
    type Output;
    /// What it remembers.
    type State: Clone + Eq + Hash + Debug;

    /// What it remembers before anything was asked.
    fn initial(&self) -> Self::State;

    /// What it remembers after `input` was executed in `state` and answered `output`; `None` when
    /// it could not have answered that. Without an `output`, nobody knows what it answered.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;

    /// Whether `input` that answered `output` changes nothing in any state. The search does such an
    /// operation as soon as it can and never looks back, so a wrong `true` makes it wrong; a wrong
    /// `false` only makes it slow.
    fn is_read(&self, input: &Self::Input, output: &Self::Output) -> bool;
}
