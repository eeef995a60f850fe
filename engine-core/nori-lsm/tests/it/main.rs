//! The store as its callers use it.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod backup;
mod basics;
mod borders;
mod compaction;
mod conflicts;
mod copies;
mod crash;
mod damage;
mod durability;
mod exhaustive;
mod extents;
mod failure;
mod faults;
mod fifo;
mod flips;
mod format_page;
mod fuzz;
mod ingest;
mod limits;
mod model;
mod open;
mod pressure;
mod read_only;
mod replace;
mod semantics;
mod skips;
mod support;
mod threads;
mod values;
mod verify;
mod versions;
mod workload;
