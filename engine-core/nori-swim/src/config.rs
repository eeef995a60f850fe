//! The settings of a member.

use core::time::Duration;

use bytes::Bytes;
use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::member::METADATA_BYTES_MAX;
use crate::{Error, Incarnation};

/// Settings of one member. All members of a cluster should use the same timings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Who this is.
    pub id: NodeId,
    /// The incarnation to begin with. A node that kept none begins with 0: it learns from others
    /// where its last life ended and goes above it.
    pub incarnation: Incarnation,
    /// The cluster; packets of another are dropped.
    pub cluster: u64,
    /// What the member says about itself, at most 128 bytes.
    pub metadata: Bytes,
    /// The protocol period: one member is probed in each (SWIM §3.1).
    pub probe_interval: Duration,
    /// How long a direct probe waits before others are asked; below the period.
    pub probe_timeout: Duration,
    /// How many others are asked to probe, k (SWIM §3.1).
    pub indirect_probes: u32,
    /// Time between packets that carry nothing but gossip, sent only while there is some.
    pub gossip_interval: Duration,
    /// Members that such a packet goes to.
    pub gossip_fanout: u32,
    /// λ: a rumour is sent λ·⌈log₂(members + 1)⌉ times.
    pub retransmit_multiplier: u32,
    /// Shortest suspicion: this many periods, times log₁₀ of the members.
    pub suspicion_multiplier: u32,
    /// Longest suspicion, in shortest ones.
    pub suspicion_max_factor: u32,
    /// Confirmations that bring a suspicion to its shortest, k (Lifeguard §III), at most 8.
    pub suspicion_confirmations: u32,
    /// Highest local health score (Lifeguard §III), at most 64.
    pub health_max: u32,
    /// Time between comparisons of the whole table with a random member's.
    pub sync_interval: Duration,
    /// Time between attempts to reach one faulty member, or one seed that never answered.
    pub recover_interval: Duration,
    /// Time between attempts to join while no seed has answered.
    pub join_interval: Duration,
    /// Longest packet, bytes; 400 to 65,507.
    pub packet_bytes_max: u32,
    /// Seed of all randomness.
    pub seed: u64,
}

impl Config {
    /// The defaults: a probe a second, suspicion and health as in Lifeguard, packets of 1,100 bytes.
    #[must_use]
    pub fn new(id: NodeId, cluster: u64, seed: u64) -> Self {
        Self {
            id,
            incarnation: Incarnation(0),
            cluster,
            metadata: Bytes::new(),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_probes: 3,
            gossip_interval: Duration::from_millis(200),
            gossip_fanout: 3,
            retransmit_multiplier: 3,
            suspicion_multiplier: 4,
            suspicion_max_factor: 6,
            suspicion_confirmations: 3,
            health_max: 8,
            sync_interval: Duration::from_secs(30),
            recover_interval: Duration::from_secs(5),
            join_interval: Duration::from_secs(1),
            packet_bytes_max: 1_100,
            seed,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.id.0 == 0 {
            return Err(Error::NodeZero);
        }
        if self.incarnation > Incarnation::MAX {
            return Err(Error::Incarnation(self.incarnation));
        }
        if self.metadata.len() > usize::from(METADATA_BYTES_MAX) {
            return Err(Error::MetadataSize {
                got: self.metadata.len() as u64,
            });
        }
        for interval in [
            self.probe_interval,
            self.probe_timeout,
            self.gossip_interval,
            self.sync_interval,
            self.recover_interval,
            self.join_interval,
        ] {
            if interval < INTERVAL_MIN || interval > INTERVAL_MAX {
                return Err(Error::Interval { got: interval });
            }
        }
        if self.probe_timeout >= self.probe_interval {
            return Err(Error::ProbeTimeout {
                timeout: self.probe_timeout,
                interval: self.probe_interval,
            });
        }
        for (got, max) in [
            (self.gossip_fanout, 1_000),
            (self.retransmit_multiplier, 1_000),
            (self.suspicion_multiplier, 1_000),
            (self.suspicion_max_factor, 1_000),
        ] {
            if got == 0 || got > max {
                return Err(Error::Count { got, max });
            }
        }
        for (got, max) in [
            (self.indirect_probes, 64),
            (self.suspicion_confirmations, 8),
            (self.health_max, 64),
        ] {
            if got > max {
                return Err(Error::Count { got, max });
            }
        }
        if !PACKET_BYTES.contains(&self.packet_bytes_max) {
            return Err(Error::PacketSize {
                got: self.packet_bytes_max,
            });
        }
        Ok(())
    }
}

const INTERVAL_MIN: Duration = Duration::from_millis(1);
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// From one that takes any message with two of the longest records, to UDP's longest.
const PACKET_BYTES: core::ops::RangeInclusive<u32> = 400..=65_507;

#[cfg(test)]
mod tests;
