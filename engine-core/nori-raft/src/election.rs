//! Elections: when to campaign, whom to vote for.
//!
//! **Invariant: at most one vote a term, and none while a leader may hold a lease on it.** A vote
//! goes to the first candidate of a term whose log is not behind (Raft §5.2, §5.4.1). A replica
//! that heard from a leader within the minimum election timeout ignores candidates, and their terms
//! (dissertation §4.2.3); one that restarted has forgotten when it last heard, and votes for nobody
//! for one minimum election timeout. A campaign begins with a pre-vote (dissertation §9.6).

use alloc::vec::Vec;
use core::time::Duration;

use norikv_types::{Mono, Mutant, NodeId, Prng, Term, Version, breaks};

use crate::config::{Config, PRIORITY_MAX};
use crate::error::{Error, Misuse};
use crate::event::Event;
use crate::message::Body;
use crate::quorum::VoteResult;
use crate::raft::{Raft, Standing};
use crate::receiving::TERM_MAX;

/// A replica's clockwork of elections.
#[derive(Debug)]
pub(crate) struct Election {
    /// When to campaign unless a leader speaks first.
    deadline: Mono,
    /// Since the replica restarted: no vote before.
    guard_until: Mono,
    /// When a leader last spoke.
    heard_at: Option<Mono>,
    /// Campaigns since then.
    campaigns: u32,
    prng: Prng,
}

/// What a replica without a clock must know of it: until when it supports whose lease.
#[derive(Debug)]
pub(crate) struct Guard {
    until: Mono,
    /// The end of time: never.
    heard_at: Mono,
    /// For the times that it will draw.
    seed: u64,
}

/// Votes of one campaign.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    granted: Vec<NodeId>,
    refused: Vec<NodeId>,
}

impl Election {
    pub(crate) fn new(config: &Config, fresh: bool, now: Mono) -> Self {
        let guard = if fresh || breaks(Mutant::RestartForgetsTheLease) {
            now
        } else {
            now + config.election_timeout_min
        };
        let mut election = Self {
            deadline: now,
            guard_until: guard,
            heard_at: None,
            campaigns: 0,
            prng: Prng::new(config.seed),
        };
        election.restart(config, now);
        election
    }

    /// What is kept while the clock stands.
    pub(crate) fn guard(&self) -> Guard {
        Guard {
            until: self.guard_until,
            heard_at: self.heard_at.unwrap_or(Mono::MAX),
            seed: self.prng.clone().next_u64(),
        }
    }

    /// A clock that stands.
    pub(crate) fn resumed(guard: &Guard) -> Self {
        Self {
            deadline: Mono::MAX,
            guard_until: guard.until,
            heard_at: Some(guard.heard_at).filter(|at| *at != Mono::MAX),
            campaigns: 0,
            prng: Prng::new(guard.seed),
        }
    }

    /// Waits a new random time before the next campaign (Raft §5.2).
    pub(crate) fn restart(&mut self, config: &Config, now: Mono) {
        let (min, max) = (config.election_timeout_min, config.election_timeout_max);
        let step_back = (max - min) * u32::from(PRIORITY_MAX - config.priority);
        self.deadline = now + self.prng.duration(min, max) + step_back;
    }

    /// Waits again after a time without a clock, counted from when the leader was last heard of.
    pub(crate) fn resume(&mut self, config: &Config, heard: Mono) {
        self.restart(config, heard);
    }

    /// A leader spoke.
    pub(crate) fn heard(&mut self, config: &Config, now: Mono) {
        self.heard_at = Some(now);
        self.campaigns = 0;
        self.restart(config, now);
    }

    /// A campaign begins. Its pre-vote costs nobody anything, so it is soon repeated: a voter may
    /// have heard from the leader a moment later than this one, and be ready a moment later. The
    /// waits grow up to the full timeout (Raft §5.2).
    fn begin_campaign(&mut self, config: &Config, now: Mono) {
        self.wait_fraction(config, now, 8);
        self.campaigns = self.campaigns.saturating_add(1);
    }

    /// A pre-vote succeeded: the votes, which are written to disks, get more time.
    fn begin_vote(&mut self, config: &Config, now: Mono) {
        self.wait_fraction(config, now, 4);
    }

