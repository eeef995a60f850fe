//! A snapshot on its way in.

use nori_raft as raft;
use norikv_types::{GroupId, Mono, NodeId, Term, Version};

use crate::node::Node;
use crate::node::replicas::Given;
use crate::wire::{ChunkAck, Item, SnapshotChunk};
use crate::{Event, Lane, Output, PortError, SessionId, SnapshotOptions};

/// A transfer from a leader.
#[derive(Debug)]
pub(super) struct Inbound {
    group: GroupId,
    from: NodeId,
    /// The sender's name for it.
    theirs: (u64, SessionId),
    term: Term,
    at: Version,
    /// The chunk that comes next.
    next: u32,
    /// Chunks that the storage keeps.
    kept: u32,
    /// How many there are, once the last one came.
    count: Option<u32>,
    last_heard: Mono,
    phase: Phase,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Chunks come in.
    Receiving,
    /// All of them are kept; Raft was told.
    Offered,
    /// Raft wants it; entries handed out before are being applied.
    Wanted,
    /// With the storage.
    Installing,
}

impl Inbound {
    pub(super) fn deadline(&self, options: &SnapshotOptions) -> Option<Mono> {
        (self.phase == Phase::Receiving).then(|| self.last_heard + options.give_up_after)
    }

    const fn meta(&self) -> raft::SnapshotMeta {
        raft::SnapshotMeta {
            index: self.at.index,
            term: self.at.term,
        }
    }
}

impl Node {
    pub(in crate::node) fn chunk(&mut self, from: NodeId, chunk: SnapshotChunk) {
        let theirs = (chunk.boot, chunk.session);
        let Some(replica) = self.groups.get(&chunk.group) else {
            return self.ack(from, theirs, None);
        };
        if chunk.term < replica.term {
            return self.ack(from, theirs, None);
        }
        let known = replica.inbound;
        let current = known.and_then(|session| {
            let inbound = self.snapshots.inbound.get(&session)?;
            Some((
                session,
                inbound.from == from && inbound.theirs == theirs,
                inbound.phase,
            ))
        });
        let session = match current {
            Some((session, true, _)) => session,
            // What is being installed cannot be called back.
            Some((_, false, Phase::Wanted | Phase::Installing)) => return,
            _ if chunk.seq != 0 => return,
            Some((session, false, _)) => {
                self.drop_inbound(session);
                self.begin_inbound(from, theirs, &chunk)
            }
            None => self.begin_inbound(from, theirs, &chunk),
        };
        let Some(inbound) = self.snapshots.inbound.get_mut(&session) else {
            return;
        };
        inbound.last_heard = self.now;
        if chunk.seq == inbound.next && inbound.count.is_none() {
            inbound.next += 1;
            if chunk.last {
                inbound.count = Some(inbound.next);
            }
            self.outbox.push_back(Output::Stage {
                session,
                group: chunk.group,
                bytes: chunk.bytes,
            });
        } else if chunk.seq < inbound.kept {
            let kept = inbound.kept;
            self.ack(from, theirs, Some(kept));
        }
    }

    fn begin_inbound(
        &mut self,
        from: NodeId,
        theirs: (u64, SessionId),
        chunk: &SnapshotChunk,
    ) -> SessionId {
        let session = self.snapshots.next_session();
        self.snapshots.inbound.insert(
            session,
            Inbound {
                group: chunk.group,
                from,
                theirs,
                term: chunk.term,
                at: chunk.at,
                next: 0,
                kept: 0,
                count: None,
                last_heard: self.now,
                phase: Phase::Receiving,
            },
        );
        if let Some(replica) = self.groups.get_mut(&chunk.group) {
            replica.inbound = Some(session);
        }
        session
    }

    pub(in crate::node) fn staged(&mut self, session: SessionId, result: Result<(), PortError>) {
        let Some(inbound) = self.snapshots.inbound.get_mut(&session) else {
            return;
        };
        let (from, theirs, group) = (inbound.from, inbound.theirs, inbound.group);
        if result.is_err() {
            self.drop_inbound(session);
            return self.ack(from, theirs, None);
        }
        inbound.kept += 1;
        let kept = inbound.kept;
        if inbound.count == Some(kept) {
            inbound.phase = Phase::Offered;
            let input = raft::Input::SnapshotReceived {
                from,
                term: inbound.term,
                snapshot: inbound.meta(),
            };
            self.raft_input(group, input);
        }
        self.ack(from, theirs, Some(kept));
    }

