//! Looks things up, off the node's loop.

use alloc::sync::Arc;

use super::ReadTask;
use crate::{Input, Storage};

/// Answers queries. Any number of them may run at once.
#[derive(Debug, Clone)]
pub struct ReadWorker {
    storage: Arc<dyn Storage>,
}

impl ReadWorker {
    /// A worker over `storage`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// Answers one task.
    #[must_use]
    pub fn run(&self, task: &ReadTask) -> Input {
        Input::ReadDone {
            read: task.read,
            result: self.storage.query(&task.query),
        }
    }
}
