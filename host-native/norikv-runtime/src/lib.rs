//! Runs one NoriKV node on real threads, disks and sockets.
//!
//! **Invariant: this crate decides nothing.** The node is a deterministic machine; here its outputs
//! become system calls and what comes of them becomes its inputs, in order. One thread owns the
//! node, one the log, one applies, one does snapshots, one the background work, a few read; tokio
//! carries the sockets.
#![doc = include_str!("../README.md")]

mod config;
mod error;
mod event_loop;
mod handle;
mod identity;
mod inbox;
mod metrics;
mod runtime;
mod shared;
mod stores;
mod workers;

pub use config::{RuntimeConfig, StorageOptions};
pub use error::Error;
pub use handle::RuntimeHandle;
pub use runtime::Runtime;
pub use shared::Notice;
