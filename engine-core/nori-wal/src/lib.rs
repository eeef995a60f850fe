//! A write-ahead log that tells a torn tail from corruption.
//!
//! **Invariant: what was acknowledged is replayed after any crash, or reported as damaged. It is
//! never cut silently.** Every commit group carries the position up to which all before it was
//! synced; whatever does not verify below the highest such position is corruption, whatever does not
//! verify above it is a torn tail.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod commit;
mod error;
mod event;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod inspect;
mod iter;
mod lsn;
mod options;
mod prepare;
mod record;
mod recovery;
mod release;
mod rotate;
mod segment;
mod state;
mod wal;
mod walker;

pub use error::{CorruptRange, Damage, Error, Limit};
pub use event::Event;
pub use inspect::{
    BadPart, FrameInfo, FrameKind, HeaderInfo, Inspected, Rest, Verified, VerifiedSegment,
};
pub use iter::Iter;
pub use lsn::{Lsn, LsnRange};
pub use options::{OpenMode, Options, SyncPolicy};
pub use record::LogId;
pub use recovery::{Recovery, Replayed};
pub use segment::SegmentInfo;
pub use wal::Wal;
