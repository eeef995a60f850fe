#![doc = include_str!("../README.md")]
//!
//! **Invariant: what one side formats the other parses to the same value,** whatever bytes a key or
//! a value holds.
#![forbid(unsafe_code)]

mod address;
mod admin;
mod body;
pub mod cursor;
mod error;
pub mod etag;
pub mod path;
mod status;
mod text;
mod transaction;
pub mod ttl;
mod watch;

pub use address::{AddressError, NodeAddress};
pub use admin::{ChangeReplicasBody, ReplicasBody, TransferBody};
pub use body::{ItemBody, VersionBody, WrittenBody};
pub use error::{ErrorBody, PositionBody, http_status, next_step};
pub use status::{ClusterBody, GroupBody, MemberBody, PeerBody, ReplicaBody};
pub use text::Text;
pub use transaction::{
    CompareBody, CountedBody, ResultBody, StepBody, StepOp, TransactedBody, TransactionBody,
};
pub use watch::{EventBody, WatchLine};

/// The header that names a write, so that repeating it does not do it twice.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The media type of a page of a scan: one [`ItemBody`] a line.
pub const NDJSON: &str = "application/x-ndjson";
/// The answer's header that holds the cursor of the next page of a scan; absent after the last one.
pub const CURSOR: &str = "norikv-cursor";
/// The answer's header that says where a scan was read, as a [`cursor`]: a watch from there on
/// tells what the scan does not show. The page behind it is asked for with it too, so that its own
/// covers both.
pub const WATCH_CURSOR: &str = "norikv-watch-cursor";
/// The answer's header that says how many milliseconds a value still lives; absent: for ever.
pub const TTL_MS: &str = "norikv-ttl-ms";
