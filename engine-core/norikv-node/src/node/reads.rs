//! From a confirmed index to the storage and back.
//!
//! **Invariant: a read that must be fresh is looked up only after everything up to its confirmed
//! index is applied here.** Looking it up later still is fine: what is applied is committed, and
//! the read has not been answered yet.

use nori_raft as raft;
use norikv_types::{ErrorKind, LogIndex, Mutant, breaks};

use super::Node;
use super::errand::{ErrandId, Stage};
use super::scans::share_bytes;
use super::watches::WatchId;
use crate::wire::Work;
use crate::{Answer, Failure, Output, PortError, Query, ReadToken};

impl Node {
    pub(super) fn read_ready(&mut self, read: raft::ReadId, index: LogIndex) {
        let id = ErrandId(read.0);
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let Some(group) = self.groups.get_mut(&errand.group) else {
            return;
        };
        if group.applied.index >= index || breaks(Mutant::ReadsBeforeApplied) {
            self.start_read(id);
        } else {
            group.reads.insert((index, id));
            self.errands.set_stage(id, Stage::AwaitsApply(index));
        }
    }

    pub(super) fn start_read(&mut self, id: ErrandId) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let query = match &errand.work {
            Work::Get { key, .. } => Query::Get { key: key.clone() },
            Work::Scan {
                prefix,
                after,
                limit,
                ..
            } => Query::Scan {
                group: errand.group,
                prefix: prefix.clone(),
                after: after.clone(),
                limit: (*limit).clamp(1, self.config.limits.scan_items_max),
                bytes_max: share_bytes(self.config.limits.scan_bytes_max, self.router.groups()),
            },
            Work::Watch { .. } => {
                self.errands.set_stage(id, Stage::Reading);
                return self.watch_for_peer(id);
            }
            Work::Write { .. } | Work::Change { .. } | Work::Transfer { .. } => return,
        };
        self.errands.set_stage(id, Stage::Reading);
        self.outbox.push_back(Output::Read {
            read: ReadToken(id.0),
            query,
        });
    }

    pub(super) fn read_done(&mut self, read: ReadToken, result: Result<Answer, PortError>) {
        if let Some(watch) = WatchId::of(read) {
            return self.watch_read(watch, result);
        }
        if let Ok(answer) = &result
            && self.awaits_tick(ErrandId(read.0), answer)
        {
            return;
        }
        let result = result.map_err(|error| {
            let message = alloc::format!("reading failed: {error}");
            Failure::refused(error.error_kind(), message)
        });
        self.finish(ErrandId(read.0), result);
        self.read_drained(read);
    }

    pub(super) fn read_refused(&mut self, read: raft::ReadId, reason: raft::Refusal) {
        self.refused(ErrandId(read.0), reason);
    }

    /// Raft did not take a proposal or a read, and kept nothing of it.
    pub(super) fn refused(&mut self, id: ErrandId, reason: raft::Refusal) {
        let admin = |errand: &super::errand::Errand| errand.work.is_admin();
        if self.errands.get(id).is_some_and(admin) {
            return self.change_refused(id, reason);
        }
        match reason {
            raft::Refusal::Overloaded => {
                let message = "too many bytes wait for a majority; slow down";
                self.finish(id, Err(Failure::refused(ErrorKind::Overloaded, message)));
            }
            // Somebody else leads in a moment, or this one again; a witness serves no read ever.
            raft::Refusal::Transferring | raft::Refusal::Witness => self.retry_later(id),
            _ => {
                if let Some(errand) = self.errands.get(id)
                    && let Some(group) = self.groups.get_mut(&errand.group)
                {
                    group.refresh();
                }
                self.retry(id);
            }
        }
    }
}
