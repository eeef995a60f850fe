//! Locks that exist on every host: parking_lot's with feature `std`, spinning ones without.
//!
//! There is no no-op lock for single-threaded hosts: it would need `unsafe`.

mod park;

pub use park::{Park, Waited};
pub use portable_atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

#[cfg(feature = "std")]
type RawMutex = parking_lot::RawMutex;
#[cfg(not(feature = "std"))]
type RawMutex = spin::Mutex<()>;

#[cfg(feature = "std")]
type RawRwLock = parking_lot::RawRwLock;
#[cfg(not(feature = "std"))]
type RawRwLock = spin::RwLock<()>;

/// Mutual exclusion.
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;
/// The guard of a [`Mutex`].
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;
/// Many readers or one writer.
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;
