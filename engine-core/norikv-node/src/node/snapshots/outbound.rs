//! A snapshot on its way out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nori_raft as raft;
use norikv_types::{GroupId, Mono, NodeId, Term, Version};

use crate::node::Node;
use crate::wire::{ChunkAck, Item, SnapshotChunk};
use crate::{Chunk, Event, Lane, Output, PortError, SessionId, SnapshotOptions};

/// A transfer to a follower.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) group: GroupId,
    pub(super) to: NodeId,
    term: Term,
    /// What the export shows, once it is open.
    pub(super) at: Option<Version>,
    /// Raft knows it: everything it shows is applied as far as Raft has heard.
    announced: bool,
    /// Chunks asked of the storage and not here yet.
    reading: u32,
    /// Chunks sent and not acknowledged, the first of them number `acked`.
    unacked: VecDeque<Chunk>,
    acked: u32,
    /// The last chunk was read.
    ended: bool,
    last_sent: Mono,
    last_heard: Mono,
}

impl Outbound {
    pub(super) fn deadline(&self, options: &SnapshotOptions) -> Mono {
        let give_up = self.last_heard + options.give_up_after;
        if self.unacked.is_empty() {
            give_up
        } else {
            give_up.min(self.last_sent + options.resend_after)
        }
    }

    fn item(&self, session: SessionId, boot: u64, seq: u32, chunk: &Chunk) -> Item {
        Item::Chunk(SnapshotChunk {
            session,
            boot,
            group: self.group,
            term: self.term,
            at: self.at.unwrap_or_default(),
            seq,
            last: chunk.last,
            bytes: chunk.bytes.clone(),
        })
    }
}

impl Node {
    pub(in crate::node) fn export_snapshot(&mut self, group: GroupId, to: NodeId) {
        let Some(term) = self.groups.get(&group).map(|replica| replica.term) else {
            return;
        };
        // Raft asks anew only when it no longer counts on the transfer before.
        for session in self.sessions_of(|outbound| outbound.group == group && outbound.to == to) {
            self.forget_export(session);
        }
        let session = self.snapshots.next_session();
        self.snapshots.outbound.insert(
            session,
            Outbound {
                group,
                to,
                term,
                at: None,
                announced: false,
                reading: 0,
                unacked: VecDeque::new(),
                acked: 0,
                ended: false,
                last_sent: self.now,
                last_heard: self.now,
            },
        );
        self.outbox.push_back(Output::Export { session, group });
    }

