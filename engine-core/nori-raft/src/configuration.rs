//! Who belongs to a group, and as what.
//!
//! **Invariant: a configuration has a voter that holds data, no node in two roles, and is joint at
//! most once.** One that breaks this cannot be built, nor read from bytes. Only a [change] leads
//! from one configuration to another, and every majority before it meets every majority after it:
//! at most one voter differs (dissertation §4.1), or the two sets decide together until the group
//! leaves the joint configuration (dissertation §4.3).
//!
//! [change]: Configuration::change

use alloc::vec::Vec;

use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::quorum::{JointQuorum, MajorityQuorum};

/// The members of a group. Sorted everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Configuration {
    voters: Vec<NodeId>,
    outgoing: Vec<NodeId>,
    learners: Vec<NodeId>,
    learners_next: Vec<NodeId>,
    witnesses: Vec<NodeId>,
    auto_leave: bool,
}

/// A configuration as bytes say it, not checked.
#[derive(Deserialize)]
struct Parts {
    voters: Vec<NodeId>,
    outgoing: Vec<NodeId>,
    learners: Vec<NodeId>,
    learners_next: Vec<NodeId>,
    witnesses: Vec<NodeId>,
    auto_leave: bool,
}

/// A step for one node. Repeating one, or removing a node that is no member, changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It votes and holds data. A learner is promoted.
    AddVoter(NodeId),
    /// It gets entries, and neither votes nor counts. A voter is demoted.
    AddLearner(NodeId),
    /// It votes and acknowledges, and gets no commands. Only a new node becomes one.
    AddWitness(NodeId),
    /// It leaves the group.
    Remove(NodeId),
}

/// What becomes of a configuration; the steps are taken in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipChange {
    /// At once where at most one voter differs; else through a joint configuration, which the
    /// leader leaves by itself.
    Auto(Vec<Change>),
    /// At once, or not at all.
    Simple(Vec<Change>),
    /// Through a joint configuration.
    Joint {
        /// The steps that lead to the incoming half.
        changes: Vec<Change>,
        /// Whether the leader leaves it once it is committed.
        auto_leave: bool,
    },
    /// Out of the joint configuration.
    Leave,
}

/// Why there is no such configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationFault {
    /// Nobody would decide.
    #[error("no voter is left")]
    NoVoters,
    /// Nobody would hold the data.
    #[error("no voter is left that holds data")]
    OnlyWitnesses,
    /// Node 0 never exists.
    #[error("node 0 never exists")]
    NodeZero,
    /// One node in two roles, or a role in the wrong place. No change leads there.
    #[error("a node has two roles")]
    TwoRoles,
    /// Members are not in order. No change leads there.
    #[error("members are not sorted")]
    Unsorted,
    /// Two majorities could miss each other.
    #[error("more than one voter changes without a joint configuration")]
    ManyVoters,
    /// It must be left first.
    #[error("the configuration is joint already")]
    Joint,
    /// There is nothing to leave.
    #[error("the configuration is not joint")]
    NotJoint,
    /// A member that has commands becomes no witness, and a witness, which has none, no other
    /// member: remove it first, and let it begin anew.
    #[error("a member cannot become a witness, nor a witness another member")]
    WitnessStays,
}

impl Configuration {
    /// These voters and nobody else.
    ///
    /// # Errors
    /// `NoVoters` and `NodeZero`.
    pub fn new(voters: impl IntoIterator<Item = NodeId>) -> Result<Self, ConfigurationFault> {
        let mut configuration = Self::unknown();
        for voter in voters {
            insert(&mut configuration.voters, voter);
        }
        configuration.checked()
    }

    /// What is in force where nothing is known: a replica that waits for a leader's word.
    pub(crate) const fn unknown() -> Self {
        Self {
            voters: Vec::new(),
            outgoing: Vec::new(),
            learners: Vec::new(),
            learners_next: Vec::new(),
            witnesses: Vec::new(),
            auto_leave: false,
        }
    }

