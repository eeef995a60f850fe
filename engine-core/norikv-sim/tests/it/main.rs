//! Whole clusters by seed.

mod control;
mod gossip;
mod storage;
mod swarm;
mod trace;
