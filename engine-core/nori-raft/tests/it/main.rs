//! Whole groups on a virtual clock, network and disk; rules of the papers through the public API.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod allocations;
mod bench;
mod chaos;
mod checker;
mod cluster;
mod conformance;
mod disk;
mod memory;
mod mutants;
mod paper;
mod quiescence;
mod repair;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;
