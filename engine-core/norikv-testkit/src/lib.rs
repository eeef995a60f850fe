//! Virtual time, disk and network with faults drawn from a seed, and a linearizability checker.
//!
//! **Invariant: nothing here knows a protocol, and nothing here reads a clock or draws from
//! anything but a seed.** The same seed and the same calls give the same run on every target.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod clock;
mod counters;
mod crash;
mod disk;
mod drawing;
mod entropy;
mod format;
#[cfg(feature = "std")]
mod fuzzing;
mod history;
mod linearizability;
mod model;
mod network;
mod schedule;
mod value;
mod watched;

pub use clock::{DriftingClock, VirtualClock};
pub use crash::{CrashDevice, CrashDisk, CrashFault, UnitFate, fates};
pub use disk::{
    CrashReport, Damage, DamageKind, DiskCounters, DiskOptions, FailPoint, Lie, LieKind, Scope,
    SimDisk,
};
pub use drawing::draw;
pub use entropy::SimEntropy;
pub use format::{
    FormatError, RegisterHistory, TextHistory, read_edn_register, read_edn_text, read_jepsen_log,
};
#[cfg(feature = "std")]
pub use fuzzing::fuzz;
pub use history::{History, Moment, Operation, OperationId, Outcome};
pub use linearizability::{Limit, Verdict, Violation, linearizable, linearizable_within};
pub use model::{
    Action, AppendList, CasInput, CasOutput, CasRegister, Comparison, Counter, CounterInput,
    CounterOutput, Expect, ListInput, ListOutput, Lock, LockInput, LockOutput, Model, MortalInput,
    MortalKey, MortalState, Queue, QueueInput, QueueOutput, Register, RegisterInput,
    RegisterOutput, TextInput, TextKey, TextOutput, Together, Transaction, TransactionOutput,
    Transactions, VersionedInput, VersionedKey, VersionedOutput, VersionedState,
};
pub use network::{Channel, Delay, Harm, LinkFaults, Message, Network, NetworkCounters, Payload};
pub use schedule::{Schedule, Slot};
pub use value::ValueId;
pub use watched::{StoreStep, WatchedStore};
