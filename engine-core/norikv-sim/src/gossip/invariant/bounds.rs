//! **Packets keep to the limit of a datagram, one input makes a bounded number of them, a table holds
//! no more than all members, and nobody doubts itself.**

use nori_swim::{MemberState, Swim};
use norikv_types::NodeId;

use crate::gossip::GossipViolation;

/// A packet that was handed out.
pub(in crate::gossip) const fn packet(node: NodeId, bytes: usize) -> Result<(), GossipViolation> {
    let bytes = bytes as u64;
    if bytes <= PACKET_BYTES_MAX {
        return Ok(());
    }
    Err(GossipViolation::PacketTooLarge {
        node,
        bytes,
        max: PACKET_BYTES_MAX,
    })
}

/// The packets that one input made, in a cluster of `members`.
pub(in crate::gossip) fn burst(
    node: NodeId,
    packets: u64,
    members: u32,
) -> Result<(), GossipViolation> {
    // The whole table once to each who asks, and a few that every tick sends. A record takes at
    // least ten bytes; a join asks every seed.
    let pieces = u64::from(members) / 16 + 1;
    let max = 2 * pieces + 64;
    match packets <= max {
        true => Ok(()),
        false => Err(GossipViolation::TooManyPackets { node, packets, max }),
    }
}

/// A member's view of itself, and how many it knows.
pub(in crate::gossip) fn member(
    node: NodeId,
    swim: &Swim,
    left: bool,
    members: u32,
) -> Result<(), GossipViolation> {
    let state = swim.member(node).map_or(MemberState::Left, |own| own.state);
    let right = match left {
        true => MemberState::Left,
        false => MemberState::Alive,
    };
    if state != right {
        return Err(GossipViolation::DoubtsItself { node, state });
    }
    let (known, max) = (swim.members().count() as u64, u64::from(members));
    match known <= max {
        true => Ok(()),
        false => Err(GossipViolation::TableTooLarge {
            node,
            members: known,
            max,
        }),
    }
}

/// What fits into a datagram everywhere.
const PACKET_BYTES_MAX: u64 = 1_100;
