//! A leader's reign: its log becomes the group's.
//!
//! **Invariant: only entries of the leader's own term are committed by counting replicas; what
//! precedes them is committed with them** (Raft §5.4.2). A leader counts itself only for what is
//! durable here, though its entries may travel while its own disk works (dissertation §10.2.1). It
//! never changes or drops an entry of its log (Raft §5.3), and steps down when no quorum answered
//! for an election timeout (check-quorum, dissertation §6.2).

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{LogIndex, Mono, Mutant, NodeId, Version, breaks};

use crate::config::Config;
use crate::entries::Entries;
use crate::entry::{Entry, Payload};
use crate::error::Misuse;
use crate::event::Event;
use crate::io::{Output, ProposalId, Reader, Refusal};
use crate::lease::Lease;
use crate::message::{Append, AppendOutcome, AppendReply, Body, Message};
use crate::progress::{Peer, Progress};
use crate::quiescence::next_beat;
use crate::quorum::VoteResult;
use crate::raft::{Raft, Standing};
use crate::reads::Reads;
use crate::status::PeerState;
use crate::transfer::LeadershipTransfer;

/// What a leader has and nobody else.
#[derive(Debug)]
pub(crate) struct Reign {
    /// The no-op that opened the term. Committed: the leader knows what is committed.
    pub(crate) first_index: LogIndex,
    /// The other members, by id, and for a while those that were removed.
    pub(crate) peers: Vec<Peer>,
    /// Somebody who was a member in this reign may be none of `peers` any more.
    pub(crate) has_forgotten: bool,
    pub(crate) reads: Reads,
    pub(crate) lease: Lease,
    pub(crate) transfer: Option<LeadershipTransfer>,
    /// Command bytes above the commit index.
    uncommitted_bytes: u64,
    /// When to send heartbeats next.
    heartbeat_at: Mono,
}

impl Reign {
    /// A leader whose peers hold its whole log, up to `last`, which is committed.
    pub(crate) fn resumed(
        config: &Config,
        peers: impl Iterator<Item = NodeId>,
        last: LogIndex,
        round: u64,
        now: Mono,
    ) -> Self {
        Self {
            first_index: last,
            peers: peers
                .map(|id| Peer::matched(id, last, round, now))
                .collect(),
            has_forgotten: true,
            reads: Reads::resumed(round),
            lease: Lease::new(config.lease_duration()),
            transfer: None,
            uncommitted_bytes: 0,
            heartbeat_at: next_beat(config.heartbeat_interval, now),
        }
    }

    /// Whether nothing is under way and every peer holds the log up to `last`, which is all of it.
    pub(crate) fn is_quiet(&self, last: LogIndex) -> bool {
        self.transfer.is_none()
            && self.uncommitted_bytes == 0
            && !self.reads.any()
            && self.peers.iter().all(|peer| peer.match_index == last)
    }

    pub(crate) fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    pub(crate) fn peer_mut(&mut self, id: NodeId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// The next heartbeat is the next one after `now`.
    pub(crate) fn beat_after(&mut self, interval: core::time::Duration, now: Mono) {
        self.heartbeat_at = next_beat(interval, now);
    }

    /// Gives back the room that an awake leader reuses.
    pub(crate) fn trim(&mut self) {
        self.reads.trim();
        self.peers.iter_mut().for_each(Peer::trim);
    }

    /// When to send, or to give up a transfer; `None` when there is nobody to send to.
    pub(crate) fn wakes_at(&self) -> Option<Mono> {
        if self.peers.is_empty() {
            return None;
        }
        let transfer = self.transfer.as_ref().map(LeadershipTransfer::deadline);
        Some(transfer.map_or(self.heartbeat_at, |at| at.min(self.heartbeat_at)))
    }

    /// Whether a transfer keeps rounds from beginning.
    pub(crate) fn holds_rounds(&self) -> bool {
        let transfer = self.transfer.as_ref();
        transfer.is_some_and(LeadershipTransfer::holds_rounds)
    }
}

impl Raft {
    /// A quorum voted for this replica: opens its term with a no-op (dissertation §6.4), or with the
    /// configuration that the group begins with where the log has none (dissertation §4.4).
    pub(crate) fn become_leader(&mut self) {
        assert!(
            self.durability.hard_state_durable() && self.voted_for == Some(self.config.id),
            "a leader's own vote is durable before it counts"
        );
        let first_index = self.log.last_index().next();
        let uncommitted = self
            .log
            .recent_bytes_in(self.commit_index, first_index.prev());
        let mut reign = Reign {
            first_index,
            peers: Vec::new(),
            has_forgotten: false,
            reads: Reads::default(),
            lease: Lease::new(self.config.lease_duration()),
            transfer: None,
            uncommitted_bytes: uncommitted,
            heartbeat_at: next_beat(self.config.heartbeat_interval, self.now),
        };
        // The first round travels with the no-op.
        let round = reign.reads.begin();
        reign.lease.begin(round, self.now);
        self.set_standing(Standing::Leader(reign.into()));
        self.follow_configuration();
        self.set_leader(Some(self.config.id));
        self.append(if self.membership.index() == LogIndex(0) {
            Payload::Configuration(self.membership.current().clone().into())
        } else {
            Payload::Noop
        });
        self.confirm_rounds();
    }

