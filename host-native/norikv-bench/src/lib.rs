#![doc = include_str!("../README.md")]
//!
//! **Invariant: a figure is what its name says, or there is none.** Whatever fails or answers wrongly
//! ends the run.

mod allocations;
pub mod cluster;
pub mod embedded;
mod keys;
mod latencies;
mod machine;
mod measure;
pub mod raft;
mod report;
mod scratch;
mod usage;
mod values;

pub use allocations::{Allocations, CountingAllocator, counted as counted_allocations};
pub use keys::{Choice, gather, scatter, write_key};
pub use latencies::{Latencies, Percentiles};
pub use machine::Machine;
pub use measure::{Figure, Gate, PATIENCE, Tally, Times, Window, counted, timed};
pub use report::Run;
pub use scratch::{Scratch, space_of};
pub use usage::{Sample, Usage, peak_memory_bytes};
pub use values::{WORDS_COMPARED, is_value_of, write_value};
