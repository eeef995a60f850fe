//! From a call to its one answer.
//!
//! **Invariant: a write is sent off anew only when the attempt before it certainly was not and will
//! not be applied, or when repeating it is harmless because it carries an idempotency key.**

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nori_raft as raft;
use norikv_types::{Applied, ErrorKind, GroupId, Mono, NodeId};

use super::Node;
use super::errand::{Client, Errand, ErrandId, Stage};
use super::metrics::CallKind;
use crate::wire::{Item, Reply, Work};
use crate::{
    Answer, Call, Command, Consistency, Failure, Lane, MemberState, Operation, Output, Pressure,
    RequestId,
};

/// How often an errand may be passed on: from a node without a replica to a replica, from there to
/// the leader, and once more when leadership moved meanwhile.
const HOPS: u8 = 3;

impl Node {
    pub(super) fn call(&mut self, request: RequestId, call: Call, deadline: Mono) {
        let kind = CallKind::of(&call);
        if let Err(failure) = self.check(&call) {
            self.reply_to_host(request, kind, self.now, Err(failure));
            return;
        }
        match call {
            Call::Admin(admin) => self.admin(request, admin, deadline),
            Call::Put {
                key,
                value,
                expect,
                idempotency,
                ttl_ms,
            } => {
                let operation = Operation::Put {
                    key,
                    value,
                    expect,
                    ttl_ms,
                };
                self.call_write(request, kind, deadline, operation, idempotency);
            }
            Call::Delete {
                key,
                expect,
                idempotency,
            } => {
                let operation = Operation::Delete { key, expect };
                self.call_write(request, kind, deadline, operation, idempotency);
            }
            Call::Increment {
                key,
                by,
                idempotency,
            } => {
                let operation = Operation::Increment { key, by };
                self.call_write(request, kind, deadline, operation, idempotency);
            }
            Call::Transaction {
                transaction,
                idempotency,
            } => {
                let operation = Operation::Transaction(transaction);
                self.call_write(request, kind, deadline, operation, idempotency);
            }
            Call::Watch {
                prefix,
                cursor,
                limit,
            } => self.watch(request, deadline, prefix, &cursor, limit),
            Call::Get { key, consistency } => {
                let group = self.group_of(&key);
                let work = Work::Get { key, consistency };
                self.errand(group, work, Client::Host(request, kind), deadline);
            }
            Call::Scan {
                prefix,
                after,
                limit,
                consistency,
                cursor,
            } => {
                let part = |limit| Work::Scan {
                    prefix: prefix.clone(),
                    after: after.clone(),
                    limit,
                    consistency,
                };
                self.fan_out(request, deadline, limit, cursor, part);
            }
        }
    }

    fn call_write(
        &mut self,
        request: RequestId,
        kind: CallKind,
        deadline: Mono,
        operation: Operation,
        idempotency: Option<Bytes>,
    ) {
        let Some(group) = operation.keys().next().map(|key| self.group_of(key)) else {
            unreachable!("a checked write names a key");
        };
        let repeatable = idempotency.is_some();
        let command = Command::new(operation, idempotency).encode();
        let work = Work::Write {
            command,
            repeatable,
        };
        self.errand(group, work, Client::Host(request, kind), deadline);
    }

    pub(super) fn errand(
        &mut self,
        group: GroupId,
        work: Work,
        client: Client,
        deadline: Mono,
    ) -> ErrandId {
        let hops = HOPS;
        let id = self.errands.insert(Errand {
            group,
            work,
            client,
            started: self.now,
            deadline,
            hops,
            attempts: 0,
            uncertain: false,
            ticked: false,
            stage: Stage::New,
        });
        self.dispatch(id);
        id
    }

