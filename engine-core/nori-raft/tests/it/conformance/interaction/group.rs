//! A group that does what a transcript of etcd says.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use nori_raft::{
    Body, Change, Config, Configuration, Entry, Input, MembershipChange, Message, Output, Payload,
    PeerState, Persist, ProposalId, Raft, Restored, Role, SnapshotMeta,
};
use norikv_types::{LogIndex, Mono, NodeId, Term};

use crate::conformance::datadriven::Case;
use crate::disk::Disk;

/// The nodes of a transcript and what is on its way between them.
#[derive(Debug, Default)]
pub(super) struct Group {
    now: Mono,
    nodes: BTreeMap<NodeId, Node>,
    network: VecDeque<(NodeId, NodeId, Parcel)>,
    proposals: u64,
}

#[derive(Debug)]
struct Node {
    raft: Raft,
    disk: Disk,
    applied: SnapshotMeta,
    /// Writes and applications wait for their threads.
    is_async: bool,
    writes: VecDeque<Persist>,
    applies: VecDeque<SnapshotMeta>,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone)]
enum Parcel {
    Message(Message),
    Snapshot {
        term: Term,
        meta: SnapshotMeta,
        configuration: Option<Configuration>,
    },
}

impl Group {
    /// Carries a command out.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn carry_out(&mut self, case: &Case) -> Result<(), &'static str> {
        let ids = ids(case);
        let first = ids.first().copied();
        match (case.command.as_str(), first) {
            ("log-level", _) => {}
            ("add-nodes", Some(count)) => self.add(case, count.0),
            ("campaign", Some(id)) => self.campaign(id),
            ("propose", Some(id)) => {
                let data = case
                    .arguments
                    .get(1)
                    .map(|(data, _)| data.trim_matches('"'));
                let command = Bytes::from(data.unwrap_or_default().to_owned());
                self.proposals += 1;
                let proposal = ProposalId(self.proposals);
                self.input(id, Input::Propose { proposal, command });
            }
            ("propose-conf-change", Some(id)) => self.change(case, id),
            ("stabilize", _) => self.stabilize(&ids),
            ("process-ready", _) => self.each(&ids, Self::process),
            ("process-append-thread", _) => self.each(&ids, Self::write),
            ("process-apply-thread", _) => self.each(&ids, Self::apply),
            ("deliver-msgs", _) => {
                let dropped = numbers(case.argument("drop").unwrap_or_default());
                self.network.retain(|(_, to, _)| !dropped.contains(to));
                let appends_only = case.argument("type").is_some();
                self.deliver(&ids, appends_only);
            }
            ("tick-heartbeat", Some(id)) => {
                if self.node(id).raft.role() == Role::Leader
                    && let Some(at) = self.node(id).raft.poll_timeout()
                {
                    self.now = self.now.max(at);
                    self.input(id, Input::Timeout);
                }
            }
            ("tick-election", Some(id)) => {
                self.now += ELECTION;
                self.input(id, Input::Timeout);
            }
            ("compact", Some(id)) => {
                let index: u64 = case.arguments[1].0.parse().unwrap();
                self.input(id, Input::Compact(LogIndex(index)));
            }
            ("report-unreachable", Some(id)) => self.input(id, Input::Unreachable(ids[1])),
            ("transfer-leadership", _) => {
                let at = |name| numbers(case.argument(name).unwrap_or_default())[0];
                self.proposals += 1;
                let proposal = ProposalId(self.proposals);
                let to = at("to");
                self.input(at("from"), Input::Transfer { proposal, to });
            }
            ("set-randomized-election-timeout", _) => {
                return Err("timeouts are drawn from a seed; commands say when they pass");
            }
            ("forget-leader", _) => return Err("a leader is forgotten by time only"),
            ("send-snapshot", _) => return Err("a leader decides who needs a snapshot"),
            _ => return Err("no such command"),
        }
        Ok(())
    }

    /// What `raft-log` prints.
    pub(super) fn log(&self, case: &Case) -> String {
        let node = &self.nodes[&ids(case)[0]];
        let print = |entry: &Entry| {
            let at = format!("{}/{}", entry.term.0, entry.index.0);
            match &entry.payload {
                Payload::Command(data) => {
                    format!("{at} EntryNormal \"{}\"\n", String::from_utf8_lossy(data))
                }
                Payload::Configuration(_) => format!("{at} configuration\n"),
                Payload::Noop | Payload::Elided => format!("{at} EntryNormal \"\"\n"),
            }
        };
        let start = node.raft.status().log_start.index;
        let entries = node.disk.entries.iter();
        entries
            .filter(|entry| entry.index > start)
            .map(print)
            .collect()
    }

    /// What `raft-state` prints.
    pub(super) fn states(&self) -> String {
        let mut text = String::new();
        for (id, node) in &self.nodes {
            let status = node.raft.status();
            let role = match status.role {
                Role::Follower => "StateFollower",
                Role::PreCandidate => "StatePreCandidate",
                Role::Candidate => "StateCandidate",
                Role::Leader => "StateLeader",
            };
            let votes = node
                .raft
                .configuration()
                .is_some_and(|now| now.is_voter(*id));
            let part = if votes { "Voter" } else { "Non-Voter" };
            let lead = status.leader.map_or(0, |leader| leader.0);
            let term = status.term.0;
            writeln!(text, "{}: {role} ({part}) Term:{term} Lead:{lead}", id.0).unwrap();
        }
        text
    }

    /// What `status` prints, as far as it is compared.
    pub(super) fn statuses(&self, case: &Case) -> String {
        let id = ids(case)[0];
        let status = self.nodes[&id].raft.status();
        let mut lines: BTreeMap<u64, String> = BTreeMap::new();
        for peer in &status.peers {
            let state = match peer.state {
                PeerState::Probe => "StateProbe",
                PeerState::Replicate => "StateReplicate",
                PeerState::Snapshot => "StateSnapshot",
            };
            let (matched, next) = (peer.match_index.0, peer.next_index.0);
            let line = format!("{}: {state} match={matched} next={next}\n", peer.id.0);
            lines.insert(peer.id.0, line);
        }
        if status.role == Role::Leader {
            let last = status.durable_index.0;
            let line = format!("{}: StateReplicate match={last} next={}\n", id.0, last + 1);
            lines.insert(id.0, line);
        }
        lines.into_values().collect()
    }

    fn add(&mut self, case: &Case, count: u64) {
        let voters = numbers(case.argument("voters").unwrap_or_default());
        let learners = numbers(case.argument("learners").unwrap_or_default());
        let index = numbers(case.argument("index").unwrap_or_default());
        let index = index.first().map_or(0, |index| index.0);
        let configuration = Configuration::new(voters.iter().copied())
            .ok()
            .map(|voters| {
                let learners = learners.iter().map(|id| Change::AddLearner(*id)).collect();
                voters
                    .change(&MembershipChange::Simple(learners))
                    .unwrap_or(voters)
            });
        for _ in 0..count {
            let id = NodeId(self.nodes.len() as u64 + 1);
            let mut config = Config::new(id, [], id.0);
            if let Some(inflight) = case.argument("inflight") {
                config.inflight_messages_max = inflight[0].parse().unwrap();
            }
            let start = SnapshotMeta {
                index: LogIndex(index),
                term: Term(0),
            };
            let mut restored = Restored::fresh();
            restored.snapshot = start;
            restored.applied = start.index;
            restored.fresh = index == 0;
            restored.configuration = configuration.clone().filter(|_| index > 0);
            let raft = Raft::new(config, restored, self.now).unwrap();
            let disk = Disk {
                base: start,
                flushed: start,
                ..Disk::default()
            };
            self.nodes.insert(
                id,
                Node {
                    raft,
                    disk,
                    applied: start,
                    is_async: case.argument("async-storage-writes").is_some(),
                    writes: VecDeque::new(),
                    applies: VecDeque::new(),
                    outputs: VecDeque::new(),
                },
            );
        }
    }

    /// Campaigns at once. etcd asks no one before unless told to; the pre-vote is granted here.
    fn campaign(&mut self, id: NodeId) {
        if self.node(id).raft.role() == Role::Leader {
            return;
        }
        // Leaders that hear nothing for so long give up, and voters listen again.
        self.now += 2 * ELECTION;
        let leaders: Vec<NodeId> = (self.nodes.iter())
            .filter(|(_, node)| node.raft.role() == Role::Leader)
            .map(|(id, _)| *id)
            .collect();
        for leader in leaders {
            self.input(leader, Input::Timeout);
        }
        self.input(id, Input::Timeout);
        let asks = |output: &Output| {
            matches!(output, Output::Send { message, .. }
                if matches!(message.body, Body::PreVote { .. }))
        };
        self.node(id).outputs.retain(|output| !asks(output));
        let voters: Vec<NodeId> = self.nodes.keys().copied().collect();
        for from in voters {
            let raft = &self.node(id).raft;
            if raft.role() == Role::PreCandidate && from != id {
                let term = raft.term();
                let campaign = term.next();
                let body = Body::PreVoteReply {
                    campaign,
                    granted: true,
                };
                let message = Message { term, body };
                self.input(id, Input::Receive { from, message });
            }
        }
        self.node(id).outputs.retain(|output| !asks(output));
    }

    fn change(&mut self, case: &Case, id: NodeId) {
        let mut changes = Vec::new();
        for step in case.input.split_whitespace() {
            let (kind, node) = step.split_at(1);
            let node = NodeId(node.parse().unwrap());
            match kind {
                "v" => changes.push(Change::AddVoter(node)),
                "l" => changes.push(Change::AddLearner(node)),
                "r" => changes.push(Change::Remove(node)),
                _ => {}
            }
        }
        let transition = case.argument("transition").map(|words| words[0].as_str());
        let change = match transition {
            _ if changes.is_empty() => MembershipChange::Leave,
            Some("explicit") => MembershipChange::Joint {
                changes,
                auto_leave: false,
            },
            Some("implicit") => MembershipChange::Joint {
                changes,
                auto_leave: true,
            },
            _ => MembershipChange::Auto(changes),
        };
        self.proposals += 1;
        let proposal = ProposalId(self.proposals);
        self.input(id, Input::ChangeMembership { proposal, change });
    }

    fn stabilize(&mut self, ids: &[NodeId]) {
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        let ids = if ids.is_empty() { &all } else { ids };
        for _ in 0..1_000 {
            let mut moved = false;
            for id in ids {
                moved |= self.process(*id);
            }
            moved |= self.deliver(ids, false);
            for id in ids {
                moved |= self.write(*id);
                moved |= self.apply(*id);
            }
            if !moved {
                return;
            }
        }
        panic!("the group does not come to rest");
    }

    fn each(&mut self, ids: &[NodeId], work: fn(&mut Self, NodeId) -> bool) {
        for id in ids {
            work(self, *id);
        }
    }

    /// Does what a node asks for; whether it asked for anything.
    fn process(&mut self, id: NodeId) -> bool {
        self.drain(id);
        let mut moved = false;
        while let Some(output) = self.node(id).outputs.pop_front() {
            moved |= self.output(id, output);
            self.drain(id);
        }
        moved
    }

    fn output(&mut self, id: NodeId, output: Output) -> bool {
        match output {
            Output::Persist(persist) => {
                let node = self.node(id);
                node.writes.push_back(persist);
                if !node.is_async {
                    self.write(id);
                }
            }
            Output::Send { to, message } => {
                self.network.push_back((id, to, Parcel::Message(message)));
            }
            Output::Apply { entries } => {
                let last = entries.last().unwrap().version();
                let node = self.node(id);
                node.applies.push_back(SnapshotMeta {
                    index: last.index,
                    term: last.term,
                });
                if !node.is_async {
                    self.apply(id);
                }
            }
            Output::ExportSnapshot { to } => {
                let node = self.node(id);
                let (meta, term) = (node.applied, node.raft.term());
                let configuration = node.raft.configuration().cloned();
                let snapshot = Some(meta);
                self.input(id, Input::SnapshotExported { to, snapshot });
                let parcel = Parcel::Snapshot {
                    term,
                    meta,
                    configuration,
                };
                self.network.push_back((id, to, parcel));
            }
            Output::FetchEntries {
                reader,
                from,
                up_to,
                bytes_max,
            } => {
                let entries = Some(self.node(id).disk.read(from, up_to, bytes_max));
                let input = Input::EntriesFetched {
                    reader,
                    from,
                    entries,
                };
                self.input(id, input);
            }
            _ => return false,
        }
        true
    }

    /// The oldest write becomes durable.
    fn write(&mut self, id: NodeId) -> bool {
        let node = self.node(id);
        let Some(persist) = node.writes.pop_front() else {
            return false;
        };
        node.disk.write(&persist);
        self.input(id, Input::Durable(persist.write));
        true
    }

    fn apply(&mut self, id: NodeId) -> bool {
        let node = self.node(id);
        let Some(applied) = node.applies.pop_front() else {
            return false;
        };
        node.applied = applied;
        self.input(id, Input::Applied(applied.index));
        true
    }

    fn deliver(&mut self, ids: &[NodeId], appends_only: bool) -> bool {
        let mut moved = false;
        for _ in 0..self.network.len() {
            let Some((from, to, parcel)) = self.network.pop_front() else {
                break;
            };
            let is_append = matches!(&parcel, Parcel::Message(message)
                if matches!(message.body, Body::Append(_)));
            if !ids.contains(&to) || (appends_only && !is_append) {
                self.network.push_back((from, to, parcel));
                continue;
            }
            moved = true;
            match parcel {
                Parcel::Message(message) => self.input(to, Input::Receive { from, message }),
                Parcel::Snapshot {
                    term,
                    meta,
                    configuration,
                } => self.receive_snapshot(from, to, term, meta, configuration),
            }
        }
        moved
    }

    fn receive_snapshot(
        &mut self,
        from: NodeId,
        to: NodeId,
        term: Term,
        snapshot: SnapshotMeta,
        configuration: Option<Configuration>,
    ) {
        let received = Input::SnapshotReceived {
            from,
            term,
            snapshot,
        };
        self.input(to, received);
        self.drain(to);
        let installs = |output: &Output| matches!(output, Output::InstallSnapshot { .. });
        let node = self.node(to);
        if node.outputs.iter().any(installs) {
            node.outputs.retain(|output| !installs(output));
            node.disk.flushed = snapshot;
            node.applied = snapshot;
            let installed = Input::SnapshotInstalled {
                snapshot,
                configuration,
            };
            self.input(to, installed);
        }
        self.input(from, Input::SnapshotSent { to, ok: true });
    }

    fn input(&mut self, id: NodeId, input: Input) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        // A message that does not fit is not acted on, as any host would have it.
        let _refused = node.raft.handle_input(now, input);
    }

    fn drain(&mut self, id: NodeId) {
        let node = self.node(id);
        while let Some(output) = node.raft.poll_output() {
            node.outputs.push_back(output);
        }
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }
}

/// The node ids among the arguments.
fn ids(case: &Case) -> Vec<NodeId> {
    let words = case.arguments.iter();
    let words = words.filter(|(_, values)| values.is_empty());
    words
        .filter_map(|(word, _)| word.parse().ok().map(NodeId))
        .collect()
}

fn numbers(words: &[String]) -> Vec<NodeId> {
    words
        .iter()
        .filter_map(|word| word.parse().ok().map(NodeId))
        .collect()
}

/// Longer than any election timeout.
const ELECTION: Duration = Duration::from_millis(301);
