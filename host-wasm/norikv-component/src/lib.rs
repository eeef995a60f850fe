#![doc = include_str!("../README.md")]
//!
//! **Invariant: a component imports nothing.** It asks its host for no clock, no file and no
//! randomness, so it runs the same in every runtime.

#[cfg(feature = "sim")]
mod sim;
#[cfg(feature = "store")]
mod store;
