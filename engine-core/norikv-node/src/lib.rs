//! One NoriKV server, composed of its machines, as a machine itself.
//!
//! **Invariant: the node calls no port.** Storage, log and network are outputs to carry out and
//! inputs that tell of it, so a run is its configuration and its list of (time, input).
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod adapters;
mod call;
mod command;
mod config;
pub mod driver;
mod error;
mod event;
mod io;
mod node;
mod ports;
mod state_machine;
mod status;
mod transaction;
mod wire;

pub use call::{
    Admin, Answer, Call, Change, Consistency, Expect, Failure, Item, Page, Replicas, WatchEvent,
    WatchPage,
};
pub use command::{Command, CommandError, Decided, Operation, Outcome};
pub use config::{Limits, NodeConfig, RaftOptions, ScrubOptions, SnapshotOptions, SwimOptions};
pub use error::Error;
pub use event::{Event, FrameRefusal};
pub use io::{Chunk, Input, Lane, Output, ReadToken, RequestId, SessionId};
pub use node::Node;
pub use ports::{
    Export, GroupLog, LogRecord, LogReport, Maintenance, Member, MemberState, Membership,
    MembershipOutput, Origin, PortError, PortErrorKind, Pressure, Query, ReplicatedLog, Router,
    Staging, Storage,
};
pub use status::{GroupStatus, NodeStatus, ReplicaStatus};
pub use transaction::{Check, Compare, Step, StepAnswer, Transaction};
