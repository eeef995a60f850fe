//! Snapshots on their way.
//!
//! **Invariant: a transfer holds a few chunks in memory, never a group, and nothing of two exports
//! is ever mixed.** Three parts meet, each with a state of its own:
//!
//! | part | file | does |
//! |---|---|---|
//! | leader | `offers` | tells a follower that it needs a snapshot, and from whom to fetch it |
//! | receiver | `inbound` | fetches: asks for as many chunks as it has room for, from the first that it lacks on |
//! | | `installing` | has Raft and the storage take what is here in full |
//! | source | `outbound` | exports, and sends what it is asked for |
//!
//! The receiver drives. What it asks for is its credit, which grows as its storage keeps chunks, so
//! that its disk sets the pace; and after silence or a lost connection it asks again from the first
//! chunk that it lacks, so that a transfer goes on where it stood. It goes on with the same export,
//! or, where the source has it no longer and says so, from the beginning with another one.
//! The source may be any replica: what is applied is committed, whoever leads.
//!
//! In each direction a few transfers go on at once and the others wait in line. One that stands
//! still lets the next one go first.

mod inbound;
mod installing;
mod line;
mod offers;
mod outbound;

use alloc::collections::BTreeMap;

use norikv_types::{GroupId, Mono, NodeId};

use self::inbound::Inbound;
use self::line::Line;
use self::offers::{Held, Offer};
use self::outbound::Outbound;
use super::Node;
use crate::{SessionId, SnapshotOptions};

/// Every transfer of this node.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    next: u64,
    /// By group and follower.
    offers: BTreeMap<(GroupId, NodeId), Offer>,
    /// What is remembered of offers that ended.
    held: BTreeMap<(GroupId, NodeId), Held>,
    inbound: BTreeMap<GroupId, Inbound>,
    line_in: Line<GroupId>,
    /// By export.
    outbound: BTreeMap<SessionId, Outbound>,
    line_out: Line<SessionId>,
}

impl Snapshots {
    fn next_session(&mut self) -> SessionId {
        self.next += 1;
        SessionId(self.next)
    }

    pub(crate) fn poll_timeout(&self, options: &SnapshotOptions) -> Option<Mono> {
        let offers = self.offers.values().map(|offer| offer.deadline(options));
        let inbound = self.inbound.iter().filter_map(|(group, inbound)| {
            inbound.deadline(options, self.line_in.is_streaming(*group))
        });
        let outbound = self.outbound.iter().map(|(session, outbound)| {
            outbound.deadline(options, self.line_out.is_streaming(*session))
        });
        offers.chain(inbound).chain(outbound).min()
    }
}

impl Node {
    pub(super) fn tick_snapshots(&mut self) {
        self.tick_offers();
        self.tick_inbound();
        self.tick_outbound();
    }

    /// The connection to a peer is lost.
    pub(super) fn peer_lost_for_snapshots(&mut self, peer: NodeId) {
        self.peer_lost_for_offers(peer);
        self.park_outbound(peer);
    }

    /// The connection to a peer stands.
    pub(super) fn peer_back_for_snapshots(&mut self, peer: NodeId) {
        self.fetch_again(peer);
    }
}
