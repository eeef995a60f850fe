//! One replica: which input belongs to which sub-protocol, and the state that they share.
//!
//! **Invariant: the term never falls, the commit index never falls, what was handed out for
//! application is never handed out again.**

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Mono, Mutant, NodeId, Term, breaks};

use crate::asking::Asking;
use crate::config::Config;
use crate::configuration::Configuration;
use crate::durability::Durability;
use crate::election::{Election, Tally};
use crate::entries::Entries;
use crate::entry::{HardState, Payload, Restored, SnapshotMeta, Stretch};
use crate::error::Error;
use crate::event::Event;
use crate::following::Following;
use crate::io::{Input, Output, Persist, Refusal};
use crate::leading::Reign;
use crate::log::Log;
use crate::membership::Membership;
use crate::message::{Body, Message};
use crate::quiescence::Quiescence;
use crate::repair::Repair;
use crate::status::{Role, Status};

/// One replica of a Raft group.
///
/// See the crate's documentation for what its host owes it.
#[derive(Debug)]
pub struct Raft {
    pub(crate) config: Config,
    /// The newest time that an input came with.
    pub(crate) now: Mono,
    /// Latest term seen; never falls (Raft §5.1).
    pub(crate) term: Term,
    /// Whom this replica voted for in `term`.
    pub(crate) voted_for: Option<NodeId>,
    /// Who leads `term`, where known.
    pub(crate) leader: Option<NodeId>,
    pub(crate) standing: Standing,
    pub(crate) election: Election,
    pub(crate) following: Following,
    pub(crate) membership: Membership,
    /// An entry here has lost its command on the way to a witness.
    pub(crate) lacks_commands: bool,
    pub(crate) quiescence: Quiescence,
    pub(crate) asking: Asking,
    pub(crate) log: Log,
    pub(crate) durability: Durability,
    /// Never falls; at or below the log's end.
    pub(crate) commit_index: LogIndex,
    /// Handed out in `Apply`; at or below the commit index and the durable index.
    pub(crate) handed_out_index: LogIndex,
    /// Applied, as the host said; at or below `handed_out_index`.
    pub(crate) applied_index: LogIndex,
    /// The snapshot that the host is installing.
    pub(crate) installing: Option<SnapshotMeta>,
    pub(crate) outputs: VecDeque<Output>,
    /// Whether an input came since the last flush.
    dirty: bool,
    /// What it lacks of its log; `None`: nothing.
    pub(crate) repair: Option<Box<Repair>>,
    /// From where on committed entries are read back for application.
    pub(crate) fetching: Option<LogIndex>,
}

/// A role with what it needs.
#[derive(Debug)]
pub(crate) enum Standing {
    Follower,
    PreCandidate(Tally),
    Candidate(Tally),
    Leader(Box<Reign>),
}

impl Raft {
    /// A replica that goes on from what storage holds.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Restored`]; nothing was built.
    pub fn new(config: Config, restored: Restored, now: Mono) -> Result<Self, Error> {
        config.check()?;
        restored.check()?;
        let HardState {
            mut term,
            mut voted_for,
            ..
        } = restored.hard_state;
        let mut durability = Durability::new(restored.last_index());
        if restored.snapshot.term > term {
            // A snapshot became durable before the term it came in. Nothing was said in that term.
            (term, voted_for) = (restored.snapshot.term, None);
            durability.stage_hard_state();
        }
        let commit_index = restored.hard_state.commit_index.max(restored.applied);
        let repair = Repair::of(&restored, now);
        let found = |&Stretch { from, up_to }: &Stretch| {
            Output::Event(Event::EntriesDamaged { from, up_to })
        };
        let outputs: VecDeque<Output> = restored.damaged.iter().map(found).collect();
        // What is lost was committed elsewhere, if it was.
        let commit_index = commit_index.min(restored.last_index());
        let founding = Configuration::new(config.founders.iter().copied());
        let mut membership = Membership::new(
            founding.unwrap_or_else(|_| Configuration::unknown()),
            restored.configuration,
            restored.applied,
            &restored.entries,
        );
        membership.commit(commit_index);
        let mut payloads = restored.entries.iter().map(|entry| &entry.payload);
        let lacks_commands = payloads.any(|payload| *payload == Payload::Elided);
        let log = Log::new(restored.snapshot, restored.entries);
        Ok(Self {
            now,
            term,
            voted_for,
            leader: None,
            standing: Standing::Follower,
            election: Election::new(&config, restored.fresh, now),
            following: Following::new(commit_index),
            quiescence: Quiescence::new(now),
            asking: Asking::new(&config, now),
            durability,
            membership,
            lacks_commands,
            log,
            commit_index,
            handed_out_index: restored.applied,
            applied_index: restored.applied,
            installing: None,
            repair,
            fetching: None,
            outputs,
            dirty: true,
            config,
        })
    }

