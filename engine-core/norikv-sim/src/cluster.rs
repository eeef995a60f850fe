//! The cluster: N real nodes on simulated disks and a simulated network.
//!
//! **Invariant: a node runs the code that it runs on a server**; only the ports' far ends are
//! simulated.

mod client;
mod config;
mod connections;
mod coverage;
mod draw;
mod frame;
mod host;
mod invariant;
mod lives;
mod minimise;
mod nemesis;
mod operator;
mod outputs;
mod packet;
mod plan;
mod report;
mod simulation;
mod summary;
mod verdict;
mod view;
mod violation;
mod watcher;
mod workload;

pub use client::ClientCounters;
pub use config::{Clients, SimConfig, Sizes};
pub use coverage::{Coverage, Phase};
pub use host::Worker;
pub use minimise::{Goal, Minimised, minimise};
pub use nemesis::Salvaged;
pub use operator::OperatorCounters;
pub use plan::{Action, Deal, Disk, Entry, FaultKind, Wanted};
pub use report::{Report, run, run_seed};
pub use simulation::{Simulation, Step, StepKind};
pub use summary::Summary;
pub use view::{DiskView, EventView, Happened, LogCell, LogColumn, MessageView, NodeView, View};
pub use violation::Violation;
