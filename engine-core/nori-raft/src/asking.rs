//! Reads at a replica that does not lead (dissertation §6.4).
//!
//! **Invariant: a read is served here only at an index that the leader confirmed after it was asked,
//! and it was asked after the read arrived.** The leader treats a question like a read of its own.
//! One question is under way at a time and stands for every read that came before it; what comes
//! meanwhile waits for the next one. A question that got no answer is asked again under a new number,
//! which says the same and more. Numbers mean something in one life of a replica only: so a question
//! also carries a number that was drawn when it started.

use alloc::collections::VecDeque;

use norikv_types::{LogIndex, Mono, Mutant, NodeId, Prng, breaks};

use crate::config::Config;
use crate::io::{Output, ReadId, Refusal};
use crate::message::{Body, ReadIndex};
use crate::raft::Raft;

/// Reads that wait for the leader's answer.
#[derive(Debug)]
pub(crate) struct Asking {
    /// Of this life.
    nonce: u64,
    /// Number of the newest question; 0: none.
    asked: u64,
    /// The newest one that was answered.
    answered: u64,
    asked_at: Mono,
    /// In order of arrival; the numbers never fall along it.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    read: ReadId,
    /// The first question that came after it.
    number: u64,
    /// Whether the leader's lease is enough for it.
    lease: bool,
}

impl Asking {
    pub(crate) fn new(config: &Config, now: Mono) -> Self {
        Self {
            nonce: Prng::new(config.seed ^ now.as_nanos()).next_u64(),
            asked: 0,
            answered: 0,
            asked_at: now,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives back the room for reads; none waits.
    pub(crate) fn trim(&mut self) {
        self.waiting.shrink_to_fit();
    }

    /// When to ask again, if no answer comes.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Mono> {
        (!self.is_idle()).then(|| self.asked_at + config.heartbeat_interval)
    }

    fn add(&mut self, read: ReadId, lease: bool) {
        self.waiting.push_back(Waiting {
            read,
            number: self.asked + u64::from(!breaks(Mutant::FollowerJoinsQuestion)),
            lease,
        });
    }

    /// What to ask now.
    fn question(&mut self, config: &Config, now: Mono) -> Option<ReadIndex> {
        let under_way = self.asked > self.answered;
        if self.is_idle() || (under_way && now < self.asked_at + config.heartbeat_interval) {
            return None;
        }
        self.asked += 1;
        self.asked_at = now;
        Some(ReadIndex {
            nonce: self.nonce,
            number: self.asked,
            lease: self.waiting.iter().all(|waiting| waiting.lease),
        })
    }

    /// A question was answered: the next read that it answers.
    fn served(&mut self, number: u64) -> Option<ReadId> {
        self.answered = self.answered.max(number);
        self.waiting
            .pop_front_if(|waiting| waiting.number <= number)
            .map(|waiting| waiting.read)
    }
}

impl Raft {
    /// The leader is to be asked on behalf of `read`.
    pub(crate) fn read_here(&mut self, read: ReadId, lease: bool) {
        if self.leader.is_none() {
            return self.refuse_read(read, Refusal::NotLeader);
        }
        if breaks(Mutant::FollowerDoesNotAsk) {
            let index = self.commit_index;
            return self.outputs.push_back(Output::ReadReady { read, index });
        }
        self.asking.add(read, lease);
    }

    pub(crate) fn ask_leader(&mut self) {
        if let Some(leader) = self.leader
            && let Some(question) = self.asking.question(&self.config, self.now)
        {
            self.say(leader, Body::ReadIndex(question));
        }
    }

    /// The answer of the leader of this term, checked.
    pub(crate) fn receive_read_index_reply(
        &mut self,
        from: NodeId,
        question: ReadIndex,
        index: LogIndex,
    ) {
        // After a change of leaders nothing waits for the one before.
        if self.leader != Some(from) || question.nonce != self.asking.nonce {
            return;
        }
        while let Some(read) = self.asking.served(question.number) {
            self.outputs.push_back(Output::ReadReady { read, index });
        }
    }

    /// There is nobody any more who would answer.
    pub(crate) fn give_up_asking(&mut self) {
        while let Some(waiting) = self.asking.waiting.pop_front() {
            self.refuse_read(waiting.read, Refusal::NotLeader);
        }
    }

    pub(crate) fn refuse_read(&mut self, read: ReadId, reason: Refusal) {
        self.outputs.push_back(Output::ReadRefused {
            read,
            reason,
            leader: self.leader,
        });
    }
}
