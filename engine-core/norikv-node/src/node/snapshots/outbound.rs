//! A snapshot on its way out of this node.
//!
//! **Invariant: what is not known to be kept there can be sent again**, for as long as the transfer
//! is remembered; what was sent never goes beyond what the receiver has room for.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use norikv_types::{GroupId, LogIndex, Mono, NodeId, Version};

use crate::node::Node;
use crate::wire::{Item, NoExport, SnapshotChunk, SnapshotFetch, Stream};
use crate::{Chunk, Event, Lane, Output, PortError, SessionId, SnapshotOptions};

/// An export and its one receiver.
#[derive(Debug)]
pub(super) struct Outbound {
    group: GroupId,
    to: NodeId,
    /// The receiver's name for the transfer.
    stream: Stream,
    at_least: LogIndex,
    state: State,
    /// Chunks that were read and are not known to be kept; the first of them is number `kept`.
    chunks: VecDeque<Chunk>,
    kept: u32,
    /// The chunks before this one were sent.
    sent: u32,
    /// The receiver has room for the chunks before this one.
    up_to: u32,
    /// The last chunk was read.
    ended: bool,
    /// When the receiver last asked.
    heard: Mono,
    /// When it last took a step, or was let stand still because nobody waited.
    looked: Mono,
}

/// What the storage does for an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    New,
    /// It opens it.
    Opening,
    /// It reads a chunk.
    Reading(Version),
    /// Nothing: the export is open.
    Open(Version),
}

impl Outbound {
    pub(super) fn deadline(&self, options: &SnapshotOptions, is_streaming: bool) -> Mono {
        let forget = self.heard + options.keep_for;
        match is_streaming {
            true => forget.min(self.looked + options.stall_after),
            false => forget,
        }
    }

    /// The chunk behind all that were read.
    fn read_to(&self) -> u32 {
        self.kept + u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)
    }

    const fn at(&self) -> Option<Version> {
        match self.state {
            State::New | State::Opening => None,
            State::Reading(at) | State::Open(at) => Some(at),
        }
    }
}

impl Node {
    /// A receiver asks for chunks.
    pub(in crate::node) fn fetch(&mut self, from: NodeId, fetch: &SnapshotFetch) {
        let known = (self.snapshots.outbound.iter())
            .find(|(_, outbound)| outbound.to == from && outbound.group == fetch.group)
            .map(|(session, outbound)| (*session, outbound.stream));
        let session = match (known, fetch.export) {
            (Some((session, stream)), export) if stream == fetch.stream => {
                let own = Stream {
                    boot: self.config.boot,
                    session,
                };
                if export.is_some_and(|export| export != own) {
                    return self.refuse_fetch(from, fetch.group, fetch.stream);
                }
                session
            }
            (_, Some(_)) => return self.refuse_fetch(from, fetch.group, fetch.stream),
            (known, None) => {
                if let Some((session, stream)) = known {
                    if stream.boot == fetch.stream.boot && stream > fetch.stream {
                        // Late: it has asked anew since.
                        return;
                    }
                    self.forget_export(session);
                }
                let replica = self.groups.get(&fetch.group);
                let applied = replica.map_or(LogIndex(0), |replica| replica.applied.index);
                if applied < fetch.at_least.max(LogIndex(1)) {
                    return self.refuse_fetch(from, fetch.group, fetch.stream);
                }
                self.begin_export(from, fetch)
            }
        };
        self.credit(session, fetch);
    }

    fn begin_export(&mut self, to: NodeId, fetch: &SnapshotFetch) -> SessionId {
        let session = self.snapshots.next_session();
        self.snapshots.outbound.insert(
            session,
            Outbound {
                group: fetch.group,
                to,
                stream: fetch.stream,
                at_least: fetch.at_least,
                state: State::New,
                chunks: VecDeque::new(),
                kept: 0,
                sent: 0,
                up_to: 0,
                ended: false,
                heard: self.now,
                looked: self.now,
            },
        );
        session
    }

    /// The receiver has what comes before `next`, and room for what comes before `up_to`.
    fn credit(&mut self, session: SessionId, fetch: &SnapshotFetch) {
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        if fetch.next < outbound.kept {
            // Late.
            return;
        }
        outbound.heard = self.now;
        if fetch.next > outbound.kept {
            outbound.looked = self.now;
        }
        outbound.at_least = outbound.at_least.max(fetch.at_least);
        let useless = (outbound.at()).is_some_and(|at| at.index < outbound.at_least);
        if useless || fetch.next > outbound.read_to() {
            return self.fail_export(session);
        }
        while outbound.kept < fetch.next && outbound.chunks.pop_front().is_some() {
            outbound.kept += 1;
        }
        outbound.sent = match fetch.again {
            true => outbound.kept,
            false => outbound.sent.max(outbound.kept),
        };
        outbound.up_to = outbound.up_to.max(fetch.up_to);
        if outbound.ended && outbound.chunks.is_empty() {
            return self.end_export(session, true);
        }
        self.snapshots.line_out.enter(session);
        self.admit_outbound();
        self.send_chunks(session);
    }

