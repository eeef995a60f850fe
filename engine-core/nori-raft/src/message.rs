//! What replicas say to each other.
//!
//! **Invariant: `term` is always the sender's current term, durable before the message leaves.**
//! A receiver behind it catches up (Raft §5.1), but for the two kinds that must not disturb a
//! working leader: a pre-vote never moves a term, a vote request only where no leader was heard
//! from lately (dissertation §4.2.3, §9.6).

use norikv_types::{LogIndex, Term, Version};
use serde::{Deserialize, Serialize};

use crate::entries::Entries;
use crate::entry::Stretch;
use crate::quiescence::Quiesce;

/// One message; the host adds who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sender's current term.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// "Would you vote for me in `campaign`?" Changes nothing at the receiver (dissertation §9.6).
    PreVote {
        /// The term that the sender would campaign in: its own and one.
        campaign: Term,
        /// End of the sender's log.
        last: Version,
    },
    /// The answer.
    PreVoteReply {
        /// As asked.
        campaign: Term,
        /// Whether it would.
        granted: bool,
    },
    /// `RequestVote` of Raft §5.2, in the message's term.
    Vote {
        /// End of the candidate's log.
        last: Version,
    },
    /// The answer.
    VoteReply {
        /// Whether the vote is the candidate's. Durable when it is said.
        granted: bool,
    },
    /// `AppendEntries` of Raft §5.3. Without entries and with `prev` at the origin it is a
    /// heartbeat, which fits every log.
    Append(Append),
    /// The answer.
    AppendReply(AppendReply),
    /// A heartbeat that asks the follower to stop its clock. Answered as the heartbeat, and by
    /// [`QuiesceReply`](Self::QuiesceReply) where it agrees.
    Quiesce(Quiesce),
    /// The sender sleeps until it hears something.
    QuiesceReply {
        /// The round that asked.
        round: u64,
    },
    /// The leader hands over: campaign at once, without a pre-vote (dissertation §3.10).
    TimeoutNow {
        /// The leader's newest round; whoever heard a later one knows that it leads on.
        round: u64,
    },
    /// `RequestVote` of a candidate that its leader told to campaign. Passes the guard that keeps
    /// candidates from a working leader (dissertation §4.2.3, last paragraph), unless the voter
    /// heard a later round. Answered as a vote request.
    TransferVote {
        /// End of the candidate's log.
        last: Version,
        /// As the leader told.
        round: u64,
    },
    /// "From which index on are reads linearizable?" (dissertation §6.4).
    ReadIndex(ReadIndex),
    /// The leader's answer.
    ReadIndexReply {
        /// As asked.
        question: ReadIndex,
        /// From here on.
        index: LogIndex,
    },
    /// The sender lost these entries of its log.
    FetchEntries(Stretch),
    /// The answer, as far as the log reaches.
    Entries(LogPiece),
}

/// A question for the leader on behalf of reads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadIndex {
    /// Drawn when the asking replica started: tells its lives apart.
    pub nonce: u64,
    /// Its number; an answer is good for every read that came before the question.
    pub number: u64,
    /// Whether the leader's lease is enough.
    pub lease: bool,
}

/// Entries for a replica that lost them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPiece {
    /// The entry before the first one here.
    pub prev: Version,
    /// Consecutive entries of the sender's durable log.
    pub entries: Entries,
    /// Up to here the sender knows them to be committed.
    pub commit_index: LogIndex,
}

/// A stretch of the leader's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// The entry before the first one here; (0, 0) is before the log and fits always.
    pub prev: Version,
    /// Consecutive entries after `prev`.
    pub entries: Entries,
    /// The leader's commit index.
    pub commit_index: LogIndex,
    /// The leader's newest round of heartbeats when this was sent; counts from 1 in each reign.
    pub round: u64,
}

/// What a follower made of an [`Append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendReply {
    /// The round of the append that this answers: the sender followed the leader after it began.
    pub round: u64,
    /// What became of it.
    pub outcome: AppendOutcome,
}

/// What became of an [`Append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The log is the leader's so far.
    Accepted {
        /// Up to here it is the leader's *and durable*.
        match_index: LogIndex,
        /// Up to here it is the leader's, durable or not.
        received_index: LogIndex,
        /// What the snapshot covers that is being installed there.
        installing: Option<LogIndex>,
    },
    /// `prev` is not in the log.
    Rejected {
        /// Index of that `prev`.
        prev_index: LogIndex,
        /// The last entry at or below it whose term is not above `prev`'s: the leader can pass
        /// over everything that conflicts with it at once (Raft §5.3, last paragraph).
        hint: Version,
    },
    /// The sender of the append leads a term that is over.
    Outdated,
}

impl Message {
    /// Whether this acknowledges entries.
    pub(crate) const fn accepts(&self) -> Option<(u64, LogIndex)> {
        match self.body {
            Body::AppendReply(AppendReply {
                round,
                outcome: AppendOutcome::Accepted { match_index, .. },
            }) => Some((round, match_index)),
            _ => None,
        }
    }

    /// Whether this says everything that `earlier`, sent to the same peer before, says.
    pub(crate) fn covers(&self, earlier: &Self) -> bool {
        match (self.accepts(), earlier.accepts()) {
            (Some(this), Some(that)) => {
                self.term == earlier.term && this.0 >= that.0 && this.1 >= that.1
            }
            _ => false,
        }
    }
}