    /// Appends a command, or refuses it.
    pub(crate) fn propose(&mut self, proposal: ProposalId, command: Bytes) {
        let size = command.len() as u64;
        let reason = match &self.standing {
            Standing::Leader(reign) if reign.transfer.is_some() => Refusal::Transferring,
            // It is about to step down for good. What it appended now could end on a witness alone,
            // and nobody who may lead would then win that witness's vote.
            Standing::Leader(_) if !self.membership.current().is_voter(self.config.id) => {
                Refusal::Transferring
            }
            Standing::Leader(reign) => {
                let total = reign.uncommitted_bytes.saturating_add(size);
                if reign.uncommitted_bytes == 0 || total <= self.config.uncommitted_bytes_max {
                    let version = self.append(Payload::Command(command));
                    self.outputs
                        .push_back(Output::Appended { proposal, version });
                    return;
                }
                Refusal::Overloaded
            }
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => {
                Refusal::NotLeader
            }
        };
        self.drop_proposal(proposal, reason);
    }

    pub(crate) fn drop_proposal(&mut self, proposal: ProposalId, reason: Refusal) {
        self.outputs.push_back(Output::Dropped {
            proposal,
            reason,
            leader: self.leader,
        });
    }

    pub(crate) fn append(&mut self, payload: Payload) -> Version {
        let Standing::Leader(reign) = &mut self.standing else {
            unreachable!("only a leader appends");
        };
        reign.uncommitted_bytes = reign.uncommitted_bytes.saturating_add(payload.size());
        let version = Version {
            term: self.term,
            index: self.log.last_index().next(),
        };
        let configuration = match &payload {
            Payload::Configuration(configuration) => Some((**configuration).clone()),
            Payload::Noop | Payload::Command(_) | Payload::Elided => None,
        };
        self.log.push(Entry {
            term: version.term,
            index: version.index,
            payload,
        });
        self.durability.stage_entries(version.index);
        if let Some(configuration) = configuration {
            self.membership.push(version.index, configuration);
            self.configuration_changed();
        }
        version
    }

    /// The heartbeat is due: steps down without a quorum, else begins a round.
    pub(crate) fn heartbeat(&mut self) {
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        if self.now < reign.heartbeat_at {
            return;
        }
        reign.heartbeat_at = next_beat(self.config.heartbeat_interval, self.now);
        self.log.sweep();
        let patience = self.config.election_timeout_max;
        let heard = self.membership.current().quorum().vote_result(|id| {
            let peer = reign.peer(id);
            let lately = peer.is_some_and(|peer| self.now.since(peer.last_contact) < patience);
            Some(id == self.config.id || lately)
        });
        if heard != VoteResult::Won {
            self.become_follower(self.term, None);
            return;
        }
        reign.forget_removed(self.now);
        for peer in &mut reign.peers {
            peer.look_for_losses(&self.config, self.now);
        }
        if !self.ask_to_quiesce() {
            self.quiescence.ask_no_more();
            self.begin_round();
            self.go_on_with_transfer();
        }
    }

    /// Sends an empty append to every peer. To one that is probed it is the probe. To the others it
    /// names what they have already, which fits whatever overtakes whatever, and tells one that
    /// restarted in a quiet group that its log is the leader's, so that it may commit it.
    pub(crate) fn begin_round(&mut self) {
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let round = if reign.holds_rounds() {
            reign.reads.round()
        } else {
            let round = reign.reads.begin();
            reign.lease.begin(round, self.now);
            round
        };
        for peer in &mut reign.peers {
            let index = match &peer.progress {
                Progress::Probe { next_index, .. } => next_index.prev(),
                Progress::Replicate { .. } | Progress::Snapshot(_) => peer.match_index,
            };
            let mut prev = Version::default();
            if let Some(term) = self.log.term(index) {
                prev = Version { term, index };
                if let Progress::Probe { waiting, .. } = &mut peer.progress {
                    *waiting = true;
                }
            }
            self.outputs.push_back(Output::Send {
                to: peer.id,
                message: Message {
                    term: self.term,
                    body: Body::Append(Append {
                        prev,
                        entries: Entries::new(),
                        commit_index: self.commit_index,
                        round,
                    }),
                },
            });
        }
        self.confirm_rounds();
    }

