//! Looks things up, off the node's loop.

use alloc::sync::Arc;

use nori_raft as raft;

use super::ReadTask;
use crate::{Input, ReplicatedLog, Storage};

/// Answers queries, and reads back what the node does not keep of its log. Any number of them may run at once.
#[derive(Debug, Clone)]
pub struct ReadWorker {
    storage: Arc<dyn Storage>,
    log: Arc<dyn ReplicatedLog>,
}

impl ReadWorker {
    /// A worker over `storage` and `log`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, log: Arc<dyn ReplicatedLog>) -> Self {
        Self { storage, log }
    }

    /// Answers one task.
    #[must_use]
    pub fn run(&self, task: &ReadTask) -> Input {
        match task {
            ReadTask::Query { read, query } => Input::ReadDone {
                read: *read,
                result: self.storage.query(query),
            },
            &ReadTask::Entries {
                group,
                reader,
                from,
                up_to,
                bytes_max,
            } => Input::EntriesFetched {
                group,
                reader,
                from,
                result: (self.log.read(group, from, up_to, bytes_max)).map(raft::Entries::from),
            },
        }
    }
}
