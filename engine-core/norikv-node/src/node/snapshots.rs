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
}

impl Snapshots {
    fn next_session(&mut self) -> SessionId {
        self.next += 1;
        SessionId(self.next)
    }

    /// Log behind this index is needed by a follower that gets a snapshot now.
    pub(crate) fn oldest_export(&self, group: GroupId) -> Option<LogIndex> {
        self.outbound
            .values()
            .filter(|outbound| outbound.group == group)
            .filter_map(|outbound| outbound.at.map(|at| at.index))
            .min()
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
