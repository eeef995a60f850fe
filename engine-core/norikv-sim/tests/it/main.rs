//! Whole clusters by seed.

mod control;
mod gossip;
#[cfg(feature = "mutants")]
mod minimise;
mod scenarios;
mod storage;
mod swarm;
mod trace;
