//! The words every NoriKV crate shares: ids, time, versions, seeded randomness and error kinds.
//!
//! **Invariant: nothing here does anything.** These are values; two integers that could be swapped
//! by mistake have different types, and every type is the same size and order on every target.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod error_kind;
mod id;
mod mutant;
mod prng;
mod time;
mod version;

pub use error_kind::{Applied, ErrorKind, Remedy};
pub use id::{GroupId, NodeId, ShardId};
#[cfg(feature = "mutants")]
pub use mutant::Planted;
pub use mutant::{Mutant, World, breaks};
pub use prng::Prng;
pub use time::{Mono, WallMs};
pub use version::{LogIndex, Term, Version};
