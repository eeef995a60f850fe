//! Linearizable reads: which of them which round of heartbeats confirms.
//!
//! **Invariant: a read is answered only after a quorum followed this leader at a moment after the
//! read arrived, with an index at or above everything committed before it arrived** (dissertation
//! §6.4). The index is known only once an entry of this term is committed. One counter numbers the
//! rounds; a read waits for the round after the newest, and one round confirms them all.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Mutant, NodeId, breaks};

use crate::io::{Output, ReadId, ReadMode, Refusal};
use crate::message::{Body, ReadIndex};
use crate::raft::{Raft, Standing};

/// A leader's rounds and the reads that wait for them.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Newest round begun; 0: none.
    round: u64,
    /// Newest round that a quorum answered.
    confirmed: u64,
    /// Arrived before an entry of this term was committed.
    early: Vec<Asker>,
    /// In order of arrival; rounds never fall along it.
    waiting: VecDeque<Waiting>,
}

/// Who waits for an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A read here.
    Here(ReadId),
    /// Reads at a replica that asked.
    There(NodeId, ReadIndex),
}

#[derive(Debug)]
struct Waiting {
    asker: Asker,
    index: LogIndex,
    round: u64,
}

impl Reads {
    /// Those of a leader whose newest round is over.
    pub(crate) fn resumed(round: u64) -> Self {
        Self {
            round,
            confirmed: round,
            ..Self::default()
        }
    }

    /// The read waits for the next round.
    pub(crate) fn ask(&mut self, asker: Asker, index: LogIndex) {
        self.waiting.push_back(Waiting {
            asker,
            index,
            round: self.round + u64::from(!breaks(Mutant::ReadJoinsRoundUnderWay)),
        });
    }

    /// Nothing of this term is committed yet.
    pub(crate) fn ask_early(&mut self, asker: Asker) {
        self.early.push(asker);
    }

    /// The first entry of this term is committed.
    pub(crate) fn term_committed(&mut self, index: LogIndex) {
        for asker in core::mem::take(&mut self.early) {
            self.ask(asker, index);
        }
    }

    /// Whether reads wait for a round that has not begun. While one is under way the next waits
    /// for it (or for the next heartbeat), so that it carries more.
    pub(crate) fn wants_round(&self) -> bool {
        self.confirmed == self.round
            && self
                .waiting
                .back()
                .is_some_and(|last| last.round > self.round)
    }

    /// Whether any read waits.
    pub(crate) fn any(&self) -> bool {
        !self.early.is_empty() || !self.waiting.is_empty()
    }

    /// Gives back the room for reads; none waits.
    pub(crate) fn trim(&mut self) {
        self.early.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    /// Begins the next round.
    pub(crate) const fn begin(&mut self) -> u64 {
        self.round += 1;
        self.round
    }

    /// A quorum answered `round`. True if that is news.
    pub(crate) const fn confirm(&mut self, round: u64) -> bool {
        if round <= self.confirmed {
            return false;
        }
        self.confirmed = round;
        true
    }

    /// The next read that is confirmed.
    pub(crate) fn ready(&mut self) -> Option<(Asker, LogIndex)> {
        if self.waiting.front()?.round > self.confirmed && !breaks(Mutant::ReadWithoutARound) {
            return None;
        }
        self.waiting
            .pop_front()
            .map(|front| (front.asker, front.index))
    }

    /// Newest round begun.
    pub(crate) const fn round(&self) -> u64 {
        self.round
    }

    /// Every read here that got no answer. Those elsewhere see that the leader changes.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = ReadId> {
        let waiting = self.waiting.into_iter().map(|waiting| waiting.asker);
        waiting.chain(self.early).filter_map(|asker| match asker {
            Asker::Here(read) => Some(read),
            Asker::There(..) => None,
        })
    }
}

impl Raft {
    pub(crate) fn read(&mut self, read: ReadId, mode: ReadMode) {
        let leads = matches!(self.standing, Standing::Leader(_));
        match mode {
            _ if self.membership.current().is_witness(self.config.id) => {
                self.refuse_read(read, Refusal::Witness);
            }
            ReadMode::Linearizable if leads => self.find_index(Asker::Here(read), false),
            ReadMode::Lease if leads => self.find_index(Asker::Here(read), true),
            ReadMode::Follower { lease } if leads => self.find_index(Asker::Here(read), lease),
            ReadMode::Follower { lease } => self.read_here(read, lease),
            ReadMode::Linearizable | ReadMode::Lease => {
                self.refuse_read(read, Refusal::NotLeader);
            }
        }
    }

    /// A replica asks on behalf of its reads.
    pub(crate) fn receive_read_index(&mut self, from: NodeId, question: ReadIndex) {
        self.find_index(Asker::There(from, question), question.lease);
    }

    /// As a leader, finds out from which index on a read is linearizable.
    fn find_index(&mut self, asker: Asker, lease: bool) {
        let (commit_index, now) = (self.commit_index, self.now);
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        // Only a commit of its own term shows a leader what is committed (dissertation §6.4).
        if commit_index < reign.first_index && !breaks(Mutant::ReadBeforeFirstCommit) {
            reign.reads.ask_early(asker);
        } else if lease && reign.lease.holds(now) && reign.transfer.is_none() {
            self.answer(asker, commit_index);
        } else {
            reign.reads.ask(asker, commit_index);
            if breaks(Mutant::ReadWithoutARound) {
                self.confirm_rounds();
            }
        }
    }

    fn answer(&mut self, asker: Asker, index: LogIndex) {
        match asker {
            Asker::Here(read) => self.outputs.push_back(Output::ReadReady { read, index }),
            Asker::There(to, question) => {
                self.say(to, Body::ReadIndexReply { question, index });
            }
        }
    }

    /// Counts answers to rounds; hands out the reads that are confirmed and renews the lease.
    pub(crate) fn confirm_rounds(&mut self) {
        let own = self.config.id;
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let newest = reign.reads.round();
        let round = self.membership.current().quorum().reached(|id| {
            if id == own {
                return newest;
            }
            reign.peer(id).map_or(0, |peer| peer.acked_round)
        });
        if reign.reads.confirm(round) {
            reign.lease.confirm(round);
            if breaks(Mutant::LeaseFromReceive) {
                reign.lease.restart_at(self.now);
            }
        }
        while let Standing::Leader(reign) = &mut self.standing
            && let Some((asker, index)) = reign.reads.ready()
        {
            self.answer(asker, index);
        }
    }
}

#[cfg(test)]
mod tests;
