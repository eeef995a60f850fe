//! One replica on a bench: what goes in, what comes out, nothing else.

use std::time::Duration;

use bytes::Bytes;
use nori_raft::{
    Append, AppendOutcome, AppendReply, Body, Config, Entry, Error, HardState, Input, Message,
    Output, Payload, ProposalId, Raft, ReadId, ReadMode, Refusal, Restored, Role, SnapshotMeta,
    WriteId,
};
use norikv_types::{LogIndex, Mono, NodeId, Term, Version};

/// Node 1 of a group.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) raft: Raft,
    pub(crate) now: Mono,
    pub(crate) config: Config,
    /// Issued, not reported.
    pub(crate) writes: Vec<WriteId>,
}

impl Bench {
    /// Node 1 of `size`, new.
    pub(crate) fn fresh(size: u64) -> Self {
        Self::restored(size, Restored::fresh())
    }

    /// Node 1 of `size` with a log of these terms, in the last of them, not restarted of late.
    pub(crate) fn with_log(size: u64, terms: &[u64]) -> Self {
        let mut restored = Restored::fresh();
        restored.fresh = false;
        restored.hard_state.term = Term(terms.last().copied().unwrap_or_default());
        restored.entries = entries(1, terms);
        let mut bench = Self::restored(size, restored);
        bench.now += bench.config.election_timeout_max;
        bench
    }

    pub(crate) fn restored(size: u64, restored: Restored) -> Self {
        Self::build(size, restored, |_| {})
    }

    pub(crate) fn build(size: u64, restored: Restored, set: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(NodeId(1), (1..=size).map(NodeId), 9);
        set(&mut config);
        let raft = Raft::new(config.clone(), restored, Mono::ZERO).unwrap();
        let mut bench = Self {
            raft,
            now: Mono::ZERO,
            config,
            writes: Vec::new(),
        };
        bench.drain();
        bench
    }

    /// A leader whose no-op is durable here, and of a group of one committed.
    pub(crate) fn leader(size: u64) -> Self {
        let mut bench = Self::fresh(size);
        bench.lead();
        bench
    }

    /// Elects the replica with every peer's vote.
    pub(crate) fn lead(&mut self) {
        self.time_out();
        let campaign = self.raft.term().next();
        for peer in 2..=self.config.founders.len() as u64 {
            let reply = Body::PreVoteReply {
                campaign,
                granted: true,
            };
            self.receive(peer, campaign.0 - 1, reply);
        }
        self.all_durable();
        for peer in 2..=self.config.founders.len() as u64 {
            self.receive(peer, campaign.0, Body::VoteReply { granted: true });
        }
        assert_eq!(self.raft.role(), Role::Leader);
        self.all_durable();
    }

    pub(crate) fn try_input(&mut self, input: Input) -> Result<Vec<Output>, Error> {
        self.raft.handle_input(self.now, input)?;
        Ok(self.drain())
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        self.try_input(input).unwrap()
    }

    pub(crate) fn receive(&mut self, from: u64, term: u64, body: Body) -> Vec<Output> {
        self.try_receive(from, term, body).unwrap()
    }

    pub(crate) fn try_receive(
        &mut self,
        from: u64,
        term: u64,
        body: Body,
    ) -> Result<Vec<Output>, Error> {
        let message = Message {
            term: Term(term),
            body,
        };
        self.try_input(Input::Receive {
            from: NodeId(from),
            message,
        })
    }