    /// Raft wants what it was offered.
    pub(in crate::node) fn install_snapshot(
        &mut self,
        group: GroupId,
        snapshot: raft::SnapshotMeta,
    ) {
        let session = self.groups.get(&group).and_then(|replica| replica.inbound);
        let inbound = session.and_then(|session| self.snapshots.inbound.get_mut(&session));
        let Some(inbound) = inbound else {
            unreachable!("Raft installs only what it was offered");
        };
        assert!(
            inbound.phase == Phase::Offered && inbound.meta() == snapshot,
            "Raft installs what it was offered last"
        );
        inbound.phase = Phase::Wanted;
        self.install_if_drained(group);
    }

    /// Installs what is wanted once no apply of the group is under way.
    pub(in crate::node) fn install_if_drained(&mut self, group: GroupId) {
        let Some(replica) = self.groups.get(&group) else {
            return;
        };
        if replica.belonging().applying > 0 {
            return;
        }
        let Some(session) = replica.inbound else {
            return;
        };
        if let Some(inbound) = self.snapshots.inbound.get_mut(&session)
            && inbound.phase == Phase::Wanted
        {
            inbound.phase = Phase::Installing;
            self.outbox.push_back(Output::Install {
                session,
                group,
                at: inbound.at,
            });
        }
    }

    pub(in crate::node) fn installed(
        &mut self,
        session: SessionId,
        result: Result<Option<raft::Configuration>, PortError>,
    ) {
        let Some(inbound) = self.snapshots.inbound.remove(&session) else {
            return;
        };
        let id = inbound.group;
        let configuration = match result {
            Ok(configuration) => configuration,
            // The replica can neither go on without it nor ask for another one.
            Err(error) => return self.halt(error),
        };
        if self.drained(id, Given::Install) {
            return;
        }
        let Inbound {
            group, from, at, ..
        } = inbound;
        if let Some(replica) = self.groups.get_mut(&group) {
            replica.inbound = None;
            replica.retention.flush(at.index);
            let own = self.config.id;
            let members = configuration.as_ref();
            replica.installed(at.index, members.map(|members| members.contains(own)));
        }
        self.count_unflushed(group);
        self.event(Event::SnapshotInstalled {
            group,
            from,
            version: at,
        });
        self.skipped_to(group, at);
        let input = raft::Input::SnapshotInstalled {
            snapshot: inbound.meta(),
            configuration,
        };
        self.raft_input(group, input);
    }

    /// Raft has said all it had to say: an offer that it did not take is of no use.
    pub(in crate::node) fn drop_refused_snapshot(&mut self, group: GroupId) {
        let session = self.groups.get(&group).and_then(|replica| replica.inbound);
        if let Some(session) = session
            && let Some(inbound) = self.snapshots.inbound.get(&session)
            && inbound.phase == Phase::Offered
        {
            self.drop_inbound(session);
        }
    }

    pub(super) fn tick_inbound(&mut self) {
        let silent: alloc::vec::Vec<SessionId> = self
            .snapshots
            .inbound
            .iter()
            .filter(|(_, inbound)| {
                inbound
                    .deadline(&self.config.snapshot)
                    .is_some_and(|at| at <= self.now)
            })
            .map(|(session, _)| *session)
            .collect();
        for session in silent {
            self.drop_inbound(session);
        }
    }

    /// The replica is removed. Whether its storage is being replaced all the same.
    pub(in crate::node) fn abandon_inbound(&mut self, group: GroupId) -> bool {
        let Some(session) = self.groups.get(&group).and_then(|replica| replica.inbound) else {
            return false;
        };
        let inbound = self.snapshots.inbound.get(&session);
        if inbound.is_some_and(|inbound| inbound.phase == Phase::Installing) {
            return true;
        }
        self.drop_inbound(session);
        false
    }

    fn drop_inbound(&mut self, session: SessionId) {
        let Some(inbound) = self.snapshots.inbound.remove(&session) else {
            return;
        };
        if let Some(replica) = self.groups.get_mut(&inbound.group) {
            replica.inbound = None;
        }
        self.outbox.push_back(Output::Abandon { session });
    }

    fn ack(&mut self, to: NodeId, theirs: (u64, SessionId), kept: Option<u32>) {
        let (boot, session) = theirs;
        let item = Item::ChunkAck(ChunkAck {
            session,
            boot,
            kept,
        });
        self.frames.push(to, Lane::Snapshot, &item);
    }
}
