//! A follower takes its leader's log.
//!
//! **Invariant: an acknowledgement up to an index says that the log up to there is the leader's and
//! durable.** Entries that conflict with the leader's are dropped with all that follow them, never
//! committed ones (Raft §5.3, §5.4.3). What is committed is never beyond what is known to be the
//! leader's.

use norikv_types::{LogIndex, Mutant, NodeId, Term, Version, breaks};

use crate::entries::Entries;
use crate::entry::{Entry, Payload};
use crate::error::Misuse;
use crate::event::Event;
use crate::message::{Append, AppendOutcome, AppendReply, Body};
use crate::raft::{Raft, Standing};
use crate::receiving::INDEX_MAX;

/// What a follower knows of its leader's log, in the current term.
#[derive(Debug)]
pub(crate) struct Following {
    /// Up to here the log is the leader's.
    pub(crate) received_index: LogIndex,
    /// Newest round the leader began.
    pub(crate) round: u64,
}

impl Following {
    /// At the start of a term: what is committed is in every later leader's log (Raft §5.4.3).
    pub(crate) const fn new(commit_index: LogIndex) -> Self {
        Self {
            received_index: commit_index,
            round: 0,
        }
    }
}

impl Raft {
    /// # Errors
    /// What no leader of `term` could send.
    pub(crate) fn check_append(
        &self,
        from: NodeId,
        term: Term,
        append: &Append,
    ) -> Result<(), Misuse> {
        let prev = append.prev;
        if term.0 == 0
            || prev.index > INDEX_MAX
            || append.entries.len() as u64 > INDEX_MAX.0
            || (prev.index.0 == 0 && prev.term.0 != 0)
        {
            return Err(Misuse::OutOfRange);
        }
        self.check_leader(from, term)?;
        if prev.term > term {
            return Err(Misuse::EntryTerm);
        }
        self.check_agreement(term, prev)?;
        let mut last = prev;
        let witness = self.membership.current().is_witness(self.config.id);
        for entry in &append.entries {
            if entry.index != last.index.next() || entry.term < last.term || entry.term.0 == 0 {
                return Err(Misuse::EntryOrder);
            }
            last = entry.version();
            self.check_agreement(term, last)?;
            self.check_kind(entry, witness)?;
        }
        if last.term > term {
            return Err(Misuse::EntryTerm);
        }
        Ok(())
    }

    /// A replica that lacks a command must never be taken for one that has them all, whatever
    /// became of the configurations that made it a witness.
    ///
    /// # Errors
    /// A command for a witness, or none for another member.
    fn check_kind(&self, entry: &Entry, witness: bool) -> Result<(), Misuse> {
        let fits = match &entry.payload {
            Payload::Command(_) => !witness && !self.lacks_commands,
            Payload::Elided => witness || !self.membership.current().contains(self.config.id),
            Payload::Noop | Payload::Configuration(_) => true,
        };
        fits.then_some(()).ok_or(Misuse::WrongKind)
    }

    /// # Errors
    /// Another node leads `term`, or this one does.
    pub(crate) fn check_leader(&self, from: NodeId, term: Term) -> Result<(), Misuse> {
        if term == self.term && self.leader.is_some_and(|leader| leader != from) {
            return Err(Misuse::SecondLeader);
        }
        Ok(())
    }

    /// # Errors
    /// `at` contradicts what is committed, or what the leader of this term sent itself.
    fn check_agreement(&self, term: Term, at: Version) -> Result<(), Misuse> {
        if at.index > self.commit_index
            && (term > self.term || at.index > self.following.received_index)
        {
            return Ok(());
        }
        match self.log.term(at.index) {
            _ if self.is_unknown(at.index) => Ok(()),
            Some(own) if own != at.term => Err(if at.index <= self.commit_index {
                Misuse::RewritesCommitted
            } else {
                Misuse::RewritesOwn
            }),
            _ => Ok(()),
        }
    }

    /// A message of the leader of `term`, which is not behind: follow it.
    pub(crate) fn follow(&mut self, from: NodeId, term: Term) {
        if term > self.term || !matches!(self.standing, Standing::Follower) {
            self.become_follower(term, Some(from));
        } else {
            self.set_leader(Some(from));
        }
        self.election.heard(&self.config, self.now);
    }

