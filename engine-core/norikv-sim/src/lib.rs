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
pub mod gossip;
mod recording;
mod scenario;
pub mod storage;
mod tally;
mod trace;

pub use cluster::{
    Action, ClientCounters, Clients, Coverage, Deal, Disk, DiskView, Entry, EventView, FaultKind,
    Goal, Happened, LogCell, LogColumn, MessageView, Minimised, NodeView, OperatorCounters, Phase,
    Report, Salvaged, SimConfig, Simulation, Sizes, Step, StepKind, Summary, View, Violation,
    Wanted, Worker, minimise, run, run_seed,
};
pub use recording::{Record, RecordKind, Recording, RecordingError, Records};
pub use scenario::{Scenario, ScenarioError, World};
pub use tally::Tally;
