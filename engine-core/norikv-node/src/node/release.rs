//! When log and memory may go.

use nori_raft as raft;
use norikv_types::{GroupId, LogIndex};

use super::Node;
use crate::{Event, Output};

impl Node {
    pub(super) fn flushed(&mut self, id: GroupId, index: LogIndex) {
        self.flush_asked = false;
        if let Some(group) = self.groups.get_mut(&id) {
            group.retention.flush(index);
        }
        self.count_unflushed(id);
        self.release(id);
    }

    /// Releases what is applied, flushed and not kept for a follower or a snapshot on its way.
    pub(super) fn release(&mut self, id: GroupId) {
        let hold = self.snapshots.oldest_needed(id, self.now);
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(index) = group.retention.releasable(
            group.applied.index,
            self.config.keep_log_bytes,
            self.config.keep_log_entries,
            hold,
        ) else {
            return;
        };
        group.retention.release(index);
        self.raft_input(id, raft::Input::Compact(index));
        self.outbox.push_back(Output::ReleaseLog {
            group: id,
            up_to: index,
        });
        self.event(Event::Released { group: id, index });
    }

    /// What of a group is not flushed has changed.
    pub(super) fn count_unflushed(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let bytes = group.retention.unflushed_bytes();
        let before = core::mem::replace(&mut group.unflushed_bytes, bytes);
        self.unflushed_bytes = self.unflushed_bytes - before + bytes;
    }

    /// Asks for a flush when more log than allowed waits for one.
    pub(super) fn ask_for_flush(&mut self) {
        if self.flush_asked {
            return;
        }
        if self.unflushed_bytes > self.config.unflushed_bytes_max {
            self.flush_asked = true;
            self.outbox.push_back(Output::Flush);
        }
    }
}
