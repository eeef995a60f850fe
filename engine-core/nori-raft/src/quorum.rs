//! How many make a majority, and of whom.
//!
//! **Invariant: two majorities of one set share a member; a joint decision has a majority of both
//! sets** (Raft §6). An empty set decides everything at once, so that a joint quorum with an empty
//! half is a plain majority; no [`Configuration`](crate::Configuration) has an empty first half.

use norikv_types::{LogIndex, Mutant, NodeId, breaks};

/// A majority of these voters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MajorityQuorum<'a>(pub &'a [NodeId]);

/// A majority of both sets; the second one is empty but during a change of more than one voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JointQuorum<'a> {
    /// The voters to come, or those there are.
    pub incoming: MajorityQuorum<'a>,
    /// The voters before.
    pub outgoing: MajorityQuorum<'a>,
}

/// What a vote came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoteResult {
    /// Neither side has a majority yet.
    Pending,
    /// No majority can be reached any more.
    Lost,
    /// A majority said yes.
    Won,
}

impl MajorityQuorum<'_> {
    /// The highest index that a majority has reached; the end of all indexes for an empty set.
    #[must_use]
    pub fn committed_index(self, acked: impl Fn(NodeId) -> Option<LogIndex>) -> LogIndex {
        LogIndex(self.reached(|voter| acked(voter).map_or(0, |index| index.0)))
    }

    /// What the votes cast so far come to; `None`: not cast.
    #[must_use]
    pub fn vote_result(self, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        let (mut granted, mut open) = (0, 0);
        for voter in self.0 {
            match vote(*voter) {
                Some(true) => granted += 1,
                Some(false) => {}
                None => open += 1,
            }
        }
        match self.size() {
            size if granted >= size => VoteResult::Won,
            size if granted + open >= size => VoteResult::Pending,
            _ => VoteResult::Lost,
        }
    }

    /// Voters that make a majority; 0 of an empty set.
    #[must_use]
    pub const fn size(self) -> usize {
        match self.0.len() {
            0 => 0,
            voters => voters / 2 + 1,
        }
    }

    /// The highest number that a majority has reached.
    pub(crate) fn reached(self, of: impl Fn(NodeId) -> u64) -> u64 {
        let voters = self.0.len();
        if voters == 0 {
            return u64::MAX;
        }
        let mut few = [0; INLINE];
        if let Some(values) = few.get_mut(..voters) {
            for (value, voter) in values.iter_mut().zip(self.0) {
                *value = of(*voter);
            }
            values.sort_unstable();
            return values[voters - self.size()];
        }
        // So many that sorting them needs memory: each is compared with all instead.
        let at_least = |value| self.0.iter().filter(|voter| of(**voter) >= value).count();
        let values = self.0.iter().map(|voter| of(*voter));
        values
            .filter(|value| at_least(*value) >= self.size())
            .max()
            .unwrap_or_default()
    }
}

impl JointQuorum<'_> {
    /// The highest index that both majorities have reached.
    #[must_use]
    pub fn committed_index(self, acked: impl Fn(NodeId) -> Option<LogIndex>) -> LogIndex {
        LogIndex(self.reached(|voter| acked(voter).map_or(0, |index| index.0)))
    }

    /// What the votes cast so far come to: won only where both majorities are, lost where one is.
    #[must_use]
    pub fn vote_result(self, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        let incoming = self.incoming.vote_result(&vote);
        if breaks(Mutant::JointByOneHalf) {
            return incoming;
        }
        match (incoming, self.outgoing.vote_result(&vote)) {
            (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
            (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
            _ => VoteResult::Pending,
        }
    }

    /// The highest number that both majorities have reached.
    pub(crate) fn reached(self, of: impl Fn(NodeId) -> u64) -> u64 {
        let incoming = self.incoming.reached(&of);
        if breaks(Mutant::JointByOneHalf) {
            return incoming;
        }
        incoming.min(self.outgoing.reached(of))
    }
}

/// Voters up to which no search among all pairs is needed.
const INLINE: usize = 16;

#[cfg(test)]
mod tests;
