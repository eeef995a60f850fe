//! The ordered map of a memtable.
//!
//! **Invariant: what was inserted stays, unchanged and in place, until the whole list is dropped.**
//! That is why a reader needs no lock: a position that it holds can only gain neighbours.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod chunked;
mod list;

pub use list::{ENTRY_OVERHEAD_BYTES, Entry, Iter, Position, SkipList};
