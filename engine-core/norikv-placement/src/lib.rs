//! Which shard a key hashes to, which group serves it, and which nodes replicate the group.
//!
//! **Invariant: placement is a pure function.** The same key has the same shard and the same
//! (nodes, groups, replication) has the same plan on every host, whoever computes it.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod placement;
mod plan;
mod shard;

pub use error::Error;
pub use placement::Placement;
pub use shard::{SHARD_COUNT, shard_of};