    /// Takes one input at time `now`. A `now` before an earlier one counts as that one.
    ///
    /// # Errors
    /// [`Error::PeerMisuse`] and [`Error::UnknownWrite`]; the state is unchanged.
    ///
    /// # Panics
    /// When the host contradicts itself: it reports as applied what it was not given, compacts or
    /// exports beyond what it applied, or installs a snapshot that it was not told to.
    pub fn handle_input(&mut self, now: Mono, input: Input) -> Result<(), Error> {
        self.look_at_clock(now);
        self.now = self.now.max(now);
        match input {
            Input::Receive { from, message } => {
                self.check_message(from, &message)
                    .map_err(|misuse| Self::misuse(from, message.term, misuse))?;
                self.wake_for(&message);
                self.receive(from, message);
            }
            Input::Propose { proposal, command } => {
                self.stir();
                self.propose(proposal, command);
            }
            Input::Read { read, mode } => {
                self.stir();
                self.read(read, mode);
            }
            Input::ChangeMembership { proposal, change } => {
                self.stir();
                self.change_membership(proposal, &change);
            }
            Input::Transfer { proposal, to } => {
                self.stir();
                self.transfer(proposal, to);
            }
            Input::Durable(write) => {
                if !self.durability.knows(write) {
                    return Err(Error::UnknownWrite { write });
                }
                if self.durability.complete(write) {
                    self.release_held();
                    self.own_vote_durable();
                    self.advance_commit();
                }
            }
            Input::Applied(index) => {
                assert!(
                    index <= self.handed_out_index,
                    "only what was handed out is applied"
                );
                self.applied_index = self.applied_index.max(index);
                // Only sleep asks for it.
                return Ok(());
            }
            Input::EntriesFetched {
                reader,
                from,
                entries,
            } => self.entries_fetched(reader, from, entries),
            Input::Damaged(stretch) => self.damaged(stretch.from, stretch.up_to),
            Input::Compact(index) => self.compact(index),
            Input::SnapshotExported { to, snapshot } => self.snapshot_exported(to, snapshot),
            Input::SnapshotSent { to, ok } => self.snapshot_sent(to, ok),
            Input::SnapshotReceived {
                from,
                term,
                snapshot,
            } => {
                self.check_peer(from, term)
                    .and_then(|()| match term < self.term {
                        true => Ok(()),
                        false => self.check_snapshot(from, term, snapshot),
                    })
                    .map_err(|misuse| Self::misuse(from, term, misuse))?;
                self.snapshot_received(from, term, snapshot);
            }
            Input::SnapshotInstalled {
                snapshot,
                configuration,
            } => self.snapshot_installed(snapshot, configuration),
            Input::Unreachable(peer) => self.peer_unreachable(peer),
            Input::PeerForgot(peer) => self.peer_forgot(peer),
            Input::Wake { heard } => self.wake(heard),
            Input::ClockJumped => self.doubt_clock(),
            Input::Timeout => self.time_out(),
        }
        self.dirty = true;
        Ok(())
    }

