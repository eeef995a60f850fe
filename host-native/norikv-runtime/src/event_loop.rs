//! The thread that owns the node.
//!
//! **Invariant: this thread never waits for anything but its inbox and its clock.** Disks and
//! sockets are behind queues. `now` is read after each input is taken, never once for a batch, so
//! that a lease is never judged by a time that has passed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use nori_env::Clock;
use norikv_node::driver::{LogTask, Task, route};
use norikv_node::{Event, Input, Lane, Node, Output, RequestId};
use norikv_transport_quic::{Inbound, SendError, Transport};
use norikv_types::{Mono, NodeId};

use crate::Notice;
use crate::inbox::{Message, Reply};
use crate::shared::Shared;
use crate::workers::Lines;

/// The node and everything around it that only its thread touches.
pub(crate) struct EventLoop {
    pub(crate) node: Node,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) lines: Lines,
    pub(crate) transport: Arc<Transport>,
    pub(crate) shared: Arc<Shared>,
    /// Who waits for an answer.
    pub(crate) waiting: BTreeMap<RequestId, Reply>,
    pub(crate) next_request: u64,
    /// When the node is told the time of day again.
    pub(crate) wall_due: Mono,
    /// What one turn gave out, held back until the turn is over so that it travels together.
    pub(crate) out: Out,
}

/// What a turn gave out.
#[derive(Default)]
pub(crate) struct Out {
    log: Vec<LogTask>,
    frames: Vec<(NodeId, Lane, Bytes)>,
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Turn {
    On,
    Stop,
}

impl EventLoop {
    /// Runs until it is stopped or its inbox is gone.
    pub(crate) fn run(mut self) {
        // What the node has to say before it heard anything.
        self.drain();
        self.flush();
        while self.turn() == Turn::On {}
    }

    /// Waits for the first input, feeds it and those that are queued behind it, then gives out what
    /// they caused: the node batches it into fewer writes and frames.
    fn turn(&mut self) -> Turn {
        let Ok(first) = self.wait() else {
            return Turn::Stop;
        };
        let mut inputs = 0;
        let mut next = first;
        loop {
            inputs += 1;
            match next {
                None => self.feed(Input::Timeout),
                Some(message) => {
                    if self.take(message) == Turn::Stop {
                        return Turn::Stop;
                    }
                }
            }
            if inputs >= BATCH_MAX {
                break;
            }
            next = match self.inbox.try_recv() {
                Ok(message) => Some(message),
                Err(_empty) => break,
            };
        }
        self.shared.metrics.loop_inputs.record(inputs);
        self.drain();
        self.flush();
        Turn::On
    }

    /// The next message; `None` when the node's deadline came first.
    fn wait(&self) -> Result<Option<Message>, ()> {
        let Some(deadline) = self.node.poll_timeout() else {
            return self.inbox.recv().map(Some).map_err(|_gone| ());
        };
        let now = self.clock.now();
        if deadline <= now {
            return Ok(None);
        }
        match self.inbox.recv_timeout(deadline.since(now)) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn take(&mut self, message: Message) -> Turn {
        match message {
            Message::Call {
                call,
                deadline,
                reply,
            } => {
                let request = RequestId(self.next_request);
                self.next_request += 1;
                self.waiting.insert(request, reply);
                self.feed(Input::Call {
                    request,
                    call,
                    deadline,
                });
            }
            Message::Inputs(inputs) => {
                for input in inputs {
                    match &input {
                        Input::LogFailed(error) => tracing::error!(%error, "the log failed"),
                        Input::StorageFailed(error) => {
                            tracing::error!(%error, "the storage failed");
                        }
                        _ => {}
                    }
                    self.feed(input);
                }
            }
            Message::Peer(inbound) => self.take_from_peer(inbound),
            Message::Status(reply) => {
                let _gone = reply.send(self.node.status());
            }
            Message::Stop => return Turn::Stop,
        }
        Turn::On
    }

    fn take_from_peer(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Frame {
                from,
                lane,
                bytes,
                credit,
            } => {
                self.feed(Input::Frame { from, lane, bytes });
                drop(credit);
            }
            Inbound::Datagram { from, bytes } => self.feed(Input::Datagram { from, bytes }),
            Inbound::Up { peer, boot } => {
                self.shared.notify(Notice::PeerUp { peer, boot });
                self.feed(Input::PeerUp(peer));
            }
            Inbound::Down { peer, reason } => {
                self.feed(Input::PeerDown(peer));
                self.shared.notify(Notice::PeerDown { peer, reason });
            }
            Inbound::Refused {
                peer,
                address,
                dialled,
                reason,
            } => {
                self.shared.notify(Notice::PeerRefused {
                    peer,
                    address,
                    dialled,
                    reason,
                });
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.clock.now();
        if now >= self.wall_due {
            self.wall_due = now + WALL_INTERVAL;
            let wall = Input::Wall(self.clock.wall());
            self.node.handle_input(now, wall);
        }
        self.node.handle_input(now, input);
    }

    /// Takes everything the node says, in order.
    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            self.carry(output);
        }
    }

    fn carry(&mut self, output: Output) {
        match route(output) {
            Task::Log(task) => self.out.log.push(task),
            Task::Send { to, lane, frame } => self.out.frames.push((to, lane, frame)),
            Task::Apply(task) => self.lines.apply(task),
            Task::Read(task) => self.lines.read(task),
            Task::Snapshot(task) => self.lines.snapshot(task),
            Task::Job(task) => self.lines.job(task),
            Task::Datagram { to, packet } => {
                if let Err(error) = self.transport.send_datagram(to, packet) {
                    tracing::debug!(%error, "packet not sent");
                }
            }
            Task::Reply { request, result } => {
                if let Some(reply) = self.waiting.remove(&request) {
                    // Who asked may have gone away.
                    let _gone = reply.send(result);
                }
            }
            Task::Event(event) => self.tell(event),
        }
    }

    /// Gives out what the turn has gathered: to the disk first, which is slower.
    fn flush(&mut self) {
        if !self.out.log.is_empty() {
            self.lines.log(core::mem::take(&mut self.out.log));
        }
        for (to, lane, frame) in self.out.frames.drain(..) {
            match self.transport.send(to, lane, frame) {
                Ok(()) | Err(SendError::NotConnected(_)) => {}
                Err(error) => tracing::warn!(lane = lane.word(), %error, "frame not sent"),
            }
        }
    }

    fn tell(&self, event: Event) {
        match &event {
            Event::Halted(error) => {
                tracing::error!(%error, "the node stopped acknowledging");
                self.shared.fail(error.to_string());
            }
            Event::Raft { group, event: raft } => {
                tracing::debug!(group = group.0, event = ?raft, "raft");
            }
            Event::Member(member) => {
                tracing::info!(node = member.node.0, state = member.state.word(), "member");
            }
            Event::SnapshotSent { group, to, ok } => {
                tracing::info!(group = group.0, to = to.0, ok, "snapshot sent");
            }
            Event::SnapshotInstalled {
                group,
                from,
                version,
            } => {
                tracing::info!(group = group.0, from = from.0, %version, "snapshot installed");
            }
            Event::FrameRefused { from, reason } => {
                tracing::warn!(from = from.0, ?reason, "frame refused");
            }
            _ => {}
        }
        self.shared.notify(Notice::Node(event));
    }
}

/// How often the node is told the time of day, while it has anything to do.
const WALL_INTERVAL: Duration = Duration::from_millis(500);
/// Inputs after which a turn ends, so that frames do not wait for a queue that never empties.
const BATCH_MAX: u64 = 256;
