//! What carries out a node's outputs over its ports.
//!
//! **Invariant: one worker of each kind a node, and each runs its tasks in the order in which the
//! node gave them out.** A native host gives each worker a thread (reads may have several); the
//! simulator runs them inline. A host is five short loops: take an output, [`route`] it, run the
//! worker, feed what it says back into the node.

mod apply_worker;
mod job_worker;
mod log_worker;
mod read_worker;
mod restore;
mod snapshot_worker;
mod task;

pub use apply_worker::ApplyWorker;
pub use job_worker::JobWorker;
pub use log_worker::LogWorker;
pub use read_worker::ReadWorker;
pub(crate) use restore::nothing;
pub use restore::{Stored, restore};
pub use snapshot_worker::SnapshotWorker;
pub use task::{ApplyTask, JobTask, LogTask, ReadTask, SnapshotTask, Task, route};
