//! The cluster: N real nodes on simulated disks and a simulated network.
//!
//! **Invariant: a node runs the code that it runs on a server**; only the ports' far ends are
//! simulated.

mod client;
mod config;
mod connections;
mod frame;
mod host;
mod invariant;
mod nemesis;
mod report;
mod simulation;
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