    /// Goes to the deadline and lets it pass.
    pub(crate) fn time_out(&mut self) -> Vec<Output> {
        self.now = self.raft.poll_timeout().unwrap();
        self.input(Input::Timeout)
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Reports every write.
    pub(crate) fn all_durable(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while !self.writes.is_empty() {
            let write = self.writes.remove(0);
            outputs.extend(self.input(Input::Durable(write)));
        }
        outputs
    }

    pub(crate) fn propose(&mut self, number: u64) -> Vec<Output> {
        self.input(Input::Propose {
            proposal: ProposalId(number),
            command: Bytes::from(number.to_be_bytes().to_vec()),
        })
    }

    pub(crate) fn read(&mut self, number: u64, mode: ReadMode) -> Vec<Output> {
        self.input(Input::Read {
            read: ReadId(number),
            mode,
        })
    }

    pub(crate) fn commit_index(&self) -> u64 {
        self.raft.commit_index().0
    }

    pub(crate) fn log_end(&self) -> (u64, u64) {
        let last = self.raft.status().last;
        (last.term.0, last.index.0)
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.raft.poll_output() {
            if let Output::Persist(persist) = &output {
                self.writes.push(persist.write);
            }
            outputs.push(output);
        }
        outputs
    }
}

pub(crate) fn at(term: u64, index: u64) -> Version {
    Version {
        term: Term(term),
        index: LogIndex(index),
    }
}

pub(crate) fn snapshot(term: u64, index: u64) -> SnapshotMeta {
    SnapshotMeta {
        index: LogIndex(index),
        term: Term(term),
    }
}

/// A snapshot whose state has no configuration of its own.
pub(crate) const fn installed(snapshot: SnapshotMeta) -> Input {
    Input::SnapshotInstalled {
        snapshot,
        configuration: None,
    }
}

pub(crate) fn hard_state(term: u64, voted_for: Option<u64>) -> HardState {
    HardState {
        term: Term(term),
        voted_for: voted_for.map(NodeId),
        commit_index: LogIndex(0),
    }
}

/// Entries from `first` on with these terms; the payload says where they stand.
pub(crate) fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    let numbered = terms.iter().zip(first..);
    numbered
        .map(|(term, index)| Entry {
            term: Term(*term),
            index: LogIndex(index),
            payload: Payload::Command(Bytes::from(format!("{term}-{index}"))),
        })
        .collect()
}

pub(crate) fn append(prev: (u64, u64), terms: &[u64], commit_index: u64, round: u64) -> Body {
    Body::Append(Append {
        prev: at(prev.0, prev.1),
        entries: entries(prev.1 + 1, terms).into(),
        commit_index: LogIndex(commit_index),
        round,
    })
}

pub(crate) fn accepted(round: u64, match_index: u64, received_index: u64) -> Body {
    Body::AppendReply(AppendReply {
        round,
        outcome: AppendOutcome::Accepted {
            match_index: LogIndex(match_index),
            received_index: LogIndex(received_index),
            installing: None,
        },
    })
}

pub(crate) fn rejected(round: u64, prev_index: u64, hint: (u64, u64)) -> Body {
    Body::AppendReply(AppendReply {
        round,
        outcome: AppendOutcome::Rejected {
            prev_index: LogIndex(prev_index),
            hint: at(hint.0, hint.1),
        },
    })
}

/// The messages among outputs.
pub(crate) fn sent(outputs: &[Output]) -> Vec<(u64, &Message)> {
    let messages = outputs.iter().filter_map(|output| match output {
        Output::Send { to, message } => Some((to.0, message)),
        _ => None,
    });
    messages.collect()
}

/// The appends among outputs that go to `peer`: (index before, entries, round).
pub(crate) fn appends_to(outputs: &[Output], peer: u64) -> Vec<(u64, usize, u64)> {
    let appends = sent(outputs).into_iter().filter(|(to, _)| *to == peer);
    appends
        .filter_map(|(_, message)| match &message.body {
            Body::Append(append) => Some((append.prev.index.0, append.entries.len(), append.round)),
            _ => None,
        })
        .collect()
}

/// The one reply to an append among outputs.
pub(crate) fn reply(outputs: &[Output]) -> Option<AppendOutcome> {
    sent(outputs)
        .into_iter()
        .find_map(|(_, message)| match message.body {
            Body::AppendReply(reply) => Some(reply.outcome),
            _ => None,
        })
}

pub(crate) fn applied(outputs: &[Output]) -> Vec<u64> {
    let batches = outputs.iter().filter_map(|output| match output {
        Output::Apply { entries } => Some(entries.iter().map(|entry| entry.index.0)),
        _ => None,
    });
    batches.flatten().collect()
}

/// Why a proposal among outputs was dropped.
pub(crate) fn refusal(outputs: &[Output]) -> Option<Refusal> {
    outputs.iter().find_map(|output| match output {
        Output::Dropped { reason, .. } => Some(*reason),
        _ => None,
    })
}

pub(crate) fn granted(outputs: &[Output]) -> Option<bool> {
    sent(outputs)
        .into_iter()
        .find_map(|(_, message)| match message.body {
            Body::VoteReply { granted } | Body::PreVoteReply { granted, .. } => Some(granted),
            _ => None,
        })
}
