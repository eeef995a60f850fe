//! The machine crates behind the ports.
//!
//! **Invariant: an adapter translates; it decides nothing that replicas must agree on.** That is
//! the state machine's, in the storage adapter's folder of its own.

mod lsm_storage;
mod placement_router;
mod swim_membership;
mod wal_log;

pub use lsm_storage::LsmStorage;
pub use placement_router::PlacementRouter;
pub use swim_membership::SwimMembership;
pub use wal_log::WalLog;
