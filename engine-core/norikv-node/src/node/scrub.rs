//! Reading the own log again, for damage that nobody would notice otherwise.
//!
//! **Invariant: in each round every committed entry that the log keeps is read once**, a bounded
//! piece at a time. What cannot be read is told to its Raft, which has it from memory or from
//! peers; an entry that may still be cut is nobody's loss.

use nori_raft::{self as raft, Stretch};
use norikv_types::{GroupId, LogIndex, Mono};

use super::Node;
use crate::{Output, PortError, ScrubOptions};

/// How far the reading is.
#[derive(Debug)]
pub(crate) struct Scrub {
    /// When to read the next piece; `None` while one is read, or where nothing is to be.
    due: Option<Mono>,
    group: GroupId,
    /// The next entry of that group.
    next: LogIndex,
}

impl Scrub {
    pub(crate) fn new(options: &ScrubOptions, now: Mono) -> Self {
        Self {
            due: options.interval.map(|interval| now + interval),
            group: GroupId(0),
            next: LogIndex(0),
        }
    }

    pub(crate) const fn poll_timeout(&self) -> Option<Mono> {
        self.due
    }

    /// On to the group after this one.
    const fn pass(&mut self, group: GroupId) {
        self.group = GroupId(group.0.saturating_add(1));
        self.next = LogIndex(0);
    }
}

impl Node {
    /// Has the next piece of the log read, when it is time.
    pub(super) fn scrub(&mut self) {
        if self.scrub.due.is_none_or(|due| due > self.now) {
            return;
        }
        while let Some((&id, group)) = self.groups.range(self.scrub.group..).next() {
            let from = match id == self.scrub.group {
                true => self.scrub.next.max(group.retention.released().next()),
                false => group.retention.released().next(),
            };
            let up_to = group.raft.commit_index();
            // What is known to be damaged is being repaired.
            if from > up_to || group.raft.is_damaged() {
                self.scrub.pass(id);
                continue;
            }
            self.scrub.due = None;
            self.outbox.push_back(Output::ScrubLog {
                group: id,
                from,
                up_to,
                bytes_max: self.config.scrub.bytes,
            });
            return;
        }
        self.metrics.scrub_rounds.add(1);
        (self.scrub.group, self.scrub.next) = (GroupId(0), LogIndex(0));
        self.scrub_later();
    }

    /// A piece was read.
    pub(super) fn scrubbed(
        &mut self,
        group: GroupId,
        from: LogIndex,
        result: Result<Option<LogIndex>, PortError>,
    ) {
        self.scrub.group = group;
        match result {
            Ok(Some(last)) => self.scrub.next = last.next(),
            // Released meanwhile, or not durable yet.
            Ok(None) => self.scrub.pass(group),
            Err(_unreadable) => {
                self.scrub.next = from.next();
                let up_to = from;
                self.raft_input(group, raft::Input::Damaged(Stretch { from, up_to }));
            }
        }
        self.scrub_later();
    }

    fn scrub_later(&mut self) {
        let interval = self.config.scrub.interval;
        self.scrub.due = interval.map(|interval| self.now + interval);
    }
}