    /// Another one campaigns and has this replica's blessing: a campaign of its own now would split
    /// the votes.
    fn give_way(&mut self, config: &Config, now: Mono) {
        let min = config.election_timeout_min;
        let until = now + self.prng.duration(min / 4, min / 2);
        self.deadline = self.deadline.max(until);
    }

    /// Waits a random time of one to two fractions of the shortest timeout, twice as long with each
    /// campaign, at most a full random timeout.
    fn wait_fraction(&mut self, config: &Config, now: Mono, fraction: u32) {
        let doublings = self.campaigns.min(8);
        let least = config.election_timeout_min / fraction * (1 << doublings);
        self.restart(config, now);
        let sooner = now + self.prng.duration(least, least * 2);
        self.deadline = self.deadline.min(sooner);
    }

    /// The connection to the leader broke. Campaigns as soon as no lease can hold on this replica,
    /// and no sooner.
    pub(crate) fn leader_lost(&mut self, config: &Config, now: Mono) {
        let min = config.election_timeout_min;
        let free = self.heard_at.map_or(now, |heard| heard + min);
        let sooner = now.max(free) + self.prng.duration(Duration::ZERO, min / 4);
        self.deadline = self.deadline.min(sooner);
    }

    /// Whether it restarted so lately that it may have forgotten whose lease it supports.
    pub(crate) fn is_new_here(&self, now: Mono) -> bool {
        now < self.guard_until
    }

    /// Whether a vote now could break a lease.
    pub(crate) fn must_ignore_candidates(&self, config: &Config, now: Mono) -> bool {
        self.is_new_here(now)
            || !breaks(Mutant::VotesDuringALease)
                && self
                    .heard_at
                    .is_some_and(|heard| now < heard + config.election_timeout_min)
    }

    pub(crate) const fn deadline(&self) -> Mono {
        self.deadline
    }
}

impl Tally {
    /// Counts a vote once.
    pub(crate) fn count(&mut self, voter: NodeId, granted: bool) {
        if self.granted.contains(&voter) || self.refused.contains(&voter) {
            return;
        }
        if granted {
            self.granted.push(voter);
        } else {
            self.refused.push(voter);
        }
    }

    /// How `voter` voted, if it did.
    pub(crate) fn vote(&self, voter: NodeId) -> Option<bool> {
        let granted = self.granted.contains(&voter);
        (granted || self.refused.contains(&voter)).then_some(granted)
    }
}

impl Raft {
    /// Whether this replica may lead. "A server that is not part of its own latest configuration
    /// should still start new elections, as it might still be needed until the C-new entry is
    /// committed" (dissertation §4.2.2): it alone may have that entry. It does not count its own
    /// vote then. Once that is committed it never campaigns; nor does a replica that lost something
    /// that it may have promised.
    pub(crate) fn may_campaign(&self) -> bool {
        !self.may_have_forgotten()
            && self.config.priority > 0
            && self.membership.may_lead(self.config.id)
    }

    /// No leader spoke for too long: asks whether a campaign could succeed. A replica that may not
    /// lead only knows of no leader any more.
    pub(crate) fn start_pre_vote(&mut self) {
        self.election.begin_campaign(&self.config, self.now);
        self.set_leader(None);
        if !self.may_campaign() {
            self.become_follower(self.term, None);
            return;
        }
        let mut tally = Tally::default();
        tally.count(self.config.id, true);
        self.set_standing(Standing::PreCandidate(tally));
        let body = Body::PreVote {
            campaign: self.term.next(),
            last: self.log.last(),
        };
        self.say_to_voters(&body);
        self.count_votes();
    }

    /// Asks for votes in the next term; its own counts once it is durable. `told_in` is the round in
    /// which the leader told it to.
    pub(crate) fn campaign(&mut self, told_in: Option<u64>) {
        assert!(self.term < TERM_MAX, "terms are used up one by one");
        self.move_to_term(self.term.next());
        self.election.begin_vote(&self.config, self.now);
        self.cast_vote(self.config.id);
        self.set_standing(Standing::Candidate(Tally::default()));
        let last = self.log.last();
        let body = match told_in {
            Some(round) => Body::TransferVote { last, round },
            None => Body::Vote { last },
        };
        self.say_to_voters(&body);
    }