    /// An append of this term or a later one, checked.
    pub(crate) fn receive_append(&mut self, from: NodeId, term: Term, append: Append) {
        self.follow(from, term);
        let delayed = append.round < self.following.round;
        self.following.round = self.following.round.max(append.round);
        let prev = append.prev;
        let start = self.log.start().index;
        if let Some(unfilled) = self.unfilled_from()
            && prev.index >= unfilled
        {
            // The logs agree further on, perhaps, but what lies before is lacking.
            let index = unfilled.prev();
            let term = self.log.term(index).unwrap_or_default();
            self.reply_append(AppendReply {
                round: append.round,
                outcome: AppendOutcome::Rejected {
                    prev_index: prev.index,
                    hint: Version { term, index },
                },
            });
            return;
        }
        // What is compacted here is committed, and so agrees.
        let matches = if breaks(Mutant::PrevTermNotCompared) {
            prev.index <= self.log.last_index()
        } else {
            self.log.contains(prev)
        };
        if prev.index >= start && !matches {
            let hint = self.log.agreement_before(prev);
            self.reply_append(AppendReply {
                round: append.round,
                outcome: AppendOutcome::Rejected {
                    prev_index: prev.index,
                    hint,
                },
            });
            return;
        }
        let carries = !append.entries.is_empty();
        if !carries {
            self.log.sweep();
        }
        let end = LogIndex(prev.index.0 + append.entries.len() as u64);
        self.take_back_from_leader(&append.entries);
        // Beyond what is still lacking nothing agrees for sure.
        let end = (self.unfilled_from()).map_or(end, |unfilled| end.min(unfilled.prev()));
        self.take_entries(append.entries, end);
        self.following.received_index = self.following.received_index.max(end);
        if breaks(Mutant::DelayedAppendCuts) && delayed && end < self.log.last_index() {
            let keep = end.max(self.commit_index);
            self.log.truncate(keep.next());
            self.membership.truncate(keep.next());
            self.following.received_index = keep;
        }
        let verified = if breaks(Mutant::CommitsUnverified) {
            self.log.last_index()
        } else {
            self.following.received_index
        };
        let committed = append.commit_index.min(verified);
        if committed > self.commit_index {
            self.commit(committed);
        }
        self.acknowledge(append.round, carries);
    }

    /// Keeps what agrees, drops what conflicts, appends what is new (Raft §5.3, figure 2).
    fn take_entries(&mut self, arrived: Entries, end: LogIndex) {
        let start = self.log.start().index;
        let known =
            |entry: &Entry| entry.index <= start || self.log.term(entry.index) == Some(entry.term);
        let known_count = arrived.iter().take_while(|entry| known(entry)).count();
        let new = arrived.iter().skip(known_count);
        let new = new.take_while(|entry| entry.index <= end);
        let Some(from) = new.clone().next().map(|entry| entry.index) else {
            return;
        };
        let mut changed = false;
        if from <= self.log.last_index() {
            assert!(
                from > self.commit_index && from > self.following.received_index,
                "committed entries, and the leader's own, are never cut"
            );
            self.log.truncate(from);
            self.cut_damage(from);
            self.event(Event::LogTruncated { from });
            changed = self.membership.truncate(from);
        }
        for entry in new.clone() {
            if let Payload::Configuration(configuration) = &entry.payload {
                self.membership.push(entry.index, (**configuration).clone());
                changed = true;
            }
            self.lacks_commands |= entry.payload == Payload::Elided;
        }
        if new.clone().count() == arrived.len() {
            self.log.extend(arrived);
        } else {
            new.for_each(|entry| self.log.push(entry.clone()));
        }
        self.durability.stage_entries(from);
        if changed {
            self.configuration_changed();
        }
    }

    /// Tells the leader how far its log is here. With `all` the answer waits until that is durable;
    /// without, it says what is durable now.
    pub(crate) fn acknowledge(&mut self, round: u64, all: bool) {
        if !matches!(self.standing, Standing::Follower) || self.is_amnesic() {
            return;
        }
        let whole_to = match breaks(Mutant::AcksWhatItLost) {
            true => INDEX_MAX,
            false => self.whole_to(),
        };
        let received_index = if breaks(Mutant::AcksWholeLog) {
            self.log.last_index()
        } else {
            self.following.received_index.min(whole_to)
        };
        let durable_index = self.durability.durable_index();
        let early = breaks(Mutant::AckBeforeDurable);
        let wait = all && received_index > durable_index && !early;
        let match_index = if wait || early {
            received_index
        } else {
            received_index.min(durable_index)
        };
        let reply = AppendReply {
            round,
            outcome: AppendOutcome::Accepted {
                match_index,
                received_index,
                installing: self.installing.map(|snapshot| snapshot.index),
            },
        };
        let needs = self.durability.newest_write();
        match self.leader {
            Some(leader) if wait => self.say_after(needs, leader, Body::AppendReply(reply)),
            Some(_) => self.reply_append(reply),
            None => {}
        }
    }

    fn reply_append(&mut self, reply: AppendReply) {
        if let Some(leader) = self.leader {
            self.say(leader, Body::AppendReply(reply));
        }
    }
}
