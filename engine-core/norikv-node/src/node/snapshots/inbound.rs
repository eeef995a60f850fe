//! A snapshot on its way into this node.
//!
//! **Invariant: what is staged are the first `kept` chunks of one export**, and nothing is asked
//! for beyond what there is room for. A transfer outlives its source's silence, its leader's reign
//! and lost connections; it ends with Raft's word on the whole, or after a time without a step.

use alloc::vec::Vec;

use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term, Version};

use crate::node::Node;
use crate::wire::{
    Item, NoExport, SnapshotChunk, SnapshotFetch, SnapshotOffer, SnapshotProgress, SnapshotState,
    Stream,
};
use crate::{Event, Lane, Output, PortError, SessionId, SnapshotOptions};

/// A transfer of a group's snapshot.
#[derive(Debug)]
pub(super) struct Inbound {
    /// Names this attempt, and what is staged of it.
    pub(super) session: SessionId,
    /// Who made the newest offer, and in which term.
    pub(super) leader: NodeId,
    pub(super) term: Term,
    at_least: LogIndex,
    /// Who sends.
    pub(super) source: NodeId,
    /// Whom the newest offer names instead: fetched from once the source stands still.
    other: Option<NodeId>,
    /// The export that comes in, and what it shows.
    export: Option<(Stream, Version)>,
    /// The chunk that comes next.
    next: u32,
    /// Chunks that the storage keeps.
    kept: u32,
    /// Asked for are the chunks before this one.
    up_to: u32,
    /// How many there are, once the last one came.
    count: Option<u32>,
    /// How often the next chunk was asked for again.
    again: u32,
    asked: Mono,
    /// When the last chunk came or was kept, or there last was a place.
    stepped: Mono,
    /// As `stepped`, or when it was let stand still because nobody waited.
    looked: Mono,
    pub(super) phase: Phase,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Chunks come in, or it waits for its turn.
    Coming,
    /// All of them are kept; Raft hears of it with the next offer that fits.
    Complete,
    /// Raft was told.
    Offered,
    /// Raft wants it; entries handed out before are being applied.
    Wanted,
    /// With the storage.
    Installing,
}

impl Inbound {
    /// Begins from nothing, with any export of the offer's source.
    const fn new(session: SessionId, leader: NodeId, offer: &SnapshotOffer, now: Mono) -> Self {
        Self {
            session,
            leader,
            term: offer.term,
            at_least: offer.at_least,
            source: offer.source,
            other: None,
            export: None,
            next: 0,
            kept: 0,
            up_to: 0,
            count: None,
            again: 0,
            asked: now,
            stepped: now,
            looked: now,
            phase: Phase::Coming,
        }
    }

    pub(super) fn deadline(&self, options: &SnapshotOptions, is_streaming: bool) -> Option<Mono> {
        let forget = self.stepped + options.keep_for;
        match self.phase {
            Phase::Coming if is_streaming => {
                // What is slow must not be made slower.
                let again = self.asked + options.resend_after * (1 << self.again.min(BACK_OFF_MAX));
                Some(forget.min(again).min(self.looked + options.stall_after))
            }
            Phase::Coming if self.next == 0 => None,
            Phase::Coming | Phase::Complete => Some(forget),
            Phase::Offered | Phase::Wanted | Phase::Installing => None,
        }
    }

    pub(super) fn at(&self) -> Version {
        self.export.map(|(_, at)| at).unwrap_or_default()
    }

    pub(super) fn meta(&self) -> raft::SnapshotMeta {
        raft::SnapshotMeta {
            index: self.at().index,
            term: self.at().term,
        }
    }
}