    fn cast_vote(&mut self, candidate: NodeId) {
        self.voted_for = Some(candidate);
        self.durability.stage_hard_state();
        self.event(Event::VoteCast {
            candidate,
            term: self.term,
        });
    }

    /// The term and vote became durable: a candidate's own vote counts from now on.
    pub(crate) fn own_vote_durable(&mut self) {
        if self.durability.hard_state_durable()
            && let Standing::Candidate(tally) = &mut self.standing
        {
            tally.count(self.config.id, true);
            self.count_votes();
        }
    }

    pub(crate) fn receive_pre_vote(&mut self, from: NodeId, campaign: Term, last: Version) {
        if self.ignores_candidates() {
            return;
        }
        let granted = campaign > self.term && self.is_up_to_date(last);
        if granted {
            self.election.give_way(&self.config, self.now);
        }
        self.say(from, Body::PreVoteReply { campaign, granted });
    }

    pub(crate) fn receive_pre_vote_reply(&mut self, from: NodeId, campaign: Term, granted: bool) {
        if campaign == self.term.next()
            && let Standing::PreCandidate(tally) = &mut self.standing
        {
            tally.count(from, granted);
            self.count_votes();
        }
    }

    /// A candidate asks for this replica's vote; `told_in` is the round in which the leader told it
    /// to campaign.
    pub(crate) fn receive_vote(
        &mut self,
        from: NodeId,
        term: Term,
        last: Version,
        told_in: Option<u64>,
    ) {
        if term < self.term {
            self.say(from, Body::VoteReply { granted: false });
            return;
        }
        let heeds = told_in.is_some_and(|round| self.heeds_transfer(from, term, round));
        if self.may_have_forgotten() || (self.ignores_candidates() && !heeds) {
            return;
        }
        if term > self.term {
            self.become_follower(term, None);
        }
        // Raft §5.2: one vote a term, first come first served.
        let free = self.voted_for.is_none_or(|to| to == from) || breaks(Mutant::VotesTwice);
        let granted = free && self.leader.is_none() && self.is_up_to_date(last);
        if granted {
            if self.voted_for != Some(from) {
                self.cast_vote(from);
            }
            self.election.restart(&self.config, self.now);
        }
        if granted && breaks(Mutant::VoteNotDurable) {
            self.say_after(0, from, Body::VoteReply { granted });
        } else {
            self.say(from, Body::VoteReply { granted });
        }
    }

    pub(crate) fn receive_vote_reply(&mut self, from: NodeId, term: Term, granted: bool) {
        if (term == self.term || breaks(Mutant::CountsOldVotes))
            && let Standing::Candidate(tally) = &mut self.standing
        {
            tally.count(from, granted);
            self.count_votes();
        }
    }

    fn count_votes(&mut self) {
        let (Standing::PreCandidate(tally) | Standing::Candidate(tally)) = &self.standing else {
            return;
        };
        let quorum = self.membership.current().quorum();
        match quorum.vote_result(|voter| tally.vote(voter)) {
            VoteResult::Pending => {}
            VoteResult::Lost => self.become_follower(self.term, None),
            VoteResult::Won => match &self.standing {
                Standing::PreCandidate(_) => self.campaign(None),
                _ => self.become_leader(),
            },
        }
    }

    /// Whether it may have promised what it does not hold any more.
    fn may_have_forgotten(&self) -> bool {
        self.is_damaged() && !breaks(Mutant::VotesWhileDamaged)
    }

    fn ignores_candidates(&self) -> bool {
        // A leader without a quorum has stepped down already (check-quorum).
        self.may_have_forgotten()
            || matches!(self.standing, Standing::Leader(_))
            || self.election.must_ignore_candidates(&self.config, self.now)
    }

    /// Raft §5.4.1: the later last term wins; in the same term the longer log.
    fn is_up_to_date(&self, last: Version) -> bool {
        last >= self.log.last() || breaks(Mutant::NoLogCheck)
    }

    /// # Errors
    /// The error that names `from` and what it did.
    pub(crate) const fn misuse(from: NodeId, term: Term, misuse: Misuse) -> Error {
        Error::PeerMisuse { from, term, misuse }
    }
}

#[cfg(test)]
mod tests;
