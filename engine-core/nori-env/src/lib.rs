//! The block, clock and entropy interface under NoriKV's storage.
//!
//! **Invariant: after `sync` returns `Ok`, the bytes, the object's existence and (unless it was
//! created with a reserve) its exact length survive any later crash.** No engine code can forget a
//! directory sync, because there is none to call.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod device;
mod error;
mod extent;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod mem;
mod object;
#[cfg(feature = "std")]
mod std_host;
mod store;
pub mod sync;

pub use clock::{Clock, Entropy};
pub use device::{BlockDevice, MemDevice};
pub use error::{IoError, IoErrorKind, IoOp};
pub use extent::ExtentStore;
pub use mem::MemStore;
pub use object::{Advice, BlockObject, Geometry, ObjectId, ObjectKind, ReadRequest};
#[cfg(feature = "std")]
pub use std_host::{DirStore, FileDevice, OsEntropy, SystemClock, WorkerPool};
pub use store::{BlockStore, Owner};