impl Node {
    /// A leader says that this replica needs a snapshot.
    pub(in crate::node) fn offered(&mut self, from: NodeId, offer: SnapshotOffer) {
        let group = offer.group;
        let term = self.groups.get(&group).map(|replica| replica.term);
        if term.is_none_or(|term| offer.term < term) || offer.source == self.config.id {
            return;
        }
        let stalled = self.now - self.config.snapshot.stall_after;
        if let Some(inbound) = self.snapshots.inbound.get_mut(&group) {
            inbound.leader = from;
            inbound.term = offer.term;
            if !matches!(inbound.phase, Phase::Coming | Phase::Complete) {
                // What Raft was told of cannot be called back.
                return self.tell_leader(group, SnapshotState::Received);
            }
            inbound.at_least = offer.at_least;
            inbound.other = (offer.source != inbound.source).then_some(offer.source);
            let useless = inbound.export.is_some() && inbound.at().index < offer.at_least;
            if useless || (inbound.other.is_some() && inbound.stepped <= stalled) {
                self.start_anew(group, offer.source);
            }
        } else {
            let session = self.snapshots.next_session();
            let inbound = Inbound::new(session, from, &offer, self.now);
            self.snapshots.inbound.insert(group, inbound);
            self.snapshots.line_in.enter(group);
        }
        self.admit_inbound();
        self.tell_leader(group, SnapshotState::Coming);
        self.tell_raft(group);
    }

