//! A message: whether a peer may say it, and which sub-protocol hears it.
//!
//! **Invariant: a message is checked in full before anything changes; what it says about terms is
//! acted on before what it says about anything else** (Raft §5.1).

use norikv_types::{LogIndex, Mutant, NodeId, Term, breaks};

use crate::error::Misuse;
use crate::message::{Append, AppendOutcome, AppendReply, Body, Message};
use crate::quiescence::Quiesce;
use crate::raft::Raft;

impl Raft {
    pub(crate) fn check_peer(&self, from: NodeId, term: Term) -> Result<(), Misuse> {
        // Leaders and candidates need not be part of this replica's configuration: theirs may be a
        // later one (dissertation §4.1).
        if from == self.config.id || from == NodeId(0) {
            return Err(Misuse::Impostor);
        }
        if term > TERM_MAX {
            return Err(Misuse::OutOfRange);
        }
        Ok(())
    }

    pub(crate) fn check_message(&self, from: NodeId, message: &Message) -> Result<(), Misuse> {
        let term = message.term;
        self.check_peer(from, term)?;
        match &message.body {
            Body::PreVote { campaign, last } => {
                if *campaign != term.next() || last.index > INDEX_MAX || last.term > term {
                    return Err(Misuse::OutOfRange);
                }
                Ok(())
            }
            Body::Vote { last } | Body::TransferVote { last, .. } => {
                if term.0 == 0 || last.index > INDEX_MAX || last.term >= term {
                    return Err(Misuse::OutOfRange);
                }
                Ok(())
            }
            Body::PreVoteReply {
                campaign,
                granted: true,
            } if term >= *campaign || *campaign > self.term.next() => Err(Misuse::GrantsOtherTerm),
            Body::VoteReply { granted: true } if term > self.term => Err(Misuse::GrantsOtherTerm),
            Body::PreVoteReply { .. } | Body::VoteReply { .. } => Ok(()),
            Body::Append(append) if term >= self.term => self.check_append(from, term, append),
            Body::Append(_) => Ok(()),
            Body::TimeoutNow { .. } if term >= self.term => self.check_leader(from, term),
            Body::TimeoutNow { .. } | Body::ReadIndex(_) => Ok(()),
            Body::ReadIndexReply { index, .. } if *index > INDEX_MAX => Err(Misuse::OutOfRange),
            Body::ReadIndexReply { .. } => Ok(()),
            Body::AppendReply(reply) if term == self.term => self.check_append_reply(reply),
            Body::AppendReply(_) => Ok(()),
            Body::FetchEntries(wanted) => Self::check_fetch(*wanted),
            Body::Entries(piece) => Self::check_piece(term, piece),
            Body::Quiesce(quiesce) if term >= self.term => {
                self.check_append(from, term, &quiesce.as_append())
            }
            Body::QuiesceReply { round } if term == self.term => self.check_round(*round),
            Body::Quiesce(_) | Body::QuiesceReply { .. } => Ok(()),
        }
    }

    pub(crate) fn receive(&mut self, from: NodeId, message: Message) {
        let Message { term, body } = message;
        match body {
            Body::PreVote { campaign, last } => self.receive_pre_vote(from, campaign, last),
            Body::Vote { last } => self.receive_vote(from, term, last, None),
            Body::TransferVote { last, round } => {
                self.receive_vote(from, term, last, Some(round));
            }
            Body::TimeoutNow { round } => self.receive_timeout_now(from, term, round),
            Body::ReadIndex(question) => {
                self.catch_up(term);
                // Of an earlier term: it asks again, whoever leads there.
                if term == self.term {
                    self.receive_read_index(from, question);
                }
            }
            Body::ReadIndexReply { question, index } => {
                self.catch_up(term);
                if term == self.term {
                    self.receive_read_index_reply(from, question, index);
                }
            }
            Body::PreVoteReply { campaign, granted } => {
                self.catch_up(term);
                self.receive_pre_vote_reply(from, campaign, granted);
            }
            Body::VoteReply { granted } => {
                self.catch_up(term);
                self.receive_vote_reply(from, term, granted);
            }
            Body::FetchEntries(wanted) => {
                self.catch_up(term);
                self.receive_fetch(from, wanted);
            }
            Body::Entries(piece) => {
                self.catch_up(term);
                self.receive_piece(from, term, &piece);
            }
            Body::Append(Append { round, .. }) | Body::Quiesce(Quiesce { round, .. })
                if term < self.term =>
            {
                // Raft §5.1: a stale leader learns of the newer term.
                let outcome = AppendOutcome::Outdated;
                self.say(from, Body::AppendReply(AppendReply { round, outcome }));
            }
            Body::Append(append) => self.receive_append(from, term, append),
            Body::Quiesce(quiesce) => self.receive_quiesce(from, term, quiesce),
            Body::QuiesceReply { round } => {
                self.catch_up(term);
                if term == self.term {
                    self.receive_quiesce_reply(from, round);
                }
            }
            Body::AppendReply(reply) => {
                self.catch_up(term);
                if term == self.term || breaks(Mutant::AckWithoutTermCheck) {
                    self.receive_append_reply(from, reply);
                }
            }
        }
    }

    /// Raft §5.1: whoever sees a later term moves to it and follows.
    fn catch_up(&mut self, term: Term) {
        if term > self.term {
            self.become_follower(term, None);
        }
    }
}

/// Largest term a peer may speak of: half of the range, so that no message can exhaust it.
pub(crate) const TERM_MAX: Term = Term(u64::MAX >> 1);

/// Largest index a peer may speak of.
pub(crate) const INDEX_MAX: LogIndex = LogIndex(u64::MAX >> 1);
