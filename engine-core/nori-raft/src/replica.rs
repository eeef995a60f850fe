//! A replica that takes little room while it sleeps.
//!
//! **Invariant: a replica that was put away and taken out again does what it would have done.** All
//! that a sleeping replica knows besides its settings is where its log and its terms begin and end, its term and vote, who
//! belongs to the group, whose lease it guards, and how it numbers rounds and writes: the whole
//! log is committed, applied and, where it leads, at every peer. So whoever wakes begins with that
//! end of the log as a restarted replica does, but remembers whom it follows and whose lease it
//! guards.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Mono, NodeId, Term, Version};

use crate::config::Config;
use crate::configuration::Configuration;
use crate::durability::Durability;
use crate::election::{Election, Guard};
use crate::entry::{HardState, Restored, SnapshotMeta};
use crate::error::Error;
use crate::io::{Input, Output};
use crate::leading::Reign;
use crate::log::Log;
use crate::raft::{Raft, Standing};
use crate::status::{Role, Status};

/// What the replicas of one host have in common. Made once, shared by all.
#[derive(Debug)]
pub struct Common {
    /// The settings; who founded a group and its seed are the replica's own.
    settings: Config,
    /// The configuration that most groups have.
    configuration: Configuration,
}

/// A [`Raft`] that is put away while it sleeps. Its contract is that of [`Raft`].
#[derive(Debug)]
pub struct Replica {
    common: Arc<Common>,
    state: State,
}

#[derive(Debug)]
enum State {
    Out(Box<Raft>),
    Away(Box<Dormant>),
}

/// A replica that sleeps, without what can be told from the rest.
#[derive(Debug)]
struct Dormant {
    now: Mono,
    term: Term,
    /// Node 0: for nobody.
    voted_for: NodeId,
    leader: NodeId,
    /// The log begins behind it.
    start: Version,
    /// The end of the log, of what is committed and of what is applied.
    last: Version,
    /// Where terms begin between them; `None`: nowhere but at its beginning.
    #[expect(
        clippy::box_collection,
        reason = "most have none, which takes one word this way"
    )]
    terms: Option<Box<Vec<Version>>>,
    /// The newest round, of its own reign or of its leader's.
    round: u64,
    /// Number of the next write.
    next_write: u64,
    guard: Guard,
    /// `None`: that of [`Common`].
    configuration: Option<Box<Configuration>>,
    priority: u8,
}

impl Common {
    /// Groups with other configurations than `configuration` only take more room.
    #[must_use]
    pub fn new(settings: Config, configuration: Configuration) -> Arc<Self> {
        let founders = Default::default();
        Arc::new(Self {
            settings: Config {
                founders,
                ..settings
            },
            configuration,
        })
    }
}

impl Replica {
    /// A replica that goes on from what storage holds. Of `settings` only the founders, the priority
    /// and the seed may differ from those in `common`.
    ///
    /// # Errors
    /// Those of [`Raft::new`].
    ///
    /// # Panics
    /// When other settings differ.
    pub fn new(
        common: &Arc<Common>,
        settings: Config,
        restored: Restored,
        now: Mono,
    ) -> Result<Self, Error> {
        let same = Config {
            founders: Default::default(),
            priority: common.settings.priority,
            seed: common.settings.seed,
            ..settings
        };
        assert!(same == common.settings, "what is shared is the same");
        Ok(Self {
            common: Arc::clone(common),
            state: State::Out(Raft::new(settings, restored, now)?.into()),
        })
    }

    /// See [`Raft::handle_input`].
    ///
    /// # Errors
    /// Those of [`Raft::handle_input`]; the state is unchanged.
    pub fn handle_input(&mut self, now: Mono, input: Input) -> Result<(), Error> {
        self.take_out().handle_input(now, input)
    }

