//! N real nodes in one deterministic world, by seed.
//!
//! **Invariant: the same configuration gives the same run on every host**, and a run stops at the
//! first broken promise. [`run_seed`] is the one function that native tests, wasmtime, Node and the
//! browser call to compare.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod client;
mod config;
mod connections;
mod frame;
mod host;
mod invariant;
mod nemesis;
mod report;
mod simulation;
mod trace;
mod value;
mod view;
mod violation;
mod workload;

pub use client::ClientCounters;
pub use config::{Clients, FaultKind, Faults, SimConfig, Sizes, Weights};
pub use host::Worker;
pub use report::{Report, run, run_seed};
pub use simulation::{Simulation, Step, StepKind};
pub use view::{DiskView, EventView, Happened, LogCell, LogColumn, MessageView, NodeView, View};
pub use violation::Violation;
