//! Executes what is committed.

use alloc::sync::Arc;

use super::ApplyTask;
use crate::{Input, Pressure, Storage};

/// The ordered applier: it alone decides compare-and-set and idempotency.
///
/// **Invariant: after a failed apply it applies nothing any more**, since the next entries follow
/// on the one that is missing.
#[derive(Debug)]
pub struct ApplyWorker {
    storage: Arc<dyn Storage>,
    failed: bool,
    pressure: Pressure,
}

impl ApplyWorker {
    /// A worker over `storage`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            failed: false,
            pressure: Pressure::None,
        }
    }

    /// Applies one task. `None` after a failure.
    pub fn run(&mut self, task: &ApplyTask) -> Option<Input> {
        if self.failed {
            return None;
        }
        match self.storage.apply(task.group, &task.entries) {
            Ok(results) => Some(Input::Applied {
                group: task.group,
                results,
            }),
            Err(error) => {
                self.failed = true;
                Some(Input::StorageFailed(error))
            }
        }
    }

    /// Tells the node how well the storage keeps up, where that changed. Ask after each run.
    pub fn pressure(&mut self) -> Option<Input> {
        let pressure = self.storage.pressure();
        (pressure != self.pressure).then(|| {
            self.pressure = pressure;
            Input::Pressure(pressure)
        })
    }
}
