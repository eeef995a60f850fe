//! How a leader hands its term over (dissertation §3.10).
//!
//! **Invariant: from the moment a leader tells another replica to campaign, no round that it began
//! before gives it a lease.** The request passes the guard that keeps candidates from a working
//! leader, so it carries the leader's newest round: a voter heeds it only while it has heard no later
//! one, and no round begins until the transfer has ended. So a request that arrives late, when the
//! leader has given up and leads on, meets voters that support a later round and ignore it: none
//! that the leader counts on for its lease can vote against it.

use norikv_types::{Mono, Mutant, NodeId, Term, breaks};

use crate::io::{Output, ProposalId, Refusal};
use crate::message::{Body, Message};
use crate::raft::{Raft, Standing};

/// A transfer under way.
#[derive(Debug)]
pub(crate) struct LeadershipTransfer {
    proposal: ProposalId,
    to: NodeId,
    /// When the leader gives up and leads on.
    deadline: Mono,
    /// The round in which the target was told; none begins since.
    told_in: Option<u64>,
}

impl LeadershipTransfer {
    /// Whether no round may begin.
    pub(crate) const fn holds_rounds(&self) -> bool {
        self.told_in.is_some()
    }

    pub(crate) const fn deadline(&self) -> Mono {
        self.deadline
    }

    /// This replica leads no more.
    pub(crate) const fn into_proposal(self) -> ProposalId {
        self.proposal
    }
}

impl Raft {
    /// Hands the leadership to `to`, or refuses to.
    pub(crate) fn transfer(&mut self, proposal: ProposalId, to: NodeId) {
        let configuration = self.membership.current();
        let eligible = configuration.is_voter(to) && !configuration.is_witness(to);
        let reason = match &mut self.standing {
            Standing::Leader(reign) if reign.transfer.is_some() => Refusal::Transferring,
            Standing::Leader(_) if to == self.config.id || !eligible => Refusal::BadTarget,
            Standing::Leader(reign) => {
                // "If leadership transfer does not complete after about an election timeout, the
                // prior leader aborts the transfer" (dissertation §3.10).
                reign.transfer = Some(LeadershipTransfer {
                    proposal,
                    to,
                    deadline: self.now + self.config.election_timeout_max,
                    told_in: None,
                });
                reign.lease.end();
                self.go_on_with_transfer();
                return;
            }
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => {
                Refusal::NotLeader
            }
        };
        self.drop_proposal(proposal, reason);
    }

    /// Tells the target to campaign once it has the whole log, and again with each heartbeat.
    pub(crate) fn go_on_with_transfer(&mut self) {
        let last = self.log.last_index();
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let Some(transfer) = &reign.transfer else {
            return;
        };
        let to = transfer.to;
        if reign.peer(to).is_some_and(|peer| peer.match_index == last) {
            self.tell_to_campaign(to);
        }
    }

    /// The time of a transfer is up: the leader leads on.
    pub(crate) fn give_up_transfer(&mut self) {
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        if let Some(transfer) = reign
            .transfer
            .take_if(|transfer| transfer.deadline <= self.now)
        {
            reign.lease.end();
            self.drop_proposal(transfer.proposal, Refusal::TransferTimedOut);
        }
    }

    /// Asks the voter with the longest log to go first, before this leader steps down.
    pub(crate) fn resign(&mut self) {
        let last = self.log.last_index();
        let configuration = self.membership.current();
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let heir = reign.peers.iter().find(|peer| {
            let id = peer.id;
            let eligible = configuration.is_voter(id) && !configuration.is_witness(id);
            eligible && peer.match_index == last
        });
        if let Some(to) = heir.map(|peer| peer.id) {
            self.tell_to_campaign(to);
        }
        self.become_follower(self.term, None);
    }

    fn tell_to_campaign(&mut self, to: NodeId) {
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let round = reign.reads.round();
        reign.lease.end();
        if let Some(transfer) = &mut reign.transfer {
            transfer.told_in = Some(round);
        }
        self.outputs.push_back(Output::Send {
            to,
            message: Message {
                term: self.term,
                body: Body::TimeoutNow { round },
            },
        });
    }

    /// The leader of `term`, checked, wants this replica to take over: it campaigns at once, without
    /// a pre-vote.
    pub(crate) fn receive_timeout_now(&mut self, from: NodeId, term: Term, round: u64) {
        if term < self.term {
            return;
        }
        self.follow(from, term);
        let heard_later = round < self.following.round && !breaks(Mutant::StaleTransferHeeded);
        if self.may_campaign() && self.installing.is_none() && !heard_later {
            self.campaign(Some(round));
        }
    }

    /// Whether a candidate that its leader told to campaign in `round` may pass the guard.
    pub(crate) fn heeds_transfer(&self, from: NodeId, term: Term, round: u64) -> bool {
        if term != self.term.next() {
            return false;
        }
        match &self.standing {
            Standing::Leader(reign) => reign
                .transfer
                .as_ref()
                .is_some_and(|transfer| transfer.to == from && transfer.told_in == Some(round)),
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => {
                !self.election.is_new_here(self.now)
                    && (round >= self.following.round || breaks(Mutant::StaleTransferHeeded))
            }
        }
    }
}
