//! One replica: the dispatch over the sub-protocols.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Mono, NodeId};

use crate::config::Config;
use crate::durability::Durability;
use crate::entry::{HardState, Restored};
use crate::error::Error;
use crate::io::{Input, Output};
use crate::log::Log;
use crate::status::{Role, Status};

/// One replica of a Raft group.
#[derive(Debug)]
pub struct Raft {
    config: Config,
    hard_state: HardState,
    role: Role,
    leader: Option<NodeId>,
    log: Log,
    durability: Durability,
    handed_out_index: LogIndex,
    applied_index: LogIndex,
    election_deadline: Mono,
    outputs: VecDeque<Output>,
}

impl Raft {
    /// A replica that goes on from what storage holds.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Restored`]; nothing was built.
    pub fn new(config: Config, restored: Restored, now: Mono) -> Result<Self, Error> {
        config.check()?;
        let log = Log::new(restored.snapshot, restored.entries);
        Ok(Self {
            durability: Durability::new(log.last_index()),
            election_deadline: now + config.election_timeout_max,
            hard_state: restored.hard_state,
            role: Role::Follower,
            leader: None,
            handed_out_index: restored.applied,
            applied_index: restored.applied,
            outputs: VecDeque::new(),
            log,
            config,
        })
    }

    /// Takes one input at time `now`.
    ///
    /// # Errors
    /// [`Error::PeerMisuse`] and [`Error::UnknownWrite`]; the state is unchanged.
    pub fn handle_input(&mut self, now: Mono, input: Input) -> Result<(), Error> {
        let _ = now;
        match input {
            Input::Durable(write) if !self.durability.knows(write) => {
                Err(Error::UnknownWrite { write })
            }
            Input::Durable(write) => {
                self.durability.complete(write);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The next thing to do; drain until `None` after every input (or after several).
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in [`Input::Timeout`]; `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        Some(self.election_deadline)
    }

    /// The replica at a glance.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            id: self.config.id,
            role: self.role,
            term: self.hard_state.term,
            voted_for: self.hard_state.voted_for,
            leader: self.leader,
            log_start: self.log.start(),
            last: self.log.last(),
            durable_index: self.durability.durable_index(),
            commit_index: self.hard_state.commit_index,
            handed_out_index: self.handed_out_index,
            applied_index: self.applied_index,
            lease_until: None,
            peers: Vec::new(),
        }
    }
}
