//! Entries that are read back: for a peer that is far behind, and for application.
//!
//! **Invariant: of what is read back nothing is used that is not in the log now.** The log may have
//! been cut, compacted or replaced meanwhile, so each entry is compared with the term that the log
//! has at its index; equal (term, index) means equal payload (log matching, Raft §5.3).

use norikv_types::{LogIndex, Mutant, NodeId, Version, breaks};

use crate::entries::Entries;
use crate::io::{Output, Reader};
use crate::message::{Append, Body, Message};
use crate::progress::Progress;
use crate::raft::{Raft, Standing};

impl Raft {
    /// Hands out what is committed and durable (Raft figure 2, "rules for servers").
    pub(crate) fn hand_out(&mut self) {
        let settled = self.commit_index.min(self.durability.durable_index());
        let to = match breaks(Mutant::AppliesWhatItLost) {
            true => settled,
            false => settled.min(self.whole_to()),
        };
        if self.installing.is_some() || self.fetching.is_some() || to <= self.handed_out_index {
            return;
        }
        let from = self.handed_out_index.next();
        let recent_from = self.log.recent_from();
        if from < recent_from {
            self.fetching = Some(from);
            self.outputs.push_back(Output::FetchEntries {
                reader: Reader::Apply,
                from,
                up_to: to.min(recent_from.prev()),
                bytes_max: u64::from(self.config.append_bytes_max),
            });
            return;
        }
        let entries = match to <= self.held_by_all() {
            true => self.log.release(from, to),
            false => self.log.share(from, to),
        };
        self.handed_out_index = to;
        self.outputs.push_back(Output::Apply { entries });
    }

    /// The host read entries back, or could not.
    pub(crate) fn entries_fetched(
        &mut self,
        reader: Reader,
        from: LogIndex,
        entries: Option<Entries>,
    ) {
        if entries.is_none() {
            self.damaged(from, from);
        }
        let entries = entries.filter(|entries| self.are_in_log(from, entries));
        match reader {
            Reader::Apply => self.fetched_to_apply(from, entries),
            Reader::Peer(id) => self.fetched_for(id, from, entries),
            Reader::Repair(id) => {
                if let Some(entries) = entries {
                    self.send_piece(id, entries);
                }
            }
        }
    }

    fn fetched_to_apply(&mut self, from: LogIndex, entries: Option<Entries>) {
        if self.fetching != Some(from) {
            return;
        }
        self.fetching = None;
        let Some(entries) = entries else {
            return;
        };
        let settled = self.commit_index.min(self.durability.durable_index());
        let last = entries.last().map_or(from, |entry| entry.index);
        let next = from == self.handed_out_index.next();
        if self.installing.is_none() && next && last <= settled.min(self.whole_to()) {
            self.handed_out_index = last;
            self.outputs.push_back(Output::Apply { entries });
        }
    }

    fn fetched_for(&mut self, id: NodeId, from: LogIndex, entries: Option<Entries>) {
        let prev = from.prev();
        let prev_term = self.log.term(prev);
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let round = reign.reads.round();
        let Some(peer) = reign.peer_mut(id) else {
            return;
        };
        if peer.fetching != Some(from) {
            return;
        }
        peer.fetching = None;
        let Some(entries) = entries else {
            // A leader's log has what it has; where that cannot be read a snapshot goes instead.
            peer.unreadable = peer.unreadable.max(from);
            return;
        };
        let wanted = matches!(&peer.progress, Progress::Replicate { next_index, inflight, .. }
            if *next_index == from && inflight.has_room(&self.config));
        let (Some(prev_term), Some(last), true) = (prev_term, entries.last(), wanted) else {
            return;
        };
        let bytes = entries.iter().map(|entry| entry.size()).sum();
        peer.sent(last.index, bytes, self.now);
        let append = Append {
            prev: Version {
                term: prev_term,
                index: prev,
            },
            entries: peer.fit(entries),
            commit_index: self.commit_index,
            round,
        };
        self.outputs.push_back(Output::Send {
            to: id,
            message: Message {
                term: self.term,
                body: Body::Append(append),
            },
        });
    }

    /// Whether these are consecutive entries of the log from `from` on, one at least.
    fn are_in_log(&self, from: LogIndex, entries: &Entries) -> bool {
        let expected = (from.0..).map(LogIndex);
        let is_in_log = |(entry, index): (&crate::entry::Entry, LogIndex)| {
            let same = self.log.contains(entry.version());
            entry.index == index && (same || breaks(Mutant::FetchedOfAnyTerm))
        };
        !entries.is_empty() && entries.iter().zip(expected).all(is_in_log)
    }
}
