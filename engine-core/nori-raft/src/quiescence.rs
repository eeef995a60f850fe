//! The sleep of a group that has nothing to do.
//!
//! **Invariant: a replica that sleeps promises nothing and loses nothing.** It has no lease, no
//! clock and sends nothing; whatever it hears that is not an echo of what went before wakes it, and
//! awake it is an ordinary replica again. So sleep never decides what is safe, only who watches the
//! leader: while followers sleep their host does, and wakes those whose leader's node is gone or
//! came back as another start ([`Input::Wake`](crate::Input::Wake)).
//!
//! A leader may fall asleep when every peer's durable log is its own to the end, all of it is
//! committed and applied, and nobody asked for anything for [`Config::quiesce_after`]. It then asks
//! in place of its heartbeat ([`Body::Quiesce`]): a follower in which the same holds stops its clock
//! and agrees. Once all agreed to the same round the leader stops, too. An answer that is lost
//! is asked for again with the next heartbeat; a follower that missed it all is awake and keeps the
//! leader awake. Everything a leader says after it woke carries a later round than the one that it
//! fell asleep with, which tells a follower a wake-up from an echo.

use alloc::vec::Vec;
use core::time::Duration;

use norikv_types::{LogIndex, Mono, Mutant, NodeId, Term, Version, breaks};

use crate::entries::Entries;
use crate::event::Event;
use crate::message::{Append, Body, Message};
use crate::progress::Progress;
use crate::raft::{Raft, Standing};

/// Whether a replica sleeps, or is about to.
#[derive(Debug)]
pub(crate) struct Quiescence {
    sleep: Sleep,
    /// When somebody last asked for something, or the replica woke.
    active_at: Mono,
}

#[derive(Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// A leader asked its peers in this round; these agreed.
    Asked {
        round: u64,
        agreed: Vec<NodeId>,
    },
    Asleep,
}

impl Quiescence {
    pub(crate) const fn new(now: Mono) -> Self {
        Self {
            sleep: Sleep::Awake,
            active_at: now,
        }
    }

    pub(crate) const fn is_asleep(&self) -> bool {
        matches!(self.sleep, Sleep::Asleep)
    }

    /// Asleep, as it was when it was put away.
    pub(crate) fn doze(&mut self) {
        self.sleep = Sleep::Asleep;
    }

    /// Takes back what was asked.
    pub(crate) fn ask_no_more(&mut self) {
        if matches!(self.sleep, Sleep::Asked { .. }) {
            self.sleep = Sleep::Awake;
        }
    }

    /// Back to an ordinary replica.
    pub(crate) fn rouse(&mut self, now: Mono) {
        self.sleep = Sleep::Awake;
        self.active_at = now;
    }
}

impl Raft {
    /// Whether the replica sleeps: it does nothing until it hears something.
    #[must_use]
    pub const fn is_quiescent(&self) -> bool {
        self.quiescence.is_asleep()
    }

    /// Somebody asks for something.
    pub(crate) fn stir(&mut self) {
        if self.quiescence.is_asleep() {
            self.wake(self.now);
        }
        self.quiescence.rouse(self.now);
    }

    /// Another role or term: nobody sleeps through that, by whatever it came.
    pub(crate) fn rouse(&mut self) {
        if self.quiescence.is_asleep() {
            self.election.resume(&self.config, self.now);
        }
        self.quiescence.rouse(self.now);
    }

    /// Wakes a replica whose leader was last heard of at `heard`, by whatever means.
    pub(crate) fn wake(&mut self, heard: Mono) {
        if !self.quiescence.is_asleep() {
            return;
        }
        self.quiescence.rouse(self.now);
        self.event(Event::Woke { term: self.term });
        if let Standing::Leader(reign) = &mut self.standing {
            // Their silence was asked for; check-quorum counts from here.
            for peer in &mut reign.peers {
                peer.last_contact = self.now;
            }
            reign.beat_after(self.config.heartbeat_interval, self.now);
            if breaks(Mutant::LeaseWhileAsleep) {
                reign.lease.restart_at(self.now);
            }
            self.begin_round();
        } else {
            self.election.resume(&self.config, heard.min(self.now));
        }
    }

    /// A message that is not an echo of what was said before the replica fell asleep wakes it.
    pub(crate) fn wake_for(&mut self, message: &Message) {
        if !self.quiescence.is_asleep() {
            return;
        }
        let echo = match &message.body {
            // Decided by `receive_quiesce`.
            Body::Quiesce(_) => true,
            Body::Append(append) => {
                message.term < self.term
                    || (message.term == self.term
                        && (append.round < self.following.round
                            || (append.round == self.following.round && append.entries.is_empty())))
            }
            // Answers to what was asked before; one of a later term moves the replica anyway.
            Body::AppendReply(_)
            | Body::QuiesceReply { .. }
            | Body::PreVoteReply { .. }
            | Body::ReadIndexReply { .. }
            | Body::VoteReply { .. } => message.term <= self.term,
            _ => false,
        };
        if !echo {
            self.wake(self.now);
        }
    }

