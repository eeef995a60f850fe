//! Snapshots on their way out and in.
//!
//! **Invariant: a transfer holds a few chunks in memory, never a group.** The sender reads a chunk
//! when one was acknowledged; the receiver acknowledges a chunk when its storage keeps it, outside
//! memory if it likes. Silence ends a transfer on both sides; Raft then asks for a new one.

mod inbound;
mod outbound;

use alloc::collections::BTreeMap;

use norikv_types::{GroupId, LogIndex, Mono, NodeId};

use self::inbound::Inbound;
use self::outbound::Outbound;
use super::Node;
use crate::{SessionId, SnapshotOptions};

/// Every transfer of this node.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    next: u64,
    outbound: BTreeMap<SessionId, Outbound>,
    inbound: BTreeMap<SessionId, Inbound>,
    /// What was sent whole and is being installed there: the log behind it is needed until the
    /// follower goes on from it, or the moment comes.
    delivered: BTreeMap<(GroupId, NodeId), (LogIndex, Mono)>,
}

impl Snapshots {
    fn next_session(&mut self) -> SessionId {
        self.next += 1;
        SessionId(self.next)
    }

    /// Log behind this index is needed by a follower that gets a snapshot now, or just got one.
    pub(crate) fn oldest_needed(&self, group: GroupId, now: Mono) -> Option<LogIndex> {
        let sending = self
            .outbound
            .values()
            .filter(|outbound| outbound.group == group)
            .filter_map(|outbound| outbound.at.map(|at| at.index));
        let installing = self
            .delivered
            .range((group, NodeId(0))..=(group, NodeId(u64::MAX)))
            .filter(|(_, (_, until))| *until > now)
            .map(|(_, (index, _))| *index);
        sending.chain(installing).min()
    }

    /// The follower goes on from what it got.
    pub(crate) fn caught_up(&mut self, group: GroupId, peer: NodeId) {
        self.delivered.remove(&(group, peer));
    }

    pub(crate) fn poll_timeout(&self, options: &SnapshotOptions) -> Option<Mono> {
        let out = self
            .outbound
            .values()
            .map(|outbound| outbound.deadline(options));
        let incoming = self
            .inbound
            .values()
            .filter_map(|inbound| inbound.deadline(options));
        out.chain(incoming).min()
    }
}

impl Node {
    pub(super) fn tick_snapshots(&mut self) {
        self.tick_outbound();
        self.tick_inbound();
    }

    pub(super) fn peer_lost_for_snapshots(&mut self, peer: NodeId) {
        let lost: alloc::vec::Vec<SessionId> = self
            .snapshots
            .outbound
            .iter()
            .filter(|(_, outbound)| outbound.to == peer)
            .map(|(session, _)| *session)
            .collect();
        for session in lost {
            self.end_export(session, false);
        }
    }
}
