//! Frames, and work done for other nodes.
//!
//! **Invariant: a request is carried out at most once by one start of this node**, however often
//! its frame arrives.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use nori_raft as raft;
use norikv_types::{Applied, ErrorKind, GroupId, NodeId};

use super::Node;
use super::errand::{Client, Errand, ErrandId, Stage};
use crate::wire::{FrameReader, Item, Reply, Request, Work};
use crate::{Event, Failure, FrameRefusal, Lane};

/// Requests that came in lately, by the start of the node that sent them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    starts: BTreeMap<(NodeId, u64), Window>,
    order: VecDeque<(NodeId, u64)>,
}

#[derive(Debug, Default)]
struct Window {
    /// Tokens at or below were seen, or are too old to tell.
    floor: u64,
    tokens: BTreeSet<u64>,
}

impl Seen {
    /// Whether it is the first time.
    fn first_time(&mut self, from: NodeId, boot: u64, token: u64) -> bool {
        if !self.starts.contains_key(&(from, boot)) {
            self.order.push_back((from, boot));
            if self.order.len() > STARTS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.starts.remove(&oldest);
            }
        }
        let window = self.starts.entry((from, boot)).or_default();
        if token <= window.floor || !window.tokens.insert(token) {
            return false;
        }
        if window.tokens.len() > TOKENS_MAX
            && let Some(lowest) = window.tokens.pop_first()
        {
            window.floor = lowest;
        }
        true
    }
}

/// Starts of peers remembered.
const STARTS_MAX: usize = 256;
/// Requests of one start remembered.
const TOKENS_MAX: usize = 16_384;

impl Node {
    pub(super) fn frame(&mut self, from: NodeId, bytes: &[u8]) {
        let mut reader = match FrameReader::open(bytes, self.config.cluster, from, self.config.id) {
            Ok(reader) => reader,
            Err(reason) => return self.refuse_frame(from, reason),
        };
        loop {
            match reader.next() {
                Ok(Some(item)) => self.item(from, item),
                Ok(None) => return,
                Err(reason) => return self.refuse_frame(from, reason),
            }
        }
    }

    /// A halted node sends whoever asks it to another one.
    pub(super) fn refuse_requests(&mut self, from: NodeId, bytes: &[u8]) {
        let Ok(mut reader) = FrameReader::open(bytes, self.config.cluster, from, self.config.id)
        else {
            return;
        };
        while let Ok(Some(item)) = reader.next() {
            if let Item::Request(Request { token, boot, .. }) = item
                && self.seen.first_time(from, boot, token)
            {
                let message = "this node stopped for a failure of its disk";
                let item = Item::Reply(Reply {
                    token,
                    boot,
                    leader: None,
                    result: Err(Failure::refused(ErrorKind::NotLeader, message)),
                });
                self.frames.push(from, Lane::Forward, &item);
            }
        }
    }

    fn refuse_frame(&mut self, from: NodeId, reason: FrameRefusal) {
        self.event(Event::FrameRefused { from, reason });
    }

    fn item(&mut self, from: NodeId, item: Item) {
        match item {
            Item::Raft { group, message } => {
                if !self.groups.contains_key(&group) {
                    return self.lacks(from, group, &message);
                }
                self.tell_stranger(from, group, &message);
                self.raft_input(group, raft::Input::Receive { from, message });
            }
            Item::Request(request) => self.request(from, request),
            Item::Reply(reply) => self.reply(from, reply),
            Item::Chunk(chunk) => self.chunk(from, chunk),
            Item::Fetch(fetch) => self.fetch(from, &fetch),
            Item::Alive { boot } => self.alive(from, boot),
            Item::NoReplica { group, boot } => self.no_replica(from, group, boot),
            Item::Join { group, index, boot } => self.join(group, index, boot),
            Item::Gone { group, index } => self.gone(group, index),
            Item::Offer(offer) => self.offered(from, offer),
            Item::NoExport(refusal) => self.no_export(from, refusal),
            Item::Progress(progress) => self.snapshot_progress(from, progress),
            Item::Belongs { group } => self.tell_whether_member(from, group),
        }
    }

