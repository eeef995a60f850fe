//! The ordered map of a memtable.
//!
//! **Invariant: what was inserted stays, unchanged and in place, until the whole list is dropped.**
//! That is why a reader needs no lock: a position that it holds can only gain neighbours.
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod arena;
mod iter;
mod list;
mod sync;
mod tower;
mod writer;

pub use iter::Iter;
pub use list::{Entry, Position, SkipList};
pub use writer::Writer;
