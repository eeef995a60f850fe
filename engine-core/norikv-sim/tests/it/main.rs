//! Whole clusters by seed.

mod control;
mod gossip;
mod scenarios;
mod storage;
mod swarm;
mod trace;