    /// Sends an errand to another node.
    pub(super) fn pass_on(&mut self, id: ErrandId, to: NodeId) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        if self.down.contains(&to) {
            return self.park(id);
        }
        if matches!(errand.client, Client::Peer { node, .. } if node == to) {
            // Whoever sent it does not think that it leads; wait until one of us knows better.
            return self.park(id);
        }
        let Some(hops) = errand.hops.checked_sub(1) else {
            let message = "passed on too often; the leader moves";
            let failure = Failure::refused(ErrorKind::NotLeader, message).with_leader(Some(to));
            return self.finish(id, Err(failure));
        };
        let remaining = errand.deadline.since(self.now).as_nanos();
        let (group, work) = (errand.group, errand.work.clone());
        let token = self.errands.forward(id, to);
        self.metrics.forwarded.add(1);
        let request = Request {
            token,
            boot: self.config.boot,
            group,
            hops,
            remaining_ns: u64::try_from(remaining).unwrap_or(u64::MAX),
            work,
        };
        self.frames.push(to, Lane::Forward, &Item::Request(request));
    }

    /// The group has a new leader: what is with another node may never be answered by it, as when it
    /// died, long before its connection is given up. What may be repeated goes to the new leader; the
    /// rest waits for the one answer there may be.
    pub(super) fn ask_new_leader(&mut self, group: GroupId, leader: NodeId) {
        for id in self.errands.forwarded_elsewhere(group, leader) {
            let repeatable = self
                .errands
                .get(id)
                .is_some_and(|errand| match &errand.work {
                    Work::Write { repeatable, .. } => *repeatable,
                    Work::Get { .. }
                    | Work::Scan { .. }
                    | Work::Change { .. }
                    | Work::Transfer { .. } => true,
                    // Any replica has it.
                    Work::Watch { .. } => false,
                });
            if repeatable {
                self.lost(id, "the leader that had it leads no more");
            }
        }
    }

    fn request(&mut self, from: NodeId, request: Request) {
        let Request {
            token,
            boot,
            group,
            hops,
            remaining_ns,
            work,
        } = request;
        if !self.seen.first_time(from, boot, token) {
            return;
        }
        let refusal = if group.0 >= self.router.groups() {
            let message = "the group does not exist here";
            Err(Failure::refused(ErrorKind::Internal, message))
        } else {
            self.check_load()
        };
        if let Err(failure) = refusal {
            let item = Item::Reply(Reply {
                token,
                boot,
                leader: self.leader_of(group),
                result: Err(failure),
            });
            self.frames.push(from, Lane::Forward, &item);
            return;
        }
        let id = self.errands.insert(Errand {
            group,
            work,
            client: Client::Peer {
                node: from,
                boot,
                token,
            },
            started: self.now,
            deadline: self.now + Duration::from_nanos(remaining_ns),
            hops,
            attempts: 0,
            uncertain: false,
            ticked: false,
            stage: Stage::New,
        });
        self.dispatch(id);
    }

    fn reply(&mut self, from: NodeId, reply: Reply) {
        if reply.boot != self.config.boot {
            return;
        }
        let Some(id) = self.errands.by_token(reply.token) else {
            return;
        };
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        if !matches!(errand.stage, Stage::Forwarded { to, .. } if to == from) {
            return;
        }
        let group = errand.group;
        if !self.groups.contains_key(&group) {
            match reply.leader {
                Some(leader) => self.hints.insert(group, leader),
                None => self.hints.remove(&group),
            };
        }
        match reply.result {
            Err(failure)
                if failure.applied == Applied::No
                    && matches!(failure.kind, ErrorKind::NotLeader | ErrorKind::NoLeader) =>
            {
                self.retry_later(id);
            }
            result => self.finish(id, result),
        }
    }
}

#[cfg(test)]
mod tests;
