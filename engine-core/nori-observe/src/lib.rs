//! A vendor-neutral meter (counters, gauges, histograms) and typed event sinks.
//!
//! **Invariant: recording never allocates, locks or fails.** Everything that can go wrong does so
//! when a handle is made; a snapshot has the same order on every host.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod event;
mod handle;
mod histogram;
mod meter;
mod name;
mod sample;

pub use error::Error;
pub use event::{Drained, EventSink, Ring};
pub use handle::{Counter, Gauge};
pub use histogram::{Distribution, Histogram};
pub use meter::Meter;
pub use sample::{Kind, Sample, Unit, Value};
