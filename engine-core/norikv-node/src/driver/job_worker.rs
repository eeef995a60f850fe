//! Background work: flushes, compactions, and the release of log that they make possible.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use norikv_types::{GroupId, LogIndex};

use super::JobTask;
use crate::{Input, Maintenance, Pressure, ReplicatedLog, Storage};

/// Runs the storage's jobs in bounded pieces and tells the node how far its groups are flushed.
#[derive(Debug)]
pub struct JobWorker {
    storage: Arc<dyn Storage>,
    log: Arc<dyn ReplicatedLog>,
    flushed: BTreeMap<GroupId, LogIndex>,
    /// The storage's mark when `flushed` was asked for.
    mark: Option<u64>,
    pressure: Pressure,
    failed: bool,
}

impl JobWorker {
    /// A worker for the groups that this node may ever hold.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        log: Arc<dyn ReplicatedLog>,
        groups: impl IntoIterator<Item = GroupId>,
    ) -> Self {
        Self {
            storage,
            log,
            flushed: groups
                .into_iter()
                .map(|group| (group, LogIndex(0)))
                .collect(),
            mark: None,
            pressure: Pressure::None,
            failed: false,
        }
    }

    /// Does what the node asked for.
    pub fn run(&mut self, task: &JobTask) -> Vec<Input> {
        match *task {
            JobTask::Flush => {
                self.storage.flush();
                Vec::new()
            }
            JobTask::ReleaseLog { group, up_to } => match self.log.release(group, up_to) {
                Ok(damaged) => {
                    let told = |(group, stretch)| Input::LogDamaged { group, stretch };
                    damaged.into_iter().map(told).collect()
                }
                Err(error) => {
                    self.failed = true;
                    vec![Input::LogFailed(error)]
                }
            },
            JobTask::ScrubLog {
                group,
                from,
                up_to,
                bytes_max,
            } => {
                let read = self.log.read(group, from, up_to, bytes_max);
                let result = read.map(|entries| entries.last().map(|entry| entry.index));
                vec![Input::Scrubbed {
                    group,
                    from,
                    result,
                }]
            }
            JobTask::Clear { group, origin } => {
                self.flushed.insert(group, LogIndex(0));
                let result = self.storage.clear(group, origin);
                vec![Input::Cleared { group, result }]
            }
        }
    }

    /// Does a piece of background work of about `budget_bytes`. Call it again at once after
    /// [`Maintenance::More`], else after the next apply.
    pub fn step(&mut self, budget_bytes: u64) -> (Maintenance, Vec<Input>) {
        if self.failed {
            return (Maintenance::Idle, Vec::new());
        }
        let state = match self.storage.maintain(budget_bytes) {
            Ok(state) => state,
            Err(error) => {
                self.failed = true;
                return (Maintenance::Idle, alloc::vec![Input::StorageFailed(error)]);
            }
        };
        let mut inputs = self.newly_flushed();
        let pressure = self.storage.pressure();
        if pressure != self.pressure {
            self.pressure = pressure;
            inputs.push(Input::Pressure(pressure));
        }
        (state, inputs)
    }

    /// Every group that is flushed further than before.
    fn newly_flushed(&mut self) -> Vec<Input> {
        let mark = self.storage.flush_mark();
        if mark.is_some() && mark == self.mark {
            return Vec::new();
        }
        self.mark = mark;
        let mut inputs = Vec::new();
        for (&group, known) in &mut self.flushed {
            let index = self.storage.flushed(group);
            if index > *known {
                *known = index;
                inputs.push(Input::Flushed { group, index });
            }
        }
        inputs
    }
}
