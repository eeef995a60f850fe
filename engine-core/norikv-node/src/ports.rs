//! The ports: what a node needs of the world, named as the product names it.
//!
//! **Invariant: the node core calls no storage port; it hears of them through inputs only.** The
//! [`driver`](crate::driver) calls [`Storage`] and [`ReplicatedLog`] on the host's threads. The
//! transport is outputs and inputs and needs no trait. [`Membership`] and [`Router`] do no I/O and
//! live inside the core.

mod error;
mod membership;
mod replicated_log;
mod router;
mod storage;

pub use error::{PortError, PortErrorKind};
pub use membership::{Member, MemberState, Membership, MembershipOutput};
pub use replicated_log::{GroupLog, LogRecord, LogReport, ReplicatedLog};
pub use router::Router;
pub use storage::{Export, Maintenance, Origin, Pressure, Query, Staging, Storage};
