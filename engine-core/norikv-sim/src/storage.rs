//! The storage world: one LSM with its own log on a faulty disk, against a model.
//!
//! **Invariant: what the store holds is what was written to it, in order: a prefix that contains
//! everything acknowledged, or a typed error that says what is damaged.** The disk is drawn as
//! faulty as disks are; where it lies, so that nobody could know better, only the prefix is judged.
//!
//! A run is a [`StorageConfig`] carried out: every operation is drawn from the seed and its own
//! number, so leaving some out does not change the others. Faults are entries with the number of
//! the operation before which they are armed.
//!
//! ```
//! use norikv_sim::storage::{self, StorageConfig};
//!
//! let report = storage::run(&StorageConfig::standard(7));
//! assert_eq!(report.violation, None);
//! ```

mod config;
mod fault;
mod invariant;
mod life;
mod model;
mod operation;
mod report;
mod violation;
mod world;
mod write;

pub use config::{DiskShape, EngineSizes, OperationWeights, StorageConfig, SyncKind, WriteKinds};
pub use fault::{FaultKind, ObjectPick, PickedKind, StorageFault, StorageFaultKind};
pub use report::{StorageCounters, StorageReport, run};
pub use violation::StorageViolation;
