//! The node's meters.

use alloc::collections::BTreeMap;
use core::time::Duration;

use nori_observe::{Counter, Error, Gauge, Histogram, Meter};
use nori_raft as raft;
use norikv_types::{ErrorKind, GroupId, LogIndex};

use crate::{Answer, Call, Event, Failure, FrameRefusal, Member, MemberState};

/// What a host's caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallKind {
    Put,
    Delete,
    Get,
    Scan,
    Increment,
    Transaction,
    Watch,
    Admin,
}

/// Handles of everything that a node counts.
#[derive(Debug)]
pub(crate) struct NodeMetrics {
    requests: BTreeMap<(CallKind, &'static str), Counter>,
    durations: BTreeMap<CallKind, Histogram>,
    pub(crate) calls: Gauge,
    pub(crate) forwarded: Counter,
    pub(crate) proposals: Counter,
    pub(crate) applied: Counter,
    pub(crate) groups_led: Gauge,
    pub(crate) groups_asleep: Gauge,
    pub(crate) halted: Gauge,
    commits: Counter,
    committed: BTreeMap<GroupId, LogIndex>,
    leader_changes: Counter,
    snapshots_sent: Counter,
    snapshots_failed: Counter,
    snapshots_resumed: Counter,
    snapshots_installed: Counter,
    frames_refused: BTreeMap<&'static str, Counter>,
    misuse: Counter,
    log_damaged: Counter,
    pub(crate) scrub_rounds: Counter,
    log_repaired: Counter,
    members: BTreeMap<MemberState, Gauge>,
}

impl NodeMetrics {
    pub(crate) fn register(meter: &Meter) -> Result<Self, Error> {
        let mut requests = BTreeMap::new();
        let mut durations = BTreeMap::new();
        for kind in CallKind::ALL {
            let word = kind.word();
            for outcome in OUTCOMES {
                let labels = [("kind", word), ("outcome", outcome)];
                let help = "Calls of clients of this node, by what came of them.";
                requests.insert(
                    (kind, outcome),
                    meter.counter("norikv_requests", help, &labels)?,
                );
            }
            let help = "Time from a call to its answer.";
            let labels = [("kind", word)];
            durations.insert(kind, meter.timer("norikv_request_seconds", help, &labels)?);
        }
        let mut frames_refused = BTreeMap::new();
        for reason in REFUSALS {
            let help = "Frames of peers that were dropped.";
            let labels = [("reason", reason)];
            let counter = meter.counter("norikv_frames_refused", help, &labels)?;
            frames_refused.insert(reason, counter);
        }
        let mut members = BTreeMap::new();
        for state in MemberState::ALL {
            let help = "Nodes of the cluster, by their state as SWIM sees it.";
            let labels = [("state", state.word())];
            members.insert(state, meter.gauge("norikv_members", help, &labels)?);
        }
        let counter = |name, help| meter.counter(name, help, &[]);
        let gauge = |name, help| meter.gauge(name, help, &[]);
        Ok(Self {
            requests,
            durations,
            calls: gauge("norikv_calls", "Calls under way, forwarded ones included.")?,
            forwarded: counter("norikv_forwarded", "Requests passed on to another node.")?,
            proposals: counter("norikv_proposals", "Writes handed to Raft here.")?,
            applied: counter("norikv_applied", "Log entries applied.")?,
            groups_led: gauge("norikv_groups_led", "Groups that this node leads.")?,
            groups_asleep: gauge("norikv_groups_asleep", "Groups asleep here: nothing to do.")?,
            halted: gauge(
                "norikv_halted",
                "1 when the node stopped for a failed disk.",
            )?,
            commits: counter("norikv_commits", "Log entries committed.")?,
            committed: BTreeMap::new(),
            leader_changes: counter("norikv_leader_changes", "Leaders learnt of.")?,
            snapshots_sent: counter("norikv_snapshots_sent", "Snapshots sent whole.")?,
            snapshots_failed: counter("norikv_snapshots_failed", "Snapshots not sent whole.")?,
            snapshots_resumed: counter(
                "norikv_snapshots_resumed",
                "Snapshots that went on from where they stood still.",
            )?,
            snapshots_installed: counter("norikv_snapshots_installed", "Snapshots installed.")?,
            frames_refused,
            log_damaged: counter("norikv_log_damaged", "Log entries found unreadable.")?,
            scrub_rounds: counter(
                "norikv_log_scrubs",
                "Times that the whole log was read again for damage.",
            )?,
            log_repaired: counter(
                "norikv_log_repaired",
                "Replicas whose log has everything again that it had lost.",
            )?,
            misuse: counter("norikv_protocol_misuse", "Messages no correct peer sends.")?,
            members,
        })
    }