    /// Gives up what is here of a snapshot and fetches another one.
    fn start_anew(&mut self, group: GroupId, source: NodeId) {
        let session = self.snapshots.next_session();
        let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
            return;
        };
        let before = inbound.session;
        let offer = SnapshotOffer {
            group,
            term: inbound.term,
            source,
            at_least: inbound.at_least,
        };
        *inbound = Inbound::new(session, inbound.leader, &offer, self.now);
        self.outbox.push_back(Output::Abandon { session: before });
        self.snapshots.line_in.enter(group);
        if self.snapshots.line_in.is_streaming(group) {
            self.ask(group, false);
        }
    }

    /// Lets those who wait begin while there are places.
    fn admit_inbound(&mut self) {
        let max = self.config.snapshot.streams_max;
        while let Some(group) = self.snapshots.line_in.admit(max) {
            if let Some(inbound) = self.snapshots.inbound.get_mut(&group) {
                (inbound.stepped, inbound.looked) = (self.now, self.now);
                let again = inbound.next > 0;
                self.ask(group, again);
            } else {
                self.snapshots.line_in.leave(group);
            }
        }
    }

    /// Asks the source for as much as there is room for.
    fn ask(&mut self, group: GroupId, again: bool) {
        let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
            return;
        };
        inbound.asked = self.now;
        inbound.again += u32::from(again);
        inbound.up_to = inbound.kept + self.config.snapshot.window.max(1);
        let item = Item::Fetch(SnapshotFetch {
            group,
            stream: Stream {
                boot: self.config.boot,
                session: inbound.session,
            },
            export: inbound.export.map(|(export, _)| export),
            next: inbound.next,
            up_to: inbound.up_to,
            again,
            at_least: inbound.at_least,
        });
        self.frames.push(inbound.source, Lane::Snapshot, &item);
    }

    /// The connection to a peer stands again: transfers from it go on.
    pub(super) fn fetch_again(&mut self, peer: NodeId) {
        let from_it: Vec<GroupId> = (self.snapshots.inbound.iter())
            .filter(|(group, inbound)| {
                inbound.source == peer
                    && inbound.phase == Phase::Coming
                    && self.snapshots.line_in.is_streaming(**group)
            })
            .map(|(group, _)| *group)
            .collect();
        for group in from_it {
            self.ask(group, true);
        }
    }

    /// A chunk came in.
    pub(in crate::node) fn chunk(&mut self, from: NodeId, chunk: SnapshotChunk) {
        let group = chunk.group;
        let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
            return;
        };
        let own = Stream {
            boot: self.config.boot,
            session: inbound.session,
        };
        if inbound.source != from || chunk.stream != own || inbound.phase != Phase::Coming {
            return;
        }
        let expected = match inbound.export {
            Some(export) => export == (chunk.export, chunk.at),
            None => chunk.at.index >= inbound.at_least.max(LogIndex(1)),
        };
        let is_next = chunk.seq == inbound.next && inbound.count.is_none();
        if !expected || !is_next || chunk.seq >= inbound.up_to {
            return;
        }
        inbound.export = Some((chunk.export, chunk.at));
        inbound.next += 1;
        inbound.count = chunk.last.then_some(inbound.next);
        (inbound.asked, inbound.stepped, inbound.looked) = (self.now, self.now, self.now);
        let resumed = core::mem::take(&mut inbound.again) > 0 && chunk.seq > 0;
        self.outbox.push_back(Output::Stage {
            session: inbound.session,
            group,
            bytes: chunk.bytes,
        });
        if resumed {
            self.event(Event::SnapshotResumed {
                group,
                from,
                chunk: chunk.seq,
            });
        }
    }

    /// The storage keeps a chunk, or does not.
    pub(in crate::node) fn staged(&mut self, session: SessionId, result: Result<(), PortError>) {
        let now = self.now;
        let Some((group, inbound)) = self.inbound_of(session) else {
            return;
        };
        if result.is_err() {
            return self.fail_inbound(group);
        }
        inbound.kept += 1;
        (inbound.stepped, inbound.looked) = (now, now);
        if inbound.count == Some(inbound.kept) {
            inbound.phase = Phase::Complete;
        }
        let is_complete = inbound.phase == Phase::Complete;
        if is_complete || self.snapshots.line_in.is_streaming(group) {
            // The last time it says that the source may forget.
            self.ask(group, false);
        }
        if is_complete {
            self.snapshots.line_in.leave(group);
            self.admit_inbound();
        }
        self.tell_leader(group, SnapshotState::Coming);
        self.tell_raft(group);
    }

    pub(super) fn tell_leader(&mut self, group: GroupId, state: SnapshotState) {
        if let Some(inbound) = self.snapshots.inbound.get(&group) {
            let item = Item::Progress(SnapshotProgress {
                group,
                term: inbound.term,
                at: inbound.export.map(|(_, at)| at),
                state,
            });
            self.frames.push(inbound.leader, Lane::Snapshot, &item);
        }
    }

    /// The source has not, or no longer, what it was asked for.
    pub(in crate::node) fn no_export(&mut self, from: NodeId, refusal: NoExport) {
        let own = self.config.boot;
        let Some(inbound) = self.snapshots.inbound.get_mut(&refusal.group) else {
            return;
        };
        let named = refusal.stream.session == inbound.session && refusal.stream.boot == own;
        if inbound.source != from || !named || inbound.phase != Phase::Coming {
            return;
        }
        match (inbound.other, inbound.export) {
            (Some(other), _) => self.start_anew(refusal.group, other),
            // Another export of its own.
            (None, Some(_)) => self.start_anew(refusal.group, from),
            (None, None) => self.fail_inbound(refusal.group),
        }
    }

    pub(super) fn tick_inbound(&mut self) {
        let options = self.config.snapshot.clone();
        let due: Vec<GroupId> = (self.snapshots.inbound.iter())
            .filter(|(group, inbound)| {
                let is_streaming = self.snapshots.line_in.is_streaming(**group);
                let deadline = inbound.deadline(&options, is_streaming);
                deadline.is_some_and(|at| at <= self.now)
            })
            .map(|(group, _)| *group)
            .collect();
        for group in due {
            let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
                continue;
            };
            if self.now >= inbound.stepped + options.keep_for {
                self.fail_inbound(group);
            } else if self.now < inbound.looked + options.stall_after {
                self.ask(group, true);
            } else if let Some(other) = inbound.other {
                self.start_anew(group, other);
            } else {
                inbound.looked = self.now;
                if self.snapshots.line_in.has_waiting() {
                    self.snapshots.line_in.leave(group);
                    self.snapshots.line_in.enter(group);
                }
            }
        }
        self.admit_inbound();
    }

    /// Gives up and tells the leader, which thinks of another source.
    fn fail_inbound(&mut self, group: GroupId) {
        self.tell_leader(group, SnapshotState::Failed);
        self.drop_inbound(group);
    }

    pub(super) fn drop_inbound(&mut self, group: GroupId) {
        if let Some(inbound) = self.snapshots.inbound.remove(&group) {
            let session = inbound.session;
            self.outbox.push_back(Output::Abandon { session });
            self.snapshots.line_in.leave(group);
            self.admit_inbound();
        }
    }

    pub(super) fn inbound_of(&mut self, session: SessionId) -> Option<(GroupId, &mut Inbound)> {
        let mut all = self.snapshots.inbound.iter_mut();
        let (group, inbound) = all.find(|(_, inbound)| inbound.session == session)?;
        Some((*group, inbound))
    }
}

/// How often the time until the next chunk is asked for again doubles.
const BACK_OFF_MAX: u32 = 4;