    /// The heartbeat is due: asks to sleep in its place where nothing stands against it.
    pub(crate) fn ask_to_quiesce(&mut self) -> bool {
        let Some(after) = self.config.quiesce_after else {
            return false;
        };
        if self.now.since(self.quiescence.active_at) < after || !self.leader_may_sleep() {
            return false;
        }
        let (term, at) = (self.term, self.log.last());
        let Standing::Leader(reign) = &mut self.standing else {
            return false;
        };
        let round = reign.reads.begin();
        reign.lease.begin(round, self.now);
        let to: Vec<NodeId> = reign.peers.iter().map(|peer| peer.id).collect();
        for to in to {
            let body = Body::Quiesce(Quiesce { at, round });
            let message = Message { term, body };
            self.outputs
                .push_back(crate::io::Output::Send { to, message });
        }
        self.quiescence.sleep = Sleep::Asked {
            round,
            agreed: Vec::new(),
        };
        true
    }

    /// A leader's heartbeat that asks to sleep, checked as the append that it is.
    pub(crate) fn receive_quiesce(&mut self, from: NodeId, term: Term, quiesce: Quiesce) {
        let Quiesce { at, round } = quiesce;
        // Whoever asked before and said something else since does not mean it any more.
        let newest = term > self.term || round >= self.following.round;
        if newest {
            self.wake(self.now);
        }
        self.receive_append(from, term, quiesce.as_append());
        if newest && self.follower_may_sleep(at) {
            self.say(from, Body::QuiesceReply { round });
            self.fall_asleep();
        }
    }

    /// A follower of this term stopped its clock in `round`.
    pub(crate) fn receive_quiesce_reply(&mut self, from: NodeId, round: u64) {
        let may = self.leader_may_sleep();
        let Standing::Leader(reign) = &self.standing else {
            return;
        };
        let Sleep::Asked {
            round: asked,
            agreed,
        } = &mut self.quiescence.sleep
        else {
            return;
        };
        if round != *asked || agreed.contains(&from) {
            return;
        }
        agreed.push(from);
        let all = reign.peers.iter().all(|peer| agreed.contains(&peer.id));
        if all && may {
            self.fall_asleep();
        }
    }

    /// Gives back the room that an awake replica reuses; nothing is in it that it needs.
    pub(crate) fn trim(&mut self) {
        self.outputs.shrink_to_fit();
        self.durability.trim();
        self.asking.trim();
        let settled = self.commit_index.min(self.durability.stored_index());
        self.log.trim(settled);
        if let Standing::Leader(reign) = &mut self.standing {
            reign.trim();
        }
    }

    fn fall_asleep(&mut self) {
        self.quiescence.sleep = Sleep::Asleep;
        if let Standing::Leader(reign) = &mut self.standing {
            // Nobody guards it now.
            reign.lease.end();
        }
        self.event(Event::Quiesced { term: self.term });
    }

    /// Nothing is under way that anybody waits for.
    fn leader_may_sleep(&self) -> bool {
        let Standing::Leader(reign) = &self.standing else {
            return false;
        };
        let last = self.log.last_index();
        let matches = |match_index: LogIndex| match_index == last;
        self.commit_index == last
            && last >= reign.first_index
            && self.is_settled()
            && !self.membership.current().is_joint()
            && !reign.reads.any()
            && reign.transfer.is_none()
            && (breaks(Mutant::SleepsWhileBehind)
                || reign.peers.iter().all(|peer| {
                    matches(peer.match_index) && matches!(peer.progress, Progress::Replicate { .. })
                }))
    }

    fn follower_may_sleep(&self, at: Version) -> bool {
        matches!(self.standing, Standing::Follower)
            && self.config.quiesce_after.is_some()
            && self.asking.is_idle()
            && (breaks(Mutant::SleepsWhileBehind)
                || (self.log.last() == at && self.commit_index == at.index && self.is_settled()))
    }

    /// Everything here is durable and applied.
    fn is_settled(&self) -> bool {
        self.durability.is_idle()
            && self.installing.is_none()
            && self.repair.is_none()
            && self.applied_index == self.commit_index
    }
}

/// A leader's heartbeat that asks to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quiesce {
    /// The end of the leader's log, all of it committed and at every peer.
    pub at: Version,
    /// The round of heartbeats that this is.
    pub round: u64,
}

impl Quiesce {
    /// The heartbeat in it.
    pub(crate) const fn as_append(&self) -> Append {
        Append {
            prev: self.at,
            entries: Entries::new(),
            commit_index: self.at.index,
            round: self.round,
        }
    }
}

/// The next multiple of the heartbeat `interval` after `now`: heartbeats of all groups of a node
/// fall on the same moments, so that one frame a peer carries them all.
#[must_use]
pub fn next_beat(interval: Duration, now: Mono) -> Mono {
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    let beats = now.as_nanos() / interval.max(1);
    Mono::from_nanos((beats.saturating_add(1)).saturating_mul(interval))
}

#[cfg(test)]
mod tests;
