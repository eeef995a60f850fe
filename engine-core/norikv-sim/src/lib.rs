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

mod cluster;
mod trace;

pub use cluster::{
    ClientCounters, Clients, DiskView, EventView, FaultKind, Faults, Happened, LogCell, LogColumn,
    MessageView, NodeView, Report, SimConfig, Simulation, Sizes, Step, StepKind, View, Violation,
    Weights, Worker, run, run_seed,
};
