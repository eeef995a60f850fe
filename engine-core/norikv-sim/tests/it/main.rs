//! Whole clusters by seed.

mod control;
#[cfg(feature = "mutants")]
mod mutants;
mod swarm;
mod trace;