    pub(in crate::node) fn exported(
        &mut self,
        session: SessionId,
        result: Result<Version, PortError>,
    ) {
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            self.outbox.push_back(Output::Abandon { session });
            return;
        };
        match result {
            Ok(at) if at.index.0 > 0 => {
                outbound.at = Some(at);
                outbound.last_heard = self.now;
                self.announce_export(session);
            }
            Ok(_) | Err(_) => self.end_export(session, false),
        }
    }

    /// Tells Raft of exports that show nothing it has not heard to be applied: the applier may be
    /// ahead of the inputs.
    pub(in crate::node) fn announce_exports(&mut self, group: GroupId) {
        for session in self.sessions_of(|outbound| outbound.group == group && !outbound.announced) {
            self.announce_export(session);
        }
    }

    fn announce_export(&mut self, session: SessionId) {
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        let (group, to) = (outbound.group, outbound.to);
        let Some(at) = outbound.at else {
            return;
        };
        if self
            .groups
            .get(&group)
            .is_none_or(|replica| replica.applied.index < at.index)
        {
            return;
        }
        outbound.announced = true;
        let snapshot = Some(raft::SnapshotMeta {
            index: at.index,
            term: at.term,
        });
        self.raft_input(group, raft::Input::SnapshotExported { to, snapshot });
        self.read_chunks(session);
    }

    /// Asks the storage for chunks as far as the window allows.
    fn read_chunks(&mut self, session: SessionId) {
        let options = &self.config.snapshot;
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        let window = usize::try_from(options.window.max(1)).unwrap_or(1);
        // One read at a time: only its answer tells whether there is a next one.
        if outbound.ended || outbound.reading > 0 || outbound.unacked.len() >= window {
            return;
        }
        outbound.reading += 1;
        self.outbox.push_back(Output::ExportChunk {
            session,
            bytes_max: options.chunk_bytes,
        });
    }

    pub(in crate::node) fn exported_chunk(
        &mut self,
        session: SessionId,
        result: Result<Chunk, PortError>,
    ) {
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        outbound.reading = outbound.reading.saturating_sub(1);
        let Ok(chunk) = result else {
            return self.end_export(session, false);
        };
        outbound.ended = chunk.last;
        let seq = outbound.acked + u32::try_from(outbound.unacked.len()).unwrap_or(u32::MAX);
        let item = outbound.item(session, self.config.boot, seq, &chunk);
        outbound.unacked.push_back(chunk);
        outbound.last_sent = self.now;
        self.frames.push(outbound.to, Lane::Snapshot, &item);
        self.read_chunks(session);
    }

    pub(in crate::node) fn chunk_ack(&mut self, from: NodeId, ack: ChunkAck) {
        let session = ack.session;
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        if ack.boot != self.config.boot || outbound.to != from {
            return;
        }
        outbound.last_heard = self.now;
        let Some(kept) = ack.kept else {
            return self.end_export(session, false);
        };
        while outbound.acked < kept && outbound.unacked.pop_front().is_some() {
            outbound.acked += 1;
        }
        if outbound.ended && outbound.unacked.is_empty() {
            self.end_export(session, true);
        } else {
            self.read_chunks(session);
        }
    }

    pub(super) fn tick_outbound(&mut self) {
        let options = self.config.snapshot.clone();
        for session in self.sessions_of(|_| true) {
            let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
                continue;
            };
            if self.now >= outbound.last_heard + options.give_up_after {
                self.end_export(session, false);
                continue;
            }
            if outbound.unacked.is_empty() || self.now < outbound.last_sent + options.resend_after {
                continue;
            }
            outbound.last_sent = self.now;
            for (seq, chunk) in (outbound.acked..).zip(&outbound.unacked) {
                let item = outbound.item(session, self.config.boot, seq, chunk);
                self.frames.push(outbound.to, Lane::Snapshot, &item);
            }
        }
    }

    /// Ends a transfer and tells Raft.
    pub(super) fn end_export(&mut self, session: SessionId, ok: bool) {
        let Some(outbound) = self.snapshots.outbound.remove(&session) else {
            return;
        };
        let Outbound { group, to, at, .. } = outbound;
        if ok && let Some(at) = at {
            let until = self.now + self.config.snapshot.hold_log_for;
            self.snapshots
                .delivered
                .insert((group, to), (at.index, until));
        }
        self.outbox.push_back(Output::Abandon { session });
        let input = if outbound.announced {
            raft::Input::SnapshotSent { to, ok }
        } else {
            raft::Input::SnapshotExported { to, snapshot: None }
        };
        self.raft_input(group, input);
        self.event(Event::SnapshotSent { group, to, ok });
    }

    /// This replica does not lead any more: whoever does sends its own.
    pub(in crate::node) fn abandon_exports(&mut self, group: GroupId) {
        for session in self.sessions_of(|outbound| outbound.group == group) {
            self.forget_export(session);
        }
        self.snapshots.delivered.retain(|(of, _), _| *of != group);
    }

    fn forget_export(&mut self, session: SessionId) {
        if self.snapshots.outbound.remove(&session).is_some() {
            self.outbox.push_back(Output::Abandon { session });
        }
    }

    fn sessions_of(&self, wanted: impl Fn(&Outbound) -> bool) -> Vec<SessionId> {
        self.snapshots
            .outbound
            .iter()
            .filter(|(_, outbound)| wanted(outbound))
            .map(|(session, _)| *session)
            .collect()
    }
}
