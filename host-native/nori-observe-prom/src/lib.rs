//! A `nori-observe` meter as OpenMetrics text.
//!
//! **Invariant: the same readings give the same text, and the same metrics give the same series**:
//! order comes from the snapshot, bucket bounds are fixed.
#![doc = include_str!("../README.md")]

mod exposition;

pub use exposition::{CONTENT_TYPE, encode};
