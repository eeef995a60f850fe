//! Whole clusters by seed.

mod control;
mod storage;
mod swarm;
mod trace;
