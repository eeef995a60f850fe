//! How a leader changes who belongs to the group.
//!
//! **Invariant: one change at a time, and none before the leader knows what is committed.** A change
//! is refused while another one is uncommitted or joint (dissertation §4.1), and before an entry of
//! the leader's own term is committed: without that, two leaders could each have a configuration
//! uncommitted whose majorities miss each other (Ongaro, raft-dev, 10 July 2015). A leader that is
//! no voter any more leads until that is committed, without counting itself, and then steps down
//! (dissertation §4.2.2).

use norikv_types::{Mono, Mutant, NodeId, breaks};

use crate::configuration::{Configuration, ConfigurationFault, MembershipChange};
use crate::entry::Payload;
use crate::io::{Output, ProposalId, Refusal};
use crate::leading::Reign;
use crate::progress::Peer;
use crate::raft::{Raft, Standing};

impl Reign {
    /// New members get entries, removed ones only until they know of it, witnesses none but in name.
    fn follow(&mut self, configuration: &Configuration, own: NodeId, now: Mono, told_by: Mono) {
        let members = configuration.members();
        // A witness that is removed would get commands, did it get anything.
        let before = self.peers.len();
        self.peers
            .retain(|peer| !peer.witness || members.contains(&peer.id));
        self.has_forgotten |= self.peers.len() < before;
        for peer in &mut self.peers {
            match (members.contains(&peer.id), peer.leaves_at) {
                (true, None) => {}
                // It may have erased what it held.
                (true, Some(_)) => {
                    *peer = Peer::new(peer.id, self.first_index, now);
                    peer.since_round = self.reads.round() + 1;
                }
                (false, leaves_at) => peer.leaves_at = leaves_at.or(Some(told_by)),
            }
        }
        for id in members {
            if id != own && self.peer(id).is_none() {
                let mut peer = Peer::new(id, self.first_index, now);
                // Who was a member in this reign already may have answered as that.
                if self.has_forgotten {
                    peer.since_round = self.reads.round() + 1;
                }
                self.peers.push(peer);
            }
        }
        self.peers.sort_unstable_by_key(|peer| peer.id);
        for peer in &mut self.peers {
            peer.witness = configuration.is_witness(peer.id);
        }
    }

    /// Removed members had time to learn of it.
    pub(crate) fn forget_removed(&mut self, now: Mono) {
        let before = self.peers.len();
        self.peers
            .retain(|peer| peer.leaves_at.is_none_or(|at| now < at));
        self.has_forgotten |= self.peers.len() < before;
    }
}

impl Raft {
    /// Appends another configuration, or refuses to.
    pub(crate) fn change_membership(&mut self, proposal: ProposalId, change: &MembershipChange) {
        match self.changed(change) {
            Ok(next) => {
                let version = self.append(Payload::Configuration(next.into()));
                self.outputs
                    .push_back(Output::Appended { proposal, version });
            }
            Err(reason) => self.drop_proposal(proposal, reason),
        }
    }

    fn changed(&self, change: &MembershipChange) -> Result<Configuration, Refusal> {
        let Standing::Leader(reign) = &self.standing else {
            return Err(Refusal::NotLeader);
        };
        if reign.transfer.is_some() {
            return Err(Refusal::Transferring);
        }
        if self.commit_index < reign.first_index && !breaks(Mutant::ChangesBeforeFirstCommit) {
            return Err(Refusal::TermNotCommitted);
        }
        if self.membership.is_uncommitted() && !breaks(Mutant::ChangesBeforeFirstCommit) {
            return Err(Refusal::ChangeUnderWay);
        }
        let current = self.membership.current();
        let next = current.change(change).map_err(|fault| match fault {
            ConfigurationFault::Joint => Refusal::ChangeUnderWay,
            fault => Refusal::BadChange(fault),
        })?;
        if next == *current {
            return Err(Refusal::VoidChange);
        }
        Ok(next)
    }

    /// Another configuration is in force: a leader replicates to its members.
    pub(crate) fn follow_configuration(&mut self) {
        let (own, now) = (self.config.id, self.now);
        if let Standing::Leader(reign) = &mut self.standing {
            let told_by = now + TOLD_FOR * self.config.election_timeout_max;
            reign.follow(self.membership.current(), own, now, told_by);
        }
    }

    /// What a leader does once a configuration is committed: it leaves a joint one, and steps down
    /// when it is no voter.
    pub(crate) fn configuration_committed(&mut self) {
        let Standing::Leader(reign) = &self.standing else {
            return;
        };
        if self.commit_index < reign.first_index || self.membership.is_uncommitted() {
            return;
        }
        let current = self.membership.current();
        if current.is_joint() && current.leaves_by_itself() {
            let Ok(next) = current.change(&MembershipChange::Leave) else {
                unreachable!("a joint configuration can be left");
            };
            self.append(Payload::Configuration(next.into()));
        } else if !current.is_voter(self.config.id) && !breaks(Mutant::RemovedLeaderCounts) {
            self.resign();
        }
    }
}

/// Election timeouts for which a removed member is still sent to.
const TOLD_FOR: u32 = 3;
