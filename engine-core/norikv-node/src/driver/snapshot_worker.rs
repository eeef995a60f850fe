//! Carries whole groups out of and into the storage.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use super::SnapshotTask;
use crate::{Export, Input, PortError, PortErrorKind, SessionId, Staging, Storage};

/// Runs exports and installs. Holds what is open; dropping it drops what was staged.
#[derive(Debug)]
pub struct SnapshotWorker {
    storage: Arc<dyn Storage>,
    exports: BTreeMap<SessionId, Box<dyn Export>>,
    stagings: BTreeMap<SessionId, Box<dyn Staging>>,
}

impl SnapshotWorker {
    /// A worker over `storage`.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            exports: BTreeMap::new(),
            stagings: BTreeMap::new(),
        }
    }

    /// Does one step. `None` where there is nothing to say.
    pub fn run(&mut self, task: &SnapshotTask) -> Option<Input> {
        match *task {
            SnapshotTask::Export { session, group } => {
                let result = self.storage.export(group).map(|export| {
                    let at = export.at();
                    self.exports.insert(session, export);
                    at
                });
                Some(Input::Exported { session, result })
            }
            SnapshotTask::ExportChunk { session, bytes_max } => {
                let export = self.exports.get_mut(&session)?;
                let result = export.next_chunk(bytes_max);
                if !matches!(&result, Ok(chunk) if !chunk.last) {
                    self.exports.remove(&session);
                }
                Some(Input::ExportedChunk { session, result })
            }
            SnapshotTask::Stage {
                session,
                group,
                ref bytes,
            } => {
                let result = match self.stagings.remove(&session) {
                    Some(staging) => Ok(staging),
                    None => self.storage.stage(group),
                }
                .and_then(|mut staging| {
                    staging.chunk(bytes)?;
                    self.stagings.insert(session, staging);
                    Ok(())
                });
                Some(Input::Staged { session, result })
            }
            SnapshotTask::Install { session, group, at } => {
                let result = match self.stagings.remove(&session) {
                    Some(staging) => staging
                        .install(at)
                        .and_then(|()| self.storage.configuration(group)),
                    None => Err(PortError::new(
                        PortErrorKind::BadSnapshot,
                        "nothing was staged",
                    )),
                };
                Some(Input::Installed { session, result })
            }
            SnapshotTask::Abandon { session } => {
                self.exports.remove(&session);
                self.stagings.remove(&session);
                None
            }
        }
    }
}
