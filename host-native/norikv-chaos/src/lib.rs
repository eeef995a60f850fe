#![doc = include_str!("../README.md")]
//!
//! **Invariant: a run either says that nothing happened that must not, or says what did,** and
//! whatever could not be tried is named as such.
#![forbid(unsafe_code)]

mod cluster;
mod failover;
mod fault;
mod finale;
mod judge;
mod mesh;
mod nemesis;
mod op;
mod operator;
mod plan;
mod probe;
mod record;
mod report;
mod run;
mod violation;
mod worker;

pub use cluster::{Settings, Sizes};
pub use failover::{Failover, FailoverOptions, GIVE_UP, Kill, Spread, failover};
pub use fault::{Fault, Kind, Lane, Links, Target, Trouble};
pub use finale::Rest;
pub use judge::Verdicts;
pub use mesh::{Link, PacketCounters};
pub use nemesis::Tally;
pub use op::{Op, OpKind};
pub use plan::{Pace, Plan, Planned, Scope};
pub use probe::Outage;
pub use record::{Begun, Heard, KeyHistory, OpCounters, Record};
pub use report::Report;
pub use run::{Options, Progress, run};

pub use violation::{Findings, Violation};