    /// What `change` makes of it. The result may be equal to `self`: then nothing was to change.
    ///
    /// # Errors
    /// The fault of the result, or of the way there.
    pub fn change(&self, change: &MembershipChange) -> Result<Self, ConfigurationFault> {
        match change {
            MembershipChange::Auto(changes) => {
                let next = self.after(changes)?;
                if differing(&self.voters, &next.voters) <= 1 {
                    return Ok(next);
                }
                self.enter_joint(changes, true)
            }
            MembershipChange::Simple(changes) => {
                let next = self.after(changes)?;
                if differing(&self.voters, &next.voters) > 1 {
                    return Err(ConfigurationFault::ManyVoters);
                }
                Ok(next)
            }
            MembershipChange::Joint {
                changes,
                auto_leave,
            } => self.enter_joint(changes, *auto_leave),
            MembershipChange::Leave => self.leave(),
        }
    }

    /// What votes and acknowledgements must reach.
    #[must_use]
    pub fn quorum(&self) -> JointQuorum<'_> {
        JointQuorum {
            incoming: MajorityQuorum(&self.voters),
            outgoing: MajorityQuorum(&self.outgoing),
        }
    }

    /// The voters; of a joint configuration the incoming ones. Witnesses among them.
    #[must_use]
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// The voters before the change that is under way; empty when none is.
    #[must_use]
    pub fn outgoing(&self) -> &[NodeId] {
        &self.outgoing
    }

    /// Members that get entries and count for nothing.
    #[must_use]
    pub fn learners(&self) -> &[NodeId] {
        &self.learners
    }

    /// Outgoing voters that are learners once the joint configuration is left.
    #[must_use]
    pub fn learners_next(&self) -> &[NodeId] {
        &self.learners_next
    }

    /// Voters that hold no commands.
    #[must_use]
    pub fn witnesses(&self) -> &[NodeId] {
        &self.witnesses
    }

    /// Whether two sets of voters decide together.
    #[must_use]
    pub const fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the leader leaves the joint configuration by itself.
    #[must_use]
    pub const fn leaves_by_itself(&self) -> bool {
        self.auto_leave
    }

    /// Whether it votes, in either half.
    #[must_use]
    pub fn is_voter(&self, id: NodeId) -> bool {
        contains(&self.voters, id) || contains(&self.outgoing, id)
    }

    /// Whether it gets entries and counts for nothing.
    #[must_use]
    pub fn is_learner(&self, id: NodeId) -> bool {
        contains(&self.learners, id)
    }

    /// Whether it is a voter without commands.
    #[must_use]
    pub fn is_witness(&self, id: NodeId) -> bool {
        contains(&self.witnesses, id)
    }

    /// Whether it belongs to the group in any role.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.is_learner(id)
    }

    /// Every voter of either half, by id, each once.
    #[must_use]
    pub fn all_voters(&self) -> Vec<NodeId> {
        let mut voters = self.voters.clone();
        for id in &self.outgoing {
            insert(&mut voters, *id);
        }
        voters
    }

    /// Everyone who gets entries, by id, each once.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        let mut members = self.all_voters();
        for id in &self.learners {
            insert(&mut members, *id);
        }
        members
    }

    fn enter_joint(
        &self,
        changes: &[Change],
        auto_leave: bool,
    ) -> Result<Self, ConfigurationFault> {
        if self.is_joint() {
            return Err(ConfigurationFault::Joint);
        }
        let mut joint = self.clone();
        joint.outgoing.clone_from(&self.voters);
        joint.auto_leave = auto_leave;
        joint.take(changes)?;
        joint.checked()
    }

    fn leave(&self) -> Result<Self, ConfigurationFault> {
        if !self.is_joint() {
            return Err(ConfigurationFault::NotJoint);
        }
        let mut next = self.clone();
        for id in core::mem::take(&mut next.learners_next) {
            insert(&mut next.learners, id);
        }
        next.outgoing.clear();
        next.auto_leave = false;
        next.witnesses.retain(|id| contains(&next.voters, *id));
        next.checked()
    }

    /// The steps taken at once.
    fn after(&self, changes: &[Change]) -> Result<Self, ConfigurationFault> {
        if self.is_joint() {
            return Err(ConfigurationFault::Joint);
        }
        let mut next = self.clone();
        next.take(changes)?;
        next.checked()
    }

    fn take(&mut self, changes: &[Change]) -> Result<(), ConfigurationFault> {
        for change in changes {
            match *change {
                Change::AddVoter(id) => {
                    self.keeps_commands(id)?;
                    remove(&mut self.learners, id);
                    remove(&mut self.learners_next, id);
                    insert(&mut self.voters, id);
                }
                Change::AddLearner(id) => {
                    self.keeps_commands(id)?;
                    if contains(&self.learners, id) {
                        continue;
                    }
                    self.drop_incoming(id);
                    // An outgoing voter votes until the joint configuration is left.
                    if contains(&self.outgoing, id) {
                        insert(&mut self.learners_next, id);
                    } else {
                        insert(&mut self.learners, id);
                    }
                }
                Change::AddWitness(id) => {
                    if self.contains(id) && !self.is_witness(id) {
                        return Err(ConfigurationFault::WitnessStays);
                    }
                    insert(&mut self.voters, id);
                    insert(&mut self.witnesses, id);
                }
                Change::Remove(id) => self.drop_incoming(id),
            }
        }
        let (voters, outgoing) = (&self.voters, &self.outgoing);
        self.witnesses
            .retain(|id| contains(voters, *id) || contains(outgoing, *id));
        Ok(())
    }

    fn keeps_commands(&self, id: NodeId) -> Result<(), ConfigurationFault> {
        match self.is_witness(id) {
            true => Err(ConfigurationFault::WitnessStays),
            false => Ok(()),
        }
    }

    fn drop_incoming(&mut self, id: NodeId) {
        remove(&mut self.voters, id);
        remove(&mut self.learners, id);
        remove(&mut self.learners_next, id);
    }

    fn checked(self) -> Result<Self, ConfigurationFault> {
        use ConfigurationFault as Fault;
        let sets = [
            &self.voters,
            &self.outgoing,
            &self.learners,
            &self.learners_next,
            &self.witnesses,
        ];
        if sets.iter().any(|set| !set.is_sorted_by(|a, b| a < b)) {
            return Err(Fault::Unsorted);
        }
        if sets.iter().any(|set| contains(set, NodeId(0))) {
            return Err(Fault::NodeZero);
        }
        if self.voters.is_empty() {
            return Err(Fault::NoVoters);
        }
        let fits = self.learners.iter().all(|id| !self.is_voter(*id))
            && self
                .learners_next
                .iter()
                .all(|id| contains(&self.outgoing, *id) && !contains(&self.voters, *id))
            && self
                .witnesses
                .iter()
                .all(|id| self.is_voter(*id) && !contains(&self.learners_next, *id))
            && (self.is_joint() || !self.auto_leave);
        if !fits {
            return Err(Fault::TwoRoles);
        }
        if self.voters.iter().all(|id| self.is_witness(*id)) {
            return Err(Fault::OnlyWitnesses);
        }
        Ok(self)
    }
}

impl TryFrom<Parts> for Configuration {
    type Error = ConfigurationFault;

    fn try_from(parts: Parts) -> Result<Self, ConfigurationFault> {
        Self {
            voters: parts.voters,
            outgoing: parts.outgoing,
            learners: parts.learners,
            learners_next: parts.learners_next,
            witnesses: parts.witnesses,
            auto_leave: parts.auto_leave,
        }
        .checked()
    }
}

fn contains(set: &[NodeId], id: NodeId) -> bool {
    set.binary_search(&id).is_ok()
}

fn insert(set: &mut Vec<NodeId>, id: NodeId) {
    if let Err(at) = set.binary_search(&id) {
        set.insert(at, id);
    }
}

fn remove(set: &mut Vec<NodeId>, id: NodeId) {
    set.retain(|other| *other != id);
}

/// Nodes that are in one set only.
fn differing(before: &[NodeId], after: &[NodeId]) -> usize {
    let gone = before.iter().filter(|id| !contains(after, **id)).count();
    let new = after.iter().filter(|id| !contains(before, **id)).count();
    gone + new
}

#[cfg(test)]
mod tests;
