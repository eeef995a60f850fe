//! Whole clusters by seed.

mod control;
mod swarm;
mod trace;
