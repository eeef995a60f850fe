//! What a leader knows of one peer and what it may send next.
//!
//! **Invariant: `match_index` is durable there and never falls, but where the peer itself says that
//! it lost an entry, or has lost its disk; `next_index` is above it.** How the
//! peer is treated is one state that owns what that state needs:
//! - [`Progress::Probe`]: where the logs agree is a guess; one message, then wait.
//! - [`Progress::Replicate`]: they agree up to `next_index`; entries stream without waiting, within
//!   limits in messages and bytes (dissertation §10.2.1).
//! - [`Progress::Snapshot`]: what the peer lacks is compacted here; a snapshot is on its way.

use alloc::collections::VecDeque;

use norikv_types::{LogIndex, Mono, Mutant, NodeId, breaks};

use crate::config::Config;
use crate::entries::Entries;
use crate::status::{PeerState, PeerStatus};

/// One peer as its leader sees it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    /// Up to here its durable log is the leader's.
    pub(crate) match_index: LogIndex,
    /// Up to here it last said to have the leader's log, durable or not.
    received_index: LogIndex,
    /// What it last said to be installing.
    installing: Option<LogIndex>,
    /// Answers to rounds before this one are not its own: a replica there gave them that was lost
    /// or removed since.
    pub(crate) since_round: u64,
    /// Newest round it answered.
    pub(crate) acked_round: u64,
    /// When it last answered, or when the reign began.
    pub(crate) last_contact: Mono,
    pub(crate) progress: Progress,
    /// It gets entries without their commands.
    pub(crate) witness: bool,
    /// It is no member any more; it is told so until then.
    pub(crate) leaves_at: Option<Mono>,
    /// From where on entries are read back for it.
    pub(crate) fetching: Option<LogIndex>,
    /// The last entry for it that could not be read back.
    pub(crate) unreadable: LogIndex,
}

/// How a peer is treated.
#[derive(Debug)]
pub(crate) enum Progress {
    Probe {
        next_index: LogIndex,
        /// A probe is under way, or the peer is out of reach: wait for an answer or the next tick.
        waiting: bool,
    },
    Replicate {
        next_index: LogIndex,
        inflight: Inflight,
        last_sent: Mono,
    },
    Snapshot(Transfer),
}

/// How far a snapshot is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// The host exports it.
    Exporting,
    /// The host sends it.
    Sending { index: LogIndex },
    /// It is there; answers to rounds after this one say whether it is being installed.
    Sent { index: LogIndex, round: u64 },
}

/// Append messages under way to one peer.
#[derive(Debug, Default)]
pub(crate) struct Inflight {
    /// Last index and size of each, in order.
    messages: VecDeque<(LogIndex, u64)>,
    bytes: u64,
}

impl Inflight {
    /// Whether one more message may leave.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        self.messages.is_empty()
            || (self.messages.len() < config.inflight_messages_max as usize
                && self.bytes < config.inflight_bytes_max)
    }

    pub(crate) fn add(&mut self, last: LogIndex, bytes: u64) {
        assert!(
            self.messages.back().is_none_or(|back| back.0 < last),
            "messages leave in the order of the log"
        );
        self.messages.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// Everything up to `match_index` arrived.
    fn free_to(&mut self, match_index: LogIndex) {
        while let Some(&(last, bytes)) = self.messages.front()
            && last <= match_index
        {
            self.messages.pop_front();
            self.bytes -= bytes;
        }
    }
}

impl Peer {
    /// A peer at the start of a reign whose first entry is `next_index`.
    pub(crate) const fn new(id: NodeId, next_index: LogIndex, now: Mono) -> Self {
        Self {
            id,
            match_index: LogIndex(0),
            received_index: LogIndex(0),
            installing: None,
            since_round: 0,
            acked_round: 0,
            last_contact: now,
            progress: Progress::Probe {
                next_index,
                waiting: false,
            },
            witness: false,
            leaves_at: None,
            fetching: None,
            unreadable: LogIndex(0),
        }
    }

    /// A peer that holds everything up to `last` and answered `round`.
    pub(crate) fn matched(id: NodeId, last: LogIndex, round: u64, now: Mono) -> Self {
        let mut peer = Self::new(id, last.next(), now);
        peer.accepted(round, last, last, None, last);
        peer.answered(round, now);
        peer
    }

    /// What of these entries is sent to it.
    pub(crate) fn fit(&self, entries: Entries) -> Entries {
        match self.witness && !breaks(Mutant::WitnessGetsCommands) {
            true => entries.for_witness(),
            false => entries,
        }
    }

    /// It answered something of this term.
    pub(crate) fn answered(&mut self, round: u64, now: Mono) {
        self.last_contact = now;
        self.acked_round = self.acked_round.max(round);
    }