    /// See [`Raft::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        let State::Out(raft) = &mut self.state else {
            return None;
        };
        let output = raft.poll_output();
        if output.is_none()
            && let Some(dormant) = Dormant::of(raft, &self.common)
        {
            self.state = State::Away(dormant.into());
        }
        output
    }

    /// See [`Raft::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        match &self.state {
            State::Out(raft) => raft.poll_timeout(),
            State::Away(_) => None,
        }
    }

    /// See [`Raft::status`].
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.state {
            State::Out(raft) => raft.status(),
            State::Away(dormant) => dormant.wake(&self.common).status(),
        }
    }

    /// See [`Raft::configuration`].
    #[must_use]
    pub fn configuration(&self) -> Option<&Configuration> {
        match &self.state {
            State::Out(raft) => raft.configuration(),
            State::Away(dormant) => Some(dormant.configuration(&self.common)),
        }
    }

    /// See [`Raft::role`].
    #[must_use]
    pub fn role(&self) -> Role {
        match &self.state {
            State::Out(raft) => raft.role(),
            State::Away(dormant) if dormant.leads(&self.common) => Role::Leader,
            State::Away(_) => Role::Follower,
        }
    }

    /// See [`Raft::term`].
    #[must_use]
    pub const fn term(&self) -> Term {
        match &self.state {
            State::Out(raft) => raft.term(),
            State::Away(dormant) => dormant.term,
        }
    }

    /// See [`Raft::leader`].
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        match &self.state {
            State::Out(raft) => raft.leader(),
            State::Away(dormant) => Some(dormant.leader),
        }
    }

    /// See [`Raft::commit_index`].
    #[must_use]
    pub const fn commit_index(&self) -> LogIndex {
        match &self.state {
            State::Out(raft) => raft.commit_index(),
            State::Away(dormant) => dormant.last.index,
        }
    }

    /// See [`Raft::is_damaged`].
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        match &self.state {
            State::Out(raft) => raft.is_damaged(),
            // One that lacks something does not sleep.
            State::Away(_) => false,
        }
    }

    /// See [`Raft::is_quiescent`].
    #[must_use]
    pub const fn is_quiescent(&self) -> bool {
        match &self.state {
            State::Out(raft) => raft.is_quiescent(),
            State::Away(_) => true,
        }
    }

    /// Whether it sleeps and is put away.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self.state, State::Away(_))
    }

    fn take_out(&mut self) -> &mut Raft {
        if let State::Away(dormant) = &self.state {
            self.state = State::Out(dormant.wake(&self.common).into());
        }
        match &mut self.state {
            State::Out(raft) => raft,
            State::Away(_) => unreachable!("it was just taken out"),
        }
    }
}

impl Dormant {
    /// What is kept of a replica; `None` while it cannot be put away.
    fn of(raft: &Raft, common: &Common) -> Option<Self> {
        if !raft.is_quiescent() || !raft.outputs.is_empty() || raft.installing.is_some() {
            return None;
        }
        let last = raft.log.last();
        let (leader, configuration) = (raft.leader?, raft.configuration()?);
        let settled = raft.commit_index == last.index
            && raft.applied_index == last.index
            && raft.durability.durable_index() == last.index
            && raft.durability.is_idle()
            && raft.asking.is_idle()
            && raft.repair.is_none()
            && raft.fetching.is_none()
            && !raft.membership.is_uncommitted();
        let round = match &raft.standing {
            Standing::Leader(reign) => {
                // One that was removed lately is still to hear of it.
                let mut peers = reign.peers.iter().map(|peer| peer.id);
                let members = configuration.members();
                let others = members.into_iter().filter(|id| *id != raft.config.id);
                let all = others.eq(peers.by_ref());
                (all && reign.is_quiet(last.index)).then(|| reign.reads.round())?
            }
            Standing::Follower => raft.following.round,
            Standing::PreCandidate(_) | Standing::Candidate(_) => return None,
        };
        settled.then(|| Self {
            now: raft.now,
            term: raft.term,
            voted_for: raft.voted_for.unwrap_or(NodeId(0)),
            leader,
            start: raft.log.start(),
            last,
            terms: raft.log.terms().map(Box::new),
            round,
            next_write: raft.durability.newest_write() + 1,
            guard: raft.election.guard(),
            configuration: (*configuration != common.configuration)
                .then(|| configuration.clone().into()),
            priority: raft.config.priority,
        })
    }

    fn leads(&self, common: &Common) -> bool {
        self.leader == common.settings.id
    }

    fn configuration<'a>(&'a self, common: &'a Common) -> &'a Configuration {
        (self.configuration.as_deref()).unwrap_or(&common.configuration)
    }

    /// The replica, asleep as it was.
    fn wake(&self, common: &Common) -> Raft {
        let settings = Config {
            priority: self.priority,
            ..common.settings.clone()
        };
        let restored = Restored {
            hard_state: HardState {
                term: self.term,
                voted_for: Some(self.voted_for).filter(|id| *id != NodeId(0)),
                commit_index: self.last.index,
            },
            snapshot: SnapshotMeta {
                index: self.last.index,
                term: self.last.term,
            },
            applied: self.last.index,
            configuration: Some(self.configuration(common).clone()),
            entries: Vec::new(),
            damaged: Vec::new(),
            amnesia: false,
            fresh: false,
        };
        let mut raft = match Raft::new(settings, restored, self.now) {
            Ok(raft) => raft,
            Err(error) => unreachable!("what was sound stays sound: {error}"),
        };
        let terms = self.terms.as_deref().map(Vec::as_slice);
        raft.log = Log::resumed(self.start, terms, self.last);
        raft.leader = Some(self.leader);
        raft.election = Election::resumed(&self.guard);
        raft.durability = Durability::resumed(self.next_write, self.last.index);
        raft.following.received_index = self.last.index;
        if self.leads(common) {
            let members = raft.membership.current().members();
            let peers = members.into_iter().filter(|id| *id != raft.config.id);
            let reign = Reign::resumed(&raft.config, peers, self.last.index, self.round, self.now);
            raft.standing = Standing::Leader(reign.into());
            raft.follow_configuration();
        } else {
            raft.following.round = self.round;
        }
        raft.quiescence.doze();
        raft
    }
}

#[cfg(test)]
mod tests;
