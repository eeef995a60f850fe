//! The node, three and five at a time, over ports in memory.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a harness: what is missing fails the test, and seeds are printed"
)]

mod cluster;
mod memory;

mod allocator;
mod calls;
mod damage;
mod failures;
mod follower_reads;
mod groups;
mod history;
mod moves;
mod operations;
mod restarts;
mod scan_then_watch;
mod snapshots;
mod transfers;