    /// It has the leader's log up to `received`, durably up to `matched`. `start` is where the
    /// leader's log begins.
    pub(crate) fn accepted(
        &mut self,
        round: u64,
        matched: LogIndex,
        received: LogIndex,
        installing: Option<LogIndex>,
        start: LogIndex,
    ) {
        self.match_index = self.match_index.max(matched);
        if round > self.acked_round {
            // What it said in an older round may be lost in a crash since.
            self.received_index = received;
            self.installing = installing;
        } else if round == self.acked_round {
            self.received_index = self.received_index.max(received);
            self.installing = installing;
        }
        let received = received.max(self.match_index);
        let start = start.max(self.unreadable);
        match &mut self.progress {
            Progress::Probe { next_index, .. } => {
                // A guess that was compacted here cannot be probed any more: believe the peer.
                if received.next() >= *next_index || next_index.prev() < start {
                    self.replicate_from(received.next());
                }
            }
            Progress::Replicate {
                next_index,
                inflight,
                ..
            } => {
                inflight.free_to(self.match_index);
                *next_index = received.next().max(*next_index);
            }
            Progress::Snapshot(transfer) => {
                if received >= start && installing.is_none() {
                    self.replicate_from(received.next());
                } else if let Transfer::Sent { round: sent, .. } = *transfer
                    && round > sent
                    && installing.is_none()
                {
                    // It was there and is no more: a crash. Again from the start.
                    self.probe_from(received.next(), false);
                }
            }
        }
    }

    /// Entries up to `end` leave for it, or a probe.
    pub(crate) fn sent(&mut self, end: LogIndex, bytes: u64, now: Mono) {
        match &mut self.progress {
            Progress::Probe { waiting, .. } => *waiting = true,
            Progress::Replicate {
                next_index,
                inflight,
                last_sent,
            } => {
                inflight.add(end, bytes);
                *next_index = end.next();
                *last_sent = now;
            }
            Progress::Snapshot(_) => {}
        }
    }

    /// It lacks the entry at `prev_index`; the logs may agree up to `agreed`. Stale if nothing
    /// under way has that `prev_index`.
    pub(crate) fn rejected(&mut self, prev_index: LogIndex, agreed: LogIndex) {
        let stale = match &self.progress {
            Progress::Probe { next_index, .. } => prev_index != next_index.prev(),
            Progress::Replicate { next_index, .. } => {
                prev_index <= self.match_index || prev_index >= *next_index
            }
            Progress::Snapshot(_) => true,
        };
        if !stale {
            // Where `prev_index` was refused only what is before it can agree.
            let agreed = if breaks(Mutant::NeverStepsBack) {
                prev_index
            } else {
                agreed.min(prev_index.prev())
            };
            let waiting = breaks(Mutant::NeverStepsBack);
            self.probe_from(agreed.max(self.match_index).next(), waiting);
        }
    }

    /// Gives back the room for messages under way; there is none.
    pub(crate) fn trim(&mut self) {
        if let Progress::Replicate { inflight, .. } = &mut self.progress {
            inflight.messages.shrink_to_fit();
        }
    }

    /// It lost the entry at `index`, which it had.
    pub(crate) fn lacks(&mut self, index: LogIndex) {
        self.match_index = self.match_index.min(index.prev());
        self.received_index = self.received_index.min(index.prev());
    }

    /// Guesses that the logs agree before `next_index`.
    pub(crate) fn probe_from(&mut self, next_index: LogIndex, waiting: bool) {
        assert!(next_index > self.match_index, "what matched once matches");
        self.progress = Progress::Probe {
            next_index,
            waiting,
        };
    }

    /// What was under way is lost, and the peer may be out of reach. A snapshot's transfer is left
    /// alone: its host reports how it ends.
    pub(crate) fn unreachable(&mut self) {
        if !matches!(self.progress, Progress::Snapshot(_)) {
            self.probe_from(self.match_index.next(), true);
        }
    }

    /// Entries sent a while ago never arrived: the peer answers, but not for them.
    pub(crate) fn look_for_losses(&mut self, config: &Config, now: Mono) {
        if let Progress::Replicate {
            next_index,
            last_sent,
            ..
        } = &self.progress
        {
            let received = self.received_index.max(self.match_index);
            if received.next() < *next_index && now >= *last_sent + config.election_timeout_min {
                self.probe_from(received.next(), false);
            }
        }
    }

    /// The peer needs a snapshot. Whether one must be exported: not if it is installing one.
    pub(crate) fn needs_snapshot(&mut self, start: LogIndex) -> bool {
        let installing = self.installing.filter(|index| *index >= start);
        self.progress = Progress::Snapshot(match installing {
            Some(index) => Transfer::Sent {
                index,
                round: self.acked_round,
            },
            None => Transfer::Exporting,
        });
        installing.is_none()
    }

    pub(crate) fn next_index(&self) -> LogIndex {
        match &self.progress {
            Progress::Probe { next_index, .. } | Progress::Replicate { next_index, .. } => {
                *next_index
            }
            Progress::Snapshot(Transfer::Exporting) => self.match_index.next(),
            Progress::Snapshot(Transfer::Sending { index } | Transfer::Sent { index, .. }) => {
                index.next()
            }
        }
    }

    pub(crate) const fn state(&self) -> PeerState {
        match &self.progress {
            Progress::Probe { .. } => PeerState::Probe,
            Progress::Replicate { .. } => PeerState::Replicate,
            Progress::Snapshot(_) => PeerState::Snapshot,
        }
    }

    pub(crate) fn status(&self) -> PeerStatus {
        PeerStatus {
            id: self.id,
            state: self.state(),
            match_index: self.match_index,
            next_index: self.next_index(),
            last_contact: self.last_contact,
        }
    }

    fn replicate_from(&mut self, next_index: LogIndex) {
        self.progress = Progress::Replicate {
            next_index,
            inflight: Inflight::default(),
            last_sent: self.last_contact,
        };
    }
}

#[cfg(test)]
mod tests;
