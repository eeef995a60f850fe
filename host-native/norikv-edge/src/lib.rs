#![doc = include_str!("../README.md")]
//!
//! **Invariant: a component gets no import.** The linker is empty, so a component that wants a
//! clock, a file or a socket fails to instantiate instead of behaving differently from host to host.

mod engine;
mod simulator;
mod store;

pub use engine::deterministic_engine;
pub use simulator::{Report, Simulator};
pub use store::{KeyPage, Store, StoreError};
