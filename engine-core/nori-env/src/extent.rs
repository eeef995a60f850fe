//! The object store on a raw device. `docs/formats/extent-store.md` has the bytes.
//!
//! **Invariant: a block is written only where no state that a crash may leave behind refers to
//! it**, except behind the synced end of an object, which no state shows.
//!
//! ```text
//! | slot A | slot B | data …                                   |
//!   \______________/
//!    the same table twice: names, and for each object its length and its extents
//! ```
//!
//! A change of the table is durable after five steps: flush (the data, and slot B as it was), write
//! slot A, flush: from here on it holds, write slot B. One slot is whole at any moment, so a crash
//! leaves the table before or the table after, and a single rotten block never brings back an
//! older one. An object that was set aside whole (a segment of a log) needs none of this: its
//! `sync` is one flush.

mod allocator;
mod map;
mod object;
mod store;
mod table;

pub use self::store::ExtentStore;
