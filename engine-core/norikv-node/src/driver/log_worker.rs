//! Makes durable what the node must not say before.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::LogTask;
use crate::{Input, LogRecord, ReplicatedLog};

/// Runs the log: however many tasks are waiting, one group commit serves them all.
///
/// **Invariant: after a failed append it calls nothing durable any more.**
#[derive(Debug)]
pub struct LogWorker {
    log: Arc<dyn ReplicatedLog>,
    failed: bool,
}

impl LogWorker {
    /// A worker over `log`.
    #[must_use]
    pub fn new(log: Arc<dyn ReplicatedLog>) -> Self {
        Self { log, failed: false }
    }

    /// Appends every task in order and syncs once. Take all that wait: a sync costs the same for
    /// one and for a thousand.
    pub fn run(&mut self, tasks: &[LogTask]) -> Vec<Input> {
        if self.failed || tasks.is_empty() {
            return Vec::new();
        }
        let batch: Vec<LogRecord<'_>> = tasks
            .iter()
            .map(|LogTask { group, persist }| LogRecord {
                group: *group,
                hard_state: persist.hard_state.as_ref(),
                reset: persist.reset.map(|snapshot| snapshot.version()),
                rewrites: &persist.rewrites,
                entries: &persist.entries,
            })
            .collect();
        match self.log.append(&batch) {
            Ok(()) => tasks
                .iter()
                .map(|task| Input::Durable {
                    group: task.group,
                    write: task.persist.write,
                })
                .collect(),
            Err(error) => {
                self.failed = true;
                alloc::vec![Input::LogFailed(error)]
            }
        }
    }
}
