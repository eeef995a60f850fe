//! What a page draws: a picture of the world, and what happened since the last one.
//!
//! **Invariant: looking changes nothing.** A run that was looked at has the same trace as one that
//! was not.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use norikv_node::{Answer, Event, Failure, NodeStatus, RequestId};
use norikv_testkit::{DiskCounters, SimDisk};
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term};
use serde::Serialize;

use crate::cluster::client::ClientCounters;
use crate::cluster::plan::FaultKind;
use crate::cluster::{Simulation, frame};

/// The world at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// When, in nanoseconds.
    pub at: Mono,
    /// Steps so far.
    pub steps: u64,
    /// The trace hash so far, as sixteen hexadecimal digits.
    pub trace_hash: String,
    /// Every machine, in order of ids.
    pub nodes: Vec<NodeView>,
    /// Every message on its way, in order of arrival.
    pub messages: Vec<MessageView>,
    /// Directions of links that are cut.
    pub cuts: Vec<(NodeId, NodeId)>,
    /// What clients did.
    pub clients: ClientCounters,
    /// What happened since the last view, oldest first.
    pub events: Vec<EventView>,
    /// Events that were forgotten since the last view because there were too many.
    pub events_dropped: u64,
    /// The promise that was broken, if one was.
    pub violation: Option<String>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeView {
    /// Its id.
    pub node: NodeId,
    /// Whether a process runs.
    pub alive: bool,
    /// Whether the process stands still.
    pub paused: bool,
    /// Processes so far.
    pub starts: u64,
    /// What the node says of itself: roles, terms and indexes of its groups, members as SWIM sees
    /// them.
    pub status: Option<NodeStatus>,
    /// The end of the log of each group it holds.
    pub logs: Vec<LogColumn>,
    /// The disk of its log.
    pub log_disk: DiskView,
    /// The disk of its tables.
    pub data_disk: DiskView,
}

/// The end of a replica's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogColumn {
    /// The group.
    pub group: GroupId,
    /// Up to here it is durable.
    pub durable_index: LogIndex,
    /// Its last entries.
    pub entries: Vec<LogCell>,
}

/// An entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogCell {
    /// Its index.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DiskView {
    /// Objects on it.
    pub objects: u32,
    /// Bytes taken.
    pub used: u64,
    /// Bytes ever appended.
    pub appended_bytes: u64,
    /// Bytes ever read.
    pub read_bytes: u64,
    /// Syncs so far.
    pub syncs: u64,
    /// Unsynced units that crashes took or tore.
    pub units_harmed: u64,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// Its number.
    pub id: u64,
    /// Who sent it.
    pub from: NodeId,
    /// Whom it is for.
    pub to: NodeId,
    /// The lane: `control`, `append`, `forward`, `snapshot`, or `swim`.
    pub lane: &'static str,
    /// What it says first, in a word.
    pub kind: &'static str,
    /// The group it is about, where it is about one.
    pub group: Option<GroupId>,
    /// Its length.
    pub bytes: u32,
    /// When it was sent.
    pub sent: Mono,
    /// When it arrives.
    pub arrives: Mono,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventView {
    /// When.
    pub at: Mono,
    /// What.
    pub what: Happened,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happened {
    /// Something inside a node.
    Node {
        /// The node.
        node: NodeId,
        /// What.
        event: Event,
    },
    /// A process started.
    Started {
        /// The node.
        node: NodeId,
    },
    /// A process ended.
    Stopped {
        /// The node.
        node: NodeId,
        /// Whether its power went, and unsynced writes with it.
        power_cut: bool,
    },
    /// Links were cut or mended.
    Links {
        /// The directions that are cut now.
        cuts: Vec<(NodeId, NodeId)>,
    },
    /// A fault of the plan began.
    Fault {
        /// Its kind.
        kind: FaultKind,
    },
    /// A visitor's call came back.
    Visitor {
        /// The call.
        request: RequestId,
        /// The node that was asked.
        node: NodeId,
        /// What came of it.
        result: Result<Answer, Failure>,
    },
}

/// Events that wait for the next view.
#[derive(Debug)]
pub(crate) struct EventLog {
    kept: bool,
    events: VecDeque<EventView>,
    dropped: u64,
}

impl EventLog {
    pub(crate) const fn new(kept: bool) -> Self {
        Self {
            kept,
            events: VecDeque::new(),
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Mono, what: impl FnOnce() -> Happened) {
        if !self.kept {
            return;
        }
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(EventView { at, what: what() });
    }
}

impl Simulation {
    /// A picture of the world; takes the events that happened since the last one.
    pub fn view(&mut self) -> View {
        let events = core::mem::take(&mut self.events.events).into();
        let events_dropped = core::mem::take(&mut self.events.dropped);
        View {
            at: self.now,
            steps: self.steps,
            trace_hash: format!("{:016x}", self.trace_hash()),
            nodes: (0..self.hosts.len()).map(|host| self.node(host)).collect(),
            messages: self.messages(),
            cuts: self.network.cuts().collect(),
            clients: self.clients.counters,
            events,
            events_dropped,
            violation: self.violation.as_ref().map(ToString::to_string),
        }
    }

    fn node(&self, host: usize) -> NodeView {
        let machine = &self.hosts[host];
        let status = machine
            .process
            .as_ref()
            .map(|process| process.node.status());
        NodeView {
            node: machine.id,
            alive: machine.process.is_some(),
            paused: machine.paused_until > self.now,
            starts: machine.life,
            status,
            logs: self
                .router
                .groups_of(machine.id)
                .into_iter()
                .map(|group| {
                    let (entries, durable_index) =
                        self.invariants.log_tail(machine.id, group, LOG_CELLS);
                    let cells = entries.into_iter();
                    LogColumn {
                        group,
                        durable_index,
                        entries: cells.map(|(index, term)| LogCell { index, term }).collect(),
                    }
                })
                .collect(),
            log_disk: disk(&machine.log_disk),
            data_disk: disk(&machine.data_disk),
        }
    }

    fn messages(&self) -> Vec<MessageView> {
        self.network
            .in_flight()
            .take(MESSAGES_MAX)
            .map(|(slot, message)| {
                let packet = &message.payload;
                let gist = frame::gist(packet.lane, &packet.bytes);
                MessageView {
                    id: slot.sequence,
                    from: message.from,
                    to: message.to,
                    lane: packet.lane.map_or("swim", |lane| lane.word()),
                    kind: gist.kind,
                    group: gist.group,
                    bytes: u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX),
                    sent: message.sent,
                    arrives: slot.at,
                }
            })
            .collect()
    }
}

fn disk(disk: &SimDisk) -> DiskView {
    let counters: DiskCounters = disk.counters();
    DiskView {
        objects: disk.objects(),
        used: disk.used(),
        appended_bytes: counters.appended_bytes,
        read_bytes: counters.read_bytes,
        syncs: counters.syncs,
        units_harmed: counters.units_lost + counters.units_torn,
    }
}

const EVENTS_MAX: usize = 4_096;
const MESSAGES_MAX: usize = 2_000;
const LOG_CELLS: usize = 16;
