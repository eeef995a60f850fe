//! Sorted string tables: immutable, sorted, checksummed files of key versions.
//!
//! **Invariant: a read gives the right value or a typed error, never a wrong value.** Every block's
//! checksum is kept by its parent (block ← index ← top index ← footer ← the manifest's
//! [`TableMeta`]), salted with the table's uid and the block's offset, so that flipped, stale and
//! misdirected bytes all fail. Nothing here panics on bytes from outside.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod block;
mod block_builder;
mod builder;
mod cache;
mod cursor;
mod error;
mod filter;
mod footer;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod handle;
pub mod inspect;
mod iter;
mod key;
mod meta;
mod options;
mod prefix;
mod properties;
mod range_tombstones;
mod table;
mod value_file;
mod varint;
mod verify;

pub use builder::TableBuilder;
pub use cache::{BlockCache, CacheStats};
pub use error::{Damage, Error};
pub use iter::{IterOptions, TableIter};
pub use key::{InternalKey, InternalKeyRef, SeqNo, ValueKind};
pub use meta::TableMeta;
pub use options::{Compression, FilterKind, TableOptions};
pub use prefix::PrefixExtractor;
pub use properties::Properties;
pub use range_tombstones::{RangeFragment, RangeTombstone, RangeTombstones};
pub use table::{Found, Table};
pub use value_file::{
    ValueFile, ValueFileBuilder, ValueFileMeta, ValueFileVerifier, ValueInfo, ValuePointer,
    ValueReader,
};
pub use verify::{Verified, Verifier};

/// Longest user key in bytes.
pub const KEY_BYTES_MAX: u32 = 65_535;
/// Longest value in bytes (16 MiB).
pub const VALUE_BYTES_MAX: u32 = 16 << 20;
/// The format version that this crate writes.
pub const FORMAT_VERSION: u32 = 1;
