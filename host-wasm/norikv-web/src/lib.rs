//! The simulator in the page.
//!
//! **Invariant: this crate decides nothing.** It hands calls to one
//! [`Simulation`](norikv_sim::Simulation) and hands its [`View`](norikv_sim::View) back as bytes, so
//! the page shows the run that every other host computes from the same seed.
#![doc = include_str!("../README.md")]

mod panic;
mod run;
mod seed;
mod world;

pub use seed::run_seed;
pub use world::World;