    /// Lets those who wait begin while there are places.
    fn admit_outbound(&mut self) {
        let max = self.config.snapshot.streams_max;
        while let Some(session) = self.snapshots.line_out.admit(max) {
            let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
                self.snapshots.line_out.leave(session);
                continue;
            };
            if self.now >= outbound.heard + self.config.snapshot.stall_after {
                // It is gone, or busy with others: it will ask again.
                self.snapshots.line_out.leave(session);
                continue;
            }
            outbound.looked = self.now;
            if outbound.state == State::New {
                outbound.state = State::Opening;
                let group = outbound.group;
                self.outbox.push_back(Output::Export { session, group });
            } else {
                self.send_chunks(session);
            }
        }
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
            Ok(at) if at.index >= outbound.at_least => {
                outbound.state = State::Open(at);
                self.send_chunks(session);
            }
            Ok(_) | Err(_) => self.fail_export(session),
        }
    }

    /// Sends what was read and reads what comes next, as far as there is room for it.
    fn send_chunks(&mut self, session: SessionId) {
        let options = &self.config.snapshot;
        if !self.snapshots.line_out.is_streaming(session) {
            return;
        }
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        let Some(at) = outbound.at() else {
            return;
        };
        let room = outbound.up_to.min(outbound.kept + options.window.max(1));
        let skip = usize::try_from(outbound.sent - outbound.kept).unwrap_or(usize::MAX);
        for chunk in outbound.chunks.iter().skip(skip) {
            if outbound.sent >= room {
                break;
            }
            let item = Item::Chunk(SnapshotChunk {
                group: outbound.group,
                stream: outbound.stream,
                export: Stream {
                    boot: self.config.boot,
                    session,
                },
                at,
                seq: outbound.sent,
                last: outbound.ended && outbound.sent + 1 == outbound.read_to(),
                bytes: chunk.bytes.clone(),
            });
            outbound.sent += 1;
            self.frames.push(outbound.to, Lane::Snapshot, &item);
        }
        // One read at a time: only its answer tells whether there is a next one.
        if matches!(outbound.state, State::Open(_)) && !outbound.ended && outbound.read_to() < room
        {
            outbound.state = State::Reading(at);
            self.outbox.push_back(Output::ExportChunk {
                session,
                bytes_max: options.chunk_bytes,
            });
        }
    }

    pub(in crate::node) fn exported_chunk(
        &mut self,
        session: SessionId,
        result: Result<Chunk, PortError>,
    ) {
        let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
            return;
        };
        let (Ok(chunk), Some(at)) = (result, outbound.at()) else {
            return self.fail_export(session);
        };
        outbound.state = State::Open(at);
        outbound.ended = chunk.last;
        outbound.chunks.push_back(chunk);
        self.send_chunks(session);
    }

    pub(super) fn tick_outbound(&mut self) {
        let options = self.config.snapshot.clone();
        for session in self.exports_of(|_| true) {
            let is_streaming = self.snapshots.line_out.is_streaming(session);
            let Some(outbound) = self.snapshots.outbound.get_mut(&session) else {
                continue;
            };
            if self.now >= outbound.heard + options.keep_for {
                self.end_export(session, false);
            } else if is_streaming && self.now >= outbound.looked + options.stall_after {
                outbound.looked = self.now;
                if self.snapshots.line_out.has_waiting() {
                    self.snapshots.line_out.leave(session);
                }
            }
        }
        self.admit_outbound();
    }

    /// The receiver is out of reach: it will ask again.
    pub(super) fn park_outbound(&mut self, peer: NodeId) {
        for session in self.exports_of(|outbound| outbound.to == peer) {
            self.snapshots.line_out.leave(session);
        }
        self.admit_outbound();
    }

    /// No export of this group may go on: its replica here is removed.
    pub(in crate::node) fn abandon_exports(&mut self, group: GroupId) {
        for session in self.exports_of(|outbound| outbound.group == group) {
            self.fail_export(session);
        }
    }

    fn end_export(&mut self, session: SessionId, ok: bool) {
        if let Some(Outbound { group, to, .. }) = self.forget_export(session) {
            self.event(Event::SnapshotSent { group, to, ok });
        }
        self.admit_outbound();
    }

    /// Ends a transfer and tells the receiver that nothing comes any more.
    fn fail_export(&mut self, session: SessionId) {
        if let Some(outbound) = self.snapshots.outbound.get(&session) {
            self.refuse_fetch(outbound.to, outbound.group, outbound.stream);
        }
        self.end_export(session, false);
    }

    fn refuse_fetch(&mut self, to: NodeId, group: GroupId, stream: Stream) {
        let item = Item::NoExport(NoExport { group, stream });
        self.frames.push(to, Lane::Snapshot, &item);
    }

    fn forget_export(&mut self, session: SessionId) -> Option<Outbound> {
        let outbound = self.snapshots.outbound.remove(&session)?;
        self.snapshots.line_out.leave(session);
        self.outbox.push_back(Output::Abandon { session });
        Some(outbound)
    }

    fn exports_of(&self, wanted: impl Fn(&Outbound) -> bool) -> Vec<SessionId> {
        (self.snapshots.outbound.iter())
            .filter(|(_, outbound)| wanted(outbound))
            .map(|(session, _)| *session)
            .collect()
    }
}
