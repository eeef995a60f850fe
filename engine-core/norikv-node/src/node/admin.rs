//! Changes that somebody asked for: who holds a group, who leads it.
//!
//! **Invariant: each step is decided by the configuration in force, never by what was done before**,
//! so a change that was interrupted, or whose leader died, is simply asked for again. A node votes
//! only after it held everything up to the configuration that names it a learner, and almost
//! everything else.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use nori_raft::{self as raft, Change, MembershipChange, PeerState};
use norikv_types::{ErrorKind, GroupId, NodeId};

use super::Node;
use super::errand::{Client, ErrandId, Stage};
use super::group::Group;
use super::metrics::CallKind;
use crate::wire::Work;
use crate::{Admin, Answer, Failure, Replicas, RequestId};

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// All of it is done.
    Done,
    /// Wait for what is under way; in words, how far it is.
    Wait(String),
    /// Ask Raft for this.
    Propose(MembershipChange),
    /// Ask Raft for that.
    HandOver(NodeId),
}

impl Node {
    pub(super) fn admin(&mut self, request: RequestId, admin: Admin, deadline: norikv_types::Mono) {
        let kind = CallKind::Admin;
        let (group, work) = match admin {
            Admin::ChangeReplicas { group, add, remove } => (group, Work::Change { add, remove }),
            Admin::Transfer { group, to } => (group, Work::Transfer { to }),
        };
        if let Err(failure) = self.check_admin(group, &work) {
            return self.reply_to_host(request, kind, self.now, Err(failure));
        }
        self.errand(group, work, Client::Host(request, kind), deadline);
    }

    fn check_admin(&self, group: GroupId, work: &Work) -> Result<(), Failure> {
        let refuse = |message| Err(Failure::refused(ErrorKind::Invalid, message));
        if group.0 >= self.router.groups() {
            let groups = self.router.groups();
            return refuse(format!(
                "there is no {group}; the cluster has {groups} groups"
            ));
        }
        let named: Vec<NodeId> = match work {
            Work::Change { add, remove } => {
                if let Some(both) = add.iter().find(|node| remove.contains(node)) {
                    return refuse(format!("{both} is both added and removed"));
                }
                if add.is_empty() && remove.is_empty() {
                    return refuse(String::from("nothing is added or removed"));
                }
                add.clone()
            }
            Work::Transfer { to } => alloc::vec![*to],
            _ => Vec::new(),
        };
        match named.iter().find(|node| !self.config.nodes.contains(node)) {
            Some(stranger) => refuse(format!("{stranger} is no node of this cluster")),
            None => Ok(()),
        }
    }

    /// Takes the next step of a change at the leader, or waits for the one under way.
    pub(super) fn drive(&mut self, id: ErrandId) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let group = errand.group;
        let Some(replica) = self.groups.get(&group).filter(|replica| replica.leads()) else {
            return self.retry(id);
        };
        let step = match &errand.work {
            Work::Change { add, remove } => next_step(replica, add, remove),
            Work::Transfer { to } if *to == self.config.id => Step::Done,
            Work::Transfer { to } => Step::HandOver(*to),
            _ => return,
        };
        match step {
            Step::Done => {
                let replicas = replicas_of(replica);
                self.finish(id, Ok(Answer::Replicas(replicas)));
            }
            Step::Wait(how_far) => {
                self.errands.set_stage(id, Stage::Changing);
                self.errands.set_progress(id, how_far);
                self.errands.alarm(self.now + LOOK_AGAIN, id);
            }
            Step::Propose(change) => {
                self.errands.set_stage(id, Stage::Changing);
                self.errands.alarm(self.now + LOOK_AGAIN, id);
                let proposal = raft::ProposalId(id.0);
                self.raft_input(group, raft::Input::ChangeMembership { proposal, change });
            }
            Step::HandOver(to) => {
                self.errands.set_stage(id, Stage::Changing);
                let proposal = raft::ProposalId(id.0);
                self.raft_input(group, raft::Input::Transfer { proposal, to });
            }
        }
    }

    /// Another configuration is applied: what waits for that goes on.
    pub(super) fn drive_changes(&mut self, group: GroupId) {
        for id in self.errands.changing(group) {
            self.drive(id);
        }
    }

    /// Raft did not take a change. It may be a step that another one took, or one that has to wait.
    pub(super) fn change_refused(&mut self, id: ErrandId, reason: raft::Refusal) {
        match reason {
            raft::Refusal::BadChange(fault) => {
                let message = format!("there is no such configuration: {fault}");
                self.finish(id, Err(Failure::refused(ErrorKind::Invalid, message)));
            }
            raft::Refusal::NotLeader => self.retry_later(id),
            raft::Refusal::BadTarget => {
                let message = "the node does not vote in this group";
                self.finish(id, Err(Failure::refused(ErrorKind::Invalid, message)));
            }
            raft::Refusal::TransferTimedOut => {
                let message = "the node did not take over in time; the leader leads on";
                self.finish(id, Err(Failure::refused(ErrorKind::TimedOut, message)));
            }
            raft::Refusal::Transferring => self.errands.alarm(self.now + LOOK_AGAIN, id),
            // The alarm is set.
            _ => {}
        }
    }
}

/// What `replica` lacks to have `add` among its voters and `remove` not among its members.
fn next_step(replica: &Group, add: &[NodeId], remove: &[NodeId]) -> Step {
    let Some(configuration) = replica.raft.configuration() else {
        return Step::Wait(String::from("its configuration is not known yet"));
    };
    if !replica.is_settled() || configuration.is_joint() {
        return Step::Wait(String::from("a configuration waits for its majority"));
    }
    let strangers = add.iter().filter(|node| !configuration.contains(**node));
    let learners: Vec<Change> = strangers.map(|node| Change::AddLearner(*node)).collect();
    if !learners.is_empty() {
        return Step::Propose(MembershipChange::Auto(learners));
    }
    let status = replica.raft.status();
    for node in add.iter().filter(|node| configuration.is_learner(**node)) {
        let peer = status.peers.iter().find(|peer| peer.id == *node);
        let (matched, state) = peer.map_or((norikv_types::LogIndex(0), None), |peer| {
            (peer.match_index, Some(peer.state))
        });
        let behind = status.last.index.0.saturating_sub(matched.0);
        let knows_itself = matched >= replica.belonging().configuration_index;
        if !knows_itself || behind > LAG_MAX || state != Some(PeerState::Replicate) {
            let how = match state {
                Some(PeerState::Snapshot) => "gets a snapshot",
                _ => "catches up",
            };
            let last = status.last.index;
            return Step::Wait(format!(
                "{node} is a learner and {how}: {matched} of {last}"
            ));
        }
    }
    let promoted = add
        .iter()
        .filter(|node| !configuration.voters().contains(node))
        .map(|node| Change::AddVoter(*node));
    let removed = remove
        .iter()
        .filter(|node| configuration.contains(**node))
        .map(|node| Change::Remove(*node));
    let changes: Vec<Change> = promoted.chain(removed).collect();
    match changes.is_empty() {
        true => Step::Done,
        false => Step::Propose(MembershipChange::Auto(changes)),
    }
}

/// Who holds the group.
pub(super) fn replicas_of(replica: &Group) -> Replicas {
    let Some(configuration) = replica.raft.configuration() else {
        return Replicas::default();
    };
    Replicas {
        voters: configuration.voters().to_vec(),
        outgoing: configuration.outgoing().to_vec(),
        learners: configuration.learners().to_vec(),
        leader: replica.leader,
    }
}

/// How often a change under way is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Entries that a learner may be behind when it becomes a voter.
const LAG_MAX: u64 = 256;