    pub(crate) fn answered(
        &self,
        kind: CallKind,
        took: Duration,
        result: &Result<Answer, Failure>,
    ) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(failure) => failure.kind.code(),
        };
        if let Some(counter) = self.requests.get(&(kind, outcome)) {
            counter.add(1);
        }
        if let Some(histogram) = self.durations.get(&kind) {
            histogram.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Raft { group, event } => match event {
                raft::Event::CommitAdvanced { commit_index } => {
                    let known = self.committed.entry(*group).or_insert(*commit_index);
                    self.commits.add(commit_index.0.saturating_sub(known.0));
                    *known = (*known).max(*commit_index);
                }
                raft::Event::LeaderChanged {
                    leader: Some(_), ..
                } => self.leader_changes.add(1),
                raft::Event::EntriesDamaged { from, up_to } => {
                    self.log_damaged.add(up_to.0 + 1 - from.0);
                }
                raft::Event::Repaired => self.log_repaired.add(1),
                _ => {}
            },
            Event::SnapshotSent { ok: true, .. } => self.snapshots_sent.add(1),
            Event::SnapshotSent { ok: false, .. } => self.snapshots_failed.add(1),
            Event::SnapshotResumed { .. } => self.snapshots_resumed.add(1),
            Event::SnapshotInstalled { .. } => self.snapshots_installed.add(1),
            Event::FrameRefused { reason, .. } => {
                if let Some(counter) = self.frames_refused.get(reason.word()) {
                    counter.add(1);
                }
            }
            Event::Misuse { .. } => self.misuse.add(1),
            Event::Member(_)
            | Event::Applied { .. }
            | Event::Released { .. }
            | Event::ReplicaBegun { .. }
            | Event::ReplicaRemoved { .. }
            | Event::ReplicaLost { .. }
            | Event::Halted(_) => {}
        }
    }

    /// A replica starts with this much committed.
    pub(crate) fn starts_at(&mut self, group: GroupId, commit_index: LogIndex) {
        self.committed.insert(group, commit_index);
    }

    pub(crate) fn members(&self, members: &[Member]) {
        for (state, gauge) in &self.members {
            let count = members
                .iter()
                .filter(|member| member.state == *state)
                .count();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

impl CallKind {
    const ALL: [Self; 8] = [
        Self::Put,
        Self::Delete,
        Self::Get,
        Self::Scan,
        Self::Increment,
        Self::Transaction,
        Self::Watch,
        Self::Admin,
    ];

    pub(crate) const fn of(call: &Call) -> Self {
        match call {
            Call::Put { .. } => Self::Put,
            Call::Delete { .. } => Self::Delete,
            Call::Get { .. } => Self::Get,
            Call::Scan { .. } => Self::Scan,
            Call::Increment { .. } => Self::Increment,
            Call::Transaction { .. } => Self::Transaction,
            Call::Watch { .. } => Self::Watch,
            Call::Admin(_) => Self::Admin,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Scan => "scan",
            Self::Increment => "increment",
            Self::Transaction => "transaction",
            Self::Watch => "watch",
            Self::Admin => "admin",
        }
    }
}

const OUTCOMES: [&str; 16] = [
    "ok",
    ErrorKind::Invalid.code(),
    ErrorKind::TooLarge.code(),
    ErrorKind::PreconditionFailed.code(),
    ErrorKind::IdempotencyMismatch.code(),
    ErrorKind::NotLeader.code(),
    ErrorKind::NoLeader.code(),
    ErrorKind::Overloaded.code(),
    ErrorKind::TimedOut.code(),
    ErrorKind::Corrupt.code(),
    ErrorKind::NoSpace.code(),
    ErrorKind::Internal.code(),
    ErrorKind::NotANumber.code(),
    ErrorKind::Overflow.code(),
    ErrorKind::SeveralGroups.code(),
    ErrorKind::Compacted.code(),
];

const REFUSALS: [&str; 4] = [
    FrameRefusal::Malformed.word(),
    FrameRefusal::Version.word(),
    FrameRefusal::Cluster.word(),
    FrameRefusal::Address.word(),
];