    /// Sends an errand where it can be carried out, as far as is known now.
    pub(super) fn dispatch(&mut self, id: ErrandId) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let group = errand.group;
        let consistency = errand.work.consistency();
        let stale_ok = consistency == Some(Consistency::StaleOk);
        let follower = consistency == Some(Consistency::Follower);
        if errand.deadline <= self.now {
            self.expire(id);
            return;
        }
        match self.groups.get(&group) {
            Some(_) if stale_ok => self.start_read(id),
            Some(replica) if replica.leads() => self.submit(id),
            Some(replica) if follower && replica.leader.is_some() => self.submit(id),
            Some(_) if follower => self.park(id),
            Some(replica) => match replica.leader {
                Some(leader) if leader != self.config.id => self.pass_on(id, leader),
                Some(_) | None => self.park(id),
            },
            None => match self.pick_replica(group, errand.attempts, follower) {
                Some(replica) => self.pass_on(id, replica),
                None => self.park(id),
            },
        }
    }

    /// Hands it to the local Raft.
    fn submit(&mut self, id: ErrandId) {
        let wall = self.wall();
        let Some(errand) = self.errands.get_mut(id) else {
            return;
        };
        let group = errand.group;
        match &mut errand.work {
            Work::Write { command, .. } => {
                if self.pressure == Pressure::Stop {
                    let message = "the storage of the leader is behind with its work; slow down";
                    self.finish(id, Err(Failure::refused(ErrorKind::Overloaded, message)));
                    return;
                }
                // Taken out, so that it is stamped in place where nobody else holds it.
                *command = Command::stamped(core::mem::take(command), wall);
                let input = raft::Input::Propose {
                    proposal: raft::ProposalId(id.0),
                    command: command.clone(),
                };
                self.metrics.proposals.add(1);
                self.errands.set_stage(id, Stage::Proposed);
                self.raft_input(group, input);
            }
            Work::Change { .. } | Work::Transfer { .. } => self.drive(id),
            Work::Get { consistency, .. } | Work::Scan { consistency, .. } => {
                let mode = match consistency {
                    Consistency::Lease => raft::ReadMode::Lease,
                    Consistency::Follower => raft::ReadMode::Follower { lease: false },
                    Consistency::Linearizable | Consistency::StaleOk => {
                        raft::ReadMode::Linearizable
                    }
                };
                let read = raft::ReadId(id.0);
                self.errands.set_stage(id, Stage::Asked);
                self.raft_input(group, raft::Input::Read { read, mode });
            }
            Work::Watch { .. } => self.start_read(id),
        }
    }

    /// Keeps it until the group has a leader that can be reached.
    pub(super) fn park(&mut self, id: ErrandId) {
        self.errands.set_stage(id, Stage::Parked);
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        // Another node has replicas to ask besides this one; its client should not wait here only.
        if matches!(errand.client, Client::Peer { .. }) {
            let at = self.now + self.config.raft.election_timeout_max * 2;
            self.errands.alarm(at, id);
        }
    }

    /// Tries again after an attempt that certainly was not and will not be applied.
    pub(super) fn retry(&mut self, id: ErrandId) {
        if let Some(errand) = self.errands.get_mut(id) {
            errand.attempts += 1;
            self.errands.set_stage(id, Stage::New);
            self.dispatch(id);
        }
    }

    /// The same, but not at once where it was tried before: whoever refused needs time to learn.
    pub(super) fn retry_later(&mut self, id: ErrandId) {
        let Some(errand) = self.errands.get_mut(id) else {
            return;
        };
        errand.attempts += 1;
        if errand.attempts == 1 {
            self.errands.set_stage(id, Stage::New);
            self.dispatch(id);
            return;
        }
        let doublings = errand.attempts.min(6) - 2;
        let at = self.now + Duration::from_millis(5 << doublings);
        self.errands.set_stage(id, Stage::Backoff);
        self.errands.alarm(at, id);
    }

    /// The group has a leader, or a peer is back: what waited for that goes on.
    pub(super) fn wake(&mut self, group: GroupId) {
        for id in self.errands.parked(group) {
            self.errands.set_stage(id, Stage::New);
            self.dispatch(id);
        }
    }

    pub(super) fn expire_errands(&mut self) {
        while let Some(id) = self.errands.expired(self.now) {
            self.expire(id);
        }
        while let Some(id) = self.errands.rings(self.now) {
            match self
                .errands
                .get(id)
                .map(|errand| (errand.stage, errand.client))
            {
                Some((Stage::Backoff, _)) => self.dispatch(id),
                Some((Stage::Changing, _)) => self.drive(id),
                Some((Stage::Parked, Client::Peer { .. })) => {
                    let message = "no leader is known here";
                    self.finish(id, Err(Failure::refused(ErrorKind::NoLeader, message)));
                }
                _ => {}
            }
        }
    }

    fn expire(&mut self, id: ErrandId) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let group = errand.group;
        if matches!(
            (&errand.work, errand.client),
            (Work::Watch { .. }, Client::Peer { .. })
        ) {
            // The watch itself, if it has begun, says how far it has seen.
            self.expire_watches();
        }
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let waited = self.now.since(errand.started);
        let failure = match errand.stage {
            Stage::Parked => {
                let message = format!("{group} had no leader within {waited:?}");
                Failure::new(ErrorKind::NoLeader, errand.applied_so_far(), message)
            }
            Stage::Changing => {
                let message = match self.errands.progress(id) {
                    Some(how_far) => format!("not done within {waited:?}: {how_far}"),
                    None => format!("not done within {waited:?}"),
                };
                Failure::new(ErrorKind::TimedOut, Applied::Unknown, message)
            }
            _ => {
                let message = format!("no answer within {waited:?}");
                Failure::new(ErrorKind::TimedOut, errand.applied_so_far(), message)
            }
        };
        self.finish(id, Err(failure));
    }

    /// Ends an errand.
    pub(super) fn finish(&mut self, id: ErrandId, result: Result<Answer, Failure>) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        if let Some(group) = self.groups.get_mut(&errand.group) {
            match errand.stage {
                Stage::Appended(version) => {
                    group.proposals.remove(&(version.index, version.term));
                }
                Stage::AwaitsApply(index) => {
                    group.reads.remove(&(index, id));
                }
                _ => {}
            }
        }
        let Some(errand) = self.errands.remove(id) else {
            return;
        };
        let leader = self.leader_of(errand.group);
        let result = result.map_err(|mut failure| {
            let decided = matches!(
                failure.kind,
                ErrorKind::PreconditionFailed | ErrorKind::IdempotencyMismatch
            );
            if errand.uncertain && failure.applied == Applied::No && !decided {
                failure.applied = Applied::Unknown;
            }
            failure.leader = failure.leader.or(leader);
            failure
        });
        match errand.client {
            Client::Host(request, kind) => {
                self.reply_to_host(request, kind, errand.started, result);
            }
            Client::Peer { node, boot, token } => {
                let item = Item::Reply(Reply {
                    token,
                    boot,
                    leader,
                    result,
                });
                self.frames.push(node, Lane::Forward, &item);
            }
            Client::Fan(fan) => self.fan_in(fan, errand.group, result),
            Client::Tick => self.ticked(errand.group, result),
            Client::Watch(watch) => self.watched_elsewhere(watch, errand.group, result),
            Client::Nobody => {}
        }
    }

    pub(super) fn reply_to_host(
        &mut self,
        request: RequestId,
        kind: CallKind,
        started: Mono,
        result: Result<Answer, Failure>,
    ) {
        self.metrics
            .answered(kind, self.now.since(started), &result);
        self.outbox.push_back(Output::Reply { request, result });
    }

    pub(super) fn group_of(&self, key: &[u8]) -> GroupId {
        self.router.group_of(self.router.shard_of(key))
    }

    /// Who leads a group, as far as is known here.
    pub(super) fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        match self.groups.get(&group) {
            Some(replica) => replica.leader,
            None => self.hints.get(&group).copied(),
        }
    }

    /// A node to ask for a group that has no replica here: the leader as last heard, else one
    /// replica of the plan after another, and then the others, since replicas move. Those of which
    /// nothing was heard since this node started come last: they may be down as long. Where any
    /// replica will do, one by this node's number first, so that not all nodes ask the same one.
    fn pick_replica(&self, group: GroupId, attempts: u32, any: bool) -> Option<NodeId> {
        let up = |node: &NodeId| *node != self.config.id && !self.down.contains(node);
        let hint = if any { attempts == 1 } else { attempts < 2 };
        if hint && let Some(hint) = self.hints.get(&group).copied().filter(up) {
            return Some(hint);
        }
        let mut plan = self.router.replicas(group).to_vec();
        let first = self.config.id.0.checked_rem(plan.len() as u64);
        if let Some(first) = first.filter(|_| any) {
            plan.rotate_left(usize::try_from(first).unwrap_or(0));
        }
        let others = self.config.nodes.iter().filter(|node| !plan.contains(node));
        let reachable: Vec<NodeId> = plan.iter().chain(others).copied().filter(up).collect();
        let members = self.membership.members().into_iter();
        let alive = members.filter(|member| member.state == MemberState::Alive);
        let alive: BTreeSet<NodeId> = alive.map(|member| member.node).collect();
        let (heard, silent): (Vec<NodeId>, Vec<NodeId>) =
            reachable.into_iter().partition(|node| alive.contains(node));
        let asked = usize::try_from(attempts).unwrap_or(0);
        let nth = asked.checked_rem(heard.len() + silent.len())?;
        heard.into_iter().chain(silent).nth(nth)
    }

    pub(super) fn refuse_halted(&mut self, request: RequestId) {
        let failure = self.halted_failure(Applied::No);
        self.outbox.push_back(Output::Reply {
            request,
            result: Err(failure),
        });
    }

    pub(super) fn fail_all_halted(&mut self) {
        for id in self.errands.ids() {
            if let Some(errand) = self.errands.get(id) {
                let failure = self.halted_failure(errand.applied_so_far());
                self.finish(id, Err(failure));
            }
        }
        self.fail_watches();
    }

    pub(super) fn halted_failure(&self, applied: Applied) -> Failure {
        let (kind, message) = match &self.halted {
            Some(error) => (
                error.error_kind(),
                format!("{} stopped: {error}", self.config.id),
            ),
            None => (ErrorKind::Internal, String::new()),
        };
        Failure::new(kind, applied, message)
    }
}

impl Errand {
    /// What is known of a write that nobody waits for any longer.
    pub(super) const fn applied_so_far(&self) -> Applied {
        if !self.work.is_write() {
            return Applied::No;
        }
        match self.stage {
            Stage::Proposed | Stage::Appended(_) | Stage::Forwarded { .. } => Applied::Unknown,
            _ if self.uncertain => Applied::Unknown,
            _ => Applied::No,
        }
    }
}