    /// Sends every peer what it lacks, as far as its window allows.
    pub(crate) fn replicate(&mut self) {
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let (last, recent_from) = (self.log.last_index(), self.log.recent_from());
        let start = self.log.start().index;
        let round = reign.reads.round();
        let durable = self.durability.durable_index();
        for peer in &mut reign.peers {
            // A witness holds nothing that this replica could lose in a crash: it would refuse its
            // vote to everybody then, and cannot lead itself.
            let last = match peer.witness {
                true => last.min(durable),
                false => last,
            };
            loop {
                let (next, streams) = match &peer.progress {
                    Progress::Probe {
                        next_index,
                        waiting: false,
                    } => (*next_index, false),
                    Progress::Replicate {
                        next_index,
                        inflight,
                        ..
                    } if *next_index <= last && inflight.has_room(&self.config) => {
                        (*next_index, true)
                    }
                    Progress::Probe { .. } | Progress::Replicate { .. } | Progress::Snapshot(_) => {
                        break;
                    }
                };
                let prev = next.prev();
                let prev_term = self.log.term(prev).filter(|_| next > peer.unreadable);
                let Some(prev_term) = prev_term else {
                    assert!(
                        prev < start || next <= peer.unreadable,
                        "nothing beyond the log is sent"
                    );
                    let export = peer.needs_snapshot(start.max(peer.unreadable));
                    self.outputs
                        .push_back(Output::Event(Event::PeerStateChanged {
                            peer: peer.id,
                            state: PeerState::Snapshot,
                        }));
                    if export {
                        self.outputs
                            .push_back(Output::ExportSnapshot { to: peer.id });
                    }
                    break;
                };
                if streams && next < recent_from {
                    // One stretch at a time is read back for it.
                    if peer.fetching.is_none() {
                        peer.fetching = Some(next);
                        self.outputs.push_back(Output::FetchEntries {
                            reader: Reader::Peer(peer.id),
                            from: next,
                            up_to: recent_from.prev(),
                            bytes_max: u64::from(self.config.append_bytes_max),
                        });
                    }
                    break;
                }
                // A probe need not carry what would have to be read back.
                let (entries, bytes) = match next >= recent_from && next <= last {
                    true => {
                        let bytes_max = u64::from(self.config.append_bytes_max);
                        self.log.share_some(next, last, bytes_max)
                    }
                    false => (Entries::new(), 0),
                };
                let end = LogIndex(prev.0 + entries.len() as u64);
                peer.sent(end, bytes, self.now);
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
                    to: peer.id,
                    message: Message {
                        term: self.term,
                        body: Body::Append(append),
                    },
                });
            }
        }
    }

    /// # Errors
    /// An answer to what this leader cannot have said.
    pub(crate) fn check_append_reply(&self, reply: &AppendReply) -> Result<(), Misuse> {
        let Standing::Leader(reign) = &self.standing else {
            return Ok(());
        };
        let last = self.log.last_index();
        match reply.outcome {
            AppendOutcome::Outdated => Ok(()),
            _ if reply.round > reign.reads.round() => Err(Misuse::AnswersUnasked),
            AppendOutcome::Accepted {
                match_index,
                received_index,
                ..
            } if match_index > received_index || received_index > last => {
                Err(Misuse::AcknowledgesUnsent)
            }
            AppendOutcome::Rejected { prev_index, hint }
                if prev_index > last || hint.index > prev_index =>
            {
                Err(Misuse::AcknowledgesUnsent)
            }
            AppendOutcome::Accepted { .. } | AppendOutcome::Rejected { .. } => Ok(()),
        }
    }

    /// # Errors
    /// An answer to a round that has not begun.
    pub(crate) fn check_round(&self, round: u64) -> Result<(), Misuse> {
        match &self.standing {
            Standing::Leader(reign) if round > reign.reads.round() => Err(Misuse::AnswersUnasked),
            _ => Ok(()),
        }
    }

    /// An answer of this term, checked.
    pub(crate) fn receive_append_reply(&mut self, from: NodeId, reply: AppendReply) {
        let start = self.log.start().index;
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let Some(peer) = reign.peer_mut(from) else {
            return;
        };
        if reply.round < peer.since_round {
            return;
        }
        let (state, matched) = (peer.state(), peer.match_index);
        let answered = peer.acked_round;
        match reply.outcome {
            // It answers a reign of an earlier term.
            AppendOutcome::Outdated => return,
            AppendOutcome::Accepted {
                match_index,
                received_index,
                installing,
            } => peer.accepted(reply.round, match_index, received_index, installing, start),
            AppendOutcome::Rejected { prev_index, hint } => {
                let agreed = self.log.agreement_before(hint).index;
                // Below the log nothing is known here: go by what the peer says.
                let agreed = if hint.index < start {
                    hint.index
                } else {
                    agreed
                };
                peer.rejected(prev_index, agreed);
            }
        }
        peer.answered(reply.round, self.now);
        let changed = (peer.state() != state).then(|| peer.state());
        let (match_index, confirms) = (peer.match_index, peer.acked_round > answered);
        if let Some(state) = changed {
            self.event(Event::PeerStateChanged { peer: from, state });
        }
        if match_index > matched {
            self.go_on_with_transfer();
            if match_index > self.commit_index {
                self.advance_commit();
            }
        }
        if confirms {
            self.confirm_rounds();
        }
    }

    /// A peer has lost its log: what it held is not counted any more, and is sent again.
    pub(crate) fn peer_forgot(&mut self, id: NodeId) {
        let (next_index, now) = (self.log.last_index().next(), self.now);
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let since_round = reign.reads.round() + 1;
        let Some(peer) = reign.peer_mut(id) else {
            return;
        };
        // Whether anything of it counts, or would if it came late.
        if peer.since_round == 0 || peer.acked_round >= peer.since_round {
            let leaves_at = peer.leaves_at;
            *peer = Peer::new(id, next_index, now);
            peer.leaves_at = leaves_at;
            peer.since_round = since_round;
        }
    }

    pub(crate) fn peer_unreachable(&mut self, id: NodeId) {
        if self.leader == Some(id) {
            self.wake(self.now);
        }
        if let Standing::Leader(reign) = &mut self.standing
            && let Some(peer) = reign.peer_mut(id)
        {
            peer.unreachable();
        } else if self.leader == Some(id) {
            self.election.leader_lost(&self.config, self.now);
        }
    }

    /// Commits what a quorum holds durably (Raft §5.3, §5.4.2).
    pub(crate) fn advance_commit(&mut self) {
        let Standing::Leader(reign) = &self.standing else {
            return;
        };
        let own = self.durability.durable_index();
        let configuration = self.membership.current();
        let index = configuration.quorum().committed_index(|id| {
            if id == self.config.id {
                return Some(own);
            }
            reign.peer(id).map(|peer| peer.match_index)
        });
        let index = index.max(self.miscounted(reign).unwrap_or_default());
        if index <= self.commit_index {
            return;
        }
        // Raft §5.4.2: an entry of an earlier term is never committed by counting replicas.
        if index >= reign.first_index || breaks(Mutant::CommitsOldTerm) {
            self.commit(index);
        }
    }

    /// A leader's bookkeeping when its commit index moves from `old`.
    pub(crate) fn leader_committed(&mut self, old: LogIndex) {
        let commit_index = self.commit_index;
        let Standing::Leader(reign) = &mut self.standing else {
            return;
        };
        let bytes = self.log.recent_bytes_in(old, commit_index);
        assert!(
            reign.uncommitted_bytes >= bytes,
            "every byte above the commit index is counted"
        );
        reign.uncommitted_bytes -= bytes;
        if old < reign.first_index && commit_index >= reign.first_index {
            reign.reads.term_committed(commit_index);
        }
    }

    /// What the mutants take for committed that count one too many.
    fn miscounted(&self, reign: &Reign) -> Option<LogIndex> {
        let one_too_many = breaks(Mutant::LeaderCountsTwice)
            || breaks(Mutant::LearnerCounts)
            || breaks(Mutant::RemovedLeaderCounts);
        if !one_too_many {
            return None;
        }
        let configuration = self.membership.current();
        let own = self.durability.durable_index();
        let votes = |id: &NodeId| configuration.voters().contains(id);
        let mut counted: Vec<LogIndex> = reign
            .peers
            .iter()
            .filter(|peer| votes(&peer.id) || breaks(Mutant::LearnerCounts))
            .map(|peer| peer.match_index)
            .collect();
        if votes(&self.config.id) || breaks(Mutant::RemovedLeaderCounts) {
            counted.push(own);
        }
        if breaks(Mutant::LeaderCountsTwice) {
            counted.push(own);
        }
        counted.sort_unstable_by(|a, b| b.cmp(a));
        let size = configuration.quorum().incoming.size();
        counted.get(size - 1).copied()
    }
}