    /// The next thing to do; drain until `None` after every input, or after several, whose writes
    /// and messages are then batched.
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && (self.dirty || self.is_quiescent()) {
            self.refill();
        }
        self.outputs.pop_front()
    }

    /// When to hand in [`Input::Timeout`]; `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let due = match &self.standing {
            _ if self.is_quiescent() => None,
            Standing::Leader(reign) => reign.wakes_at(),
            // Who may not campaign only notices when its leader falls silent.
            Standing::Follower if self.leader.is_none() && !self.may_campaign() => None,
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => {
                let (own, asks) = (self.election.deadline(), self.asking.deadline(&self.config));
                Some(asks.map_or(own, |at| at.min(own)))
            }
        };
        match self.repair_at() {
            Some(at) => Some(due.map_or(at, |due| due.min(at))),
            None => due,
        }
    }

    /// The replica at a glance.
    #[must_use]
    pub fn status(&self) -> Status {
        let (lease_until, peers) = match &self.standing {
            Standing::Leader(reign) => (
                reign.lease.until(),
                reign.peers.iter().map(|peer| peer.status()).collect(),
            ),
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => {
                (None, Vec::new())
            }
        };
        Status {
            id: self.config.id,
            role: self.role(),
            term: self.term,
            voted_for: self.voted_for,
            leader: self.leader,
            configuration: self.configuration().cloned(),
            log_start: self.log.start(),
            last: self.log.last(),
            durable_index: self.durability.durable_index(),
            commit_index: self.commit_index,
            handed_out_index: self.handed_out_index,
            applied_index: self.applied_index,
            lease_until,
            peers,
        }
    }

    /// What this replica is in its group.
    #[must_use]
    pub const fn role(&self) -> Role {
        match &self.standing {
            Standing::Follower => Role::Follower,
            Standing::PreCandidate(_) => Role::PreCandidate,
            Standing::Candidate(_) => Role::Candidate,
            Standing::Leader(_) => Role::Leader,
        }
    }

    /// The latest term this replica has seen.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// Who leads that term, where known.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Who belongs to the group, by the newest configuration in the log, committed or not. `None`:
    /// no leader has told yet.
    #[must_use]
    pub fn configuration(&self) -> Option<&Configuration> {
        Some(self.membership.current()).filter(|current| !current.voters().is_empty())
    }

    /// Up to here the log is committed.
    #[must_use]
    pub const fn commit_index(&self) -> LogIndex {
        self.commit_index
    }

    fn time_out(&mut self) {
        self.ask_for_entries();
        match &self.standing {
            _ if self.is_quiescent() => {}
            Standing::Leader(_) => {
                self.give_up_transfer();
                self.heartbeat();
            }
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => {
                if self.now >= self.election.deadline() {
                    self.start_pre_vote();
                }
            }
        }
    }

    pub(crate) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        if term > self.term {
            self.move_to_term(term);
        }
        self.set_leader(leader);
        if !matches!(self.standing, Standing::Follower) {
            if matches!(self.standing, Standing::Leader(_)) {
                self.election.restart(&self.config, self.now);
            }
            self.set_standing(Standing::Follower);
        }
    }

    pub(crate) fn move_to_term(&mut self, term: Term) {
        assert!(term > self.term, "terms only grow");
        self.rouse();
        self.term = term;
        self.voted_for = None;
        self.durability.stage_hard_state();
        // What waits speaks of a term that is over; nobody would heed it.
        self.durability.drop_held();
        self.following = Following::new(self.commit_index);
        self.set_leader(None);
        self.event(Event::TermChanged { term });
    }

    /// Takes another role. A leader's reads that got no answer are refused.
    pub(crate) fn set_standing(&mut self, standing: Standing) {
        let before = self.role();
        let old = core::mem::replace(&mut self.standing, standing);
        self.rouse();
        if self.role() != before {
            self.event(Event::RoleChanged {
                role: self.role(),
                term: self.term,
            });
        }
        if let Standing::Leader(reign) = old {
            if let Some(transfer) = reign.transfer {
                let proposal = transfer.into_proposal();
                self.outputs.push_back(Output::Transferred { proposal });
            }
            for read in reign.reads.into_unanswered() {
                self.outputs.push_back(Output::ReadRefused {
                    read,
                    reason: Refusal::NotLeader,
                    leader: self.leader,
                });
            }
        }
    }

    pub(crate) fn set_leader(&mut self, leader: Option<NodeId>) {
        if self.leader != leader {
            self.leader = leader;
            self.event(Event::LeaderChanged {
                leader,
                term: self.term,
            });
            self.give_up_asking();
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Says something once the current term and vote are durable.
    pub(crate) fn say(&mut self, to: NodeId, body: Body) {
        self.say_after(self.durability.hard_state_write(), to, body);
    }

    /// Says something once the write `needs` and all before it are durable.
    pub(crate) fn say_after(&mut self, needs: u64, to: NodeId, body: Body) {
        let message = Message {
            term: self.term,
            body,
        };
        if let Some(message) = self.durability.hold(needs, to, message) {
            self.outputs.push_back(Output::Send { to, message });
        }
    }

    pub(crate) fn say_to_voters(&mut self, body: &Body) {
        let own = self.config.id;
        let voters = self.membership.current().all_voters();
        for to in voters.into_iter().filter(|id| *id != own) {
            self.say(to, body.clone());
        }
    }

    fn release_held(&mut self) {
        while let Some((to, message)) = self.durability.release() {
            self.outputs.push_back(Output::Send { to, message });
        }
    }

    pub(crate) fn commit(&mut self, index: LogIndex) {
        assert!(
            index > self.commit_index && index <= self.log.last_index(),
            "only what is in the log is committed, once"
        );
        let old = core::mem::replace(&mut self.commit_index, index);
        let covers_configuration = self.membership.commit(index);
        self.leader_committed(old);
        self.event(Event::CommitAdvanced {
            commit_index: index,
        });
        if covers_configuration && breaks(Mutant::ConfigurationAtCommit) {
            self.configuration_changed();
        }
        self.configuration_committed();
    }

    /// The configuration in force may be another one.
    pub(crate) fn configuration_changed(&mut self) {
        let index = self.membership.index();
        self.event(Event::ConfigurationChanged { index });
        if self.election.deadline() <= self.now {
            // It was not wound up while this replica could not campaign.
            self.election.restart(&self.config, self.now);
        }
        self.follow_configuration();
    }

    /// All outputs are handed out: looks for more.
    fn refill(&mut self) {
        if core::mem::take(&mut self.dirty) {
            self.flush();
        }
        if self.outputs.is_empty() && self.is_quiescent() {
            self.trim();
        }
    }

    /// What the inputs since the last flush amount to.
    fn flush(&mut self) {
        self.persist();
        if let Standing::Leader(reign) = &self.standing
            && reign.reads.wants_round()
            && !reign.holds_rounds()
        {
            self.begin_round();
        }
        self.ask_leader();
        self.replicate();
        self.settle_repair();
        self.hand_out();
        self.log
            .evict(self.held_by_all().min(self.handed_out_index), 0);
        let settled = self.commit_index.min(self.durability.stored_index());
        self.log.evict(settled, self.config.recent_bytes_max);
    }

    /// What is committed and stored up to here stands in the log of every peer, if they are this
    /// replica's to care for.
    pub(crate) fn held_by_all(&self) -> LogIndex {
        let settled = self.commit_index.min(self.durability.stored_index());
        match &self.standing {
            Standing::Leader(reign) => {
                let held = reign.peers.iter().map(|peer| peer.match_index);
                held.fold(settled, LogIndex::min)
            }
            Standing::Follower | Standing::PreCandidate(_) | Standing::Candidate(_) => settled,
        }
    }

    fn persist(&mut self) {
        let last = self.log.last_index();
        let Some(staged) = self.durability.issue(self.term, last) else {
            return;
        };
        let hard_state = staged.hard_state.then(|| HardState {
            term: self.term,
            voted_for: self.voted_for.filter(|_| !breaks(Mutant::VoteNotStored)),
            commit_index: self.commit_index.min(self.durability.durable_index()),
        });
        let entries = match staged.entries_from {
            Some(from) => self.log.share(from, last),
            None => Entries::new(),
        };
        let rewrites = self.take_rewrites();
        let (entries, rewrites) = match breaks(Mutant::RepairCuts) && entries.is_empty() {
            true => (rewrites, entries),
            false => (entries, rewrites),
        };
        self.outputs.push_back(Output::Persist(Persist {
            write: staged.write,
            hard_state,
            reset: staged.reset,
            entries,
            rewrites,
        }));
    }
}

#[cfg(test)]
mod tests;
