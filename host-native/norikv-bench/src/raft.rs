//! The consensus core beside another one: one thread, three replicas in memory.
//!
//! **Invariant: a figure counts only where all three replicas applied the same payloads in the same
//! order.** Both libraries run in one harness over one kind of log.

mod args;
mod nori;
mod payloads;
#[cfg(feature = "raft-rs")]
mod raft_rs;
mod report;
mod rounds;
mod trio;

pub use args::RaftArgs;
pub use report::{BatchRow, RaftReport, RaftRow};
pub use rounds::profile;

use anyhow::Result;

use crate::machine::Machine;

/// What is done.
#[derive(Debug, Clone)]
pub struct RaftSettings {
    /// How often each library is measured; figures are medians.
    pub rounds: u32,
    /// Processor seconds for which each batch size is measured.
    pub seconds: f64,
    /// Groups that are built for the figures of a replica that has nothing to do.
    pub groups: u32,
}

impl Default for RaftSettings {
    fn default() -> Self {
        Self {
            rounds: 5,
            seconds: 0.5,
            groups: 1_024,
        }
    }
}

/// How many proposals are made before the library is asked what to do.
pub const BATCHES: [usize; 3] = [1, 64, 1_024];

/// Bytes of a payload.
pub const PAYLOAD_BYTES: usize = 256;

/// Measures every library of this build.
///
/// # Errors
/// When a library elects no leader, or its replicas applied different things.
pub fn run(settings: &RaftSettings, progress: &mut dyn FnMut(&str)) -> Result<RaftReport> {
    let rows = rounds::run(settings, progress)?;
    Ok(RaftReport {
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine::of(&std::env::temp_dir()),
        rounds: settings.rounds,
        seconds: settings.seconds,
        groups: settings.groups,
        payload_bytes: PAYLOAD_BYTES,
        rows,
    })
}
